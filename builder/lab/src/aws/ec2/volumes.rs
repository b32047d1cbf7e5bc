//! Owns volumes: making and finding them. Attaching them lies in `attachments.rs`.

use std::time::Duration;

use super::tags::specified;
use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::history::History;
use crate::aws::launch::Change;
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation, PAGES, TAG_SPECIFICATIONS};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::schedule::Event;
use crate::aws::xml::Xml;

/// How long a new volume is `creating`.
const CREATING: Duration = Duration::from_secs(1);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateVolume",
        takes: &[
            DRY_RUN,
            TAG_SPECIFICATIONS,
            (
                "",
                &[
                    "AvailabilityZone",
                    "Size",
                    "VolumeType",
                    "Iops",
                    "Throughput",
                    "Encrypted",
                    "KmsKeyId",
                    "MultiAttachEnabled",
                    "ClientToken",
                ],
            ),
        ],
        writes: true,
        handle: create_volume,
    },
    Operation {
        name: "DescribeVolumes",
        takes: &[DRY_RUN, FILTERS, PAGES, ("", &["VolumeId.#"])],
        writes: false,
        handle: describe_volumes,
    },
    Operation {
        name: "DeleteVolume",
        takes: &[DRY_RUN, ("", &["VolumeId"])],
        writes: true,
        handle: delete_volume,
    },
];

/// One volume.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    pub(crate) size_gib: u32,
    pub(crate) kind: String,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) encrypted: bool,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) zone: String,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) created: String,
    pub(crate) tags: History<Tags>,
    pub(crate) use_: History<Use>,
}

/// What a volume is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is being made.
    Creating,
    /// Nothing.
    Available,
    /// It is attached.
    Attached(Attached),
}

/// Where a volume is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attached {
    pub(crate) instance_id: String,
    pub(crate) device: String,
    pub(crate) time: String,
    pub(crate) delete_on_termination: bool,
}

impl Use {
    fn name(&self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::Attached(_) => "in-use",
        }
    }

    /// Where it is attached.
    pub(crate) fn attached(&self) -> Option<&Attached> {
        match self {
            Self::Attached(attached) => Some(attached),
            Self::Creating | Self::Available => None,
        }
    }
}

/// Nobody has this volume.
pub(crate) fn volume_not_found(id: &str) -> ApiError {
    let text = format!("The volume '{id}' does not exist.");
    ApiError::new("InvalidVolume.NotFound", text)
}

/// The limits of a kind of volume: sizes, and what it delivers unless asked for more.
fn limits(kind: &str) -> Option<(u32, u32, Option<u32>, Option<u32>)> {
    Some(match kind {
        "gp3" => (1, 65_536, Some(3_000), Some(125)),
        "gp2" => (1, 16_384, None, None),
        "io1" | "io2" => (4, 16_384, None, None),
        "st1" | "sc1" => (125, 16_384, None, None),
        "standard" => (1, 1_024, None, None),
        _ => return None,
    })
}

/// A volume as it is asked for, after its values are checked. `kind` is `gp2` unless given.
pub(crate) fn new_volume(
    (size_gib, kind): (u32, &str),
    (iops, throughput): (Option<u32>, Option<u32>),
    zone: &str,
) -> Result<Volume, ApiError> {
    let Some((least, most, usual_iops, usual_throughput)) = limits(kind) else {
        let text = format!("Volume type '{kind}' is not supported");
        return Err(ApiError::new("UnknownVolumeType", text));
    };
    if !(least..=most).contains(&size_gib) {
        return Err(ApiError::invalid(format!(
            "Volume of {size_gib}GiB is not valid for type {kind}: {least} to {most} GiB"
        )));
    }
    if kind.starts_with("io") && iops.is_none() {
        return Err(ApiError::missing("iops"));
    }
    Ok(Volume {
        size_gib,
        kind: kind.to_owned(),
        iops: iops.or(usual_iops),
        throughput: throughput.or(usual_throughput),
        encrypted: false,
        kms_key_id: None,
        zone: zone.to_owned(),
        snapshot_id: None,
        created: String::new(),
        tags: History::new(Duration::ZERO, Tags::new()),
        use_: History::new(Duration::ZERO, Use::Creating),
    })
}

impl Region {
    /// A volume is made.
    pub(crate) fn volume_created(&mut self, id: &str) {
        let now = self.now;
        if let Some(volume) = self.volumes.get_mut(id)
            && *volume.use_.get() == Use::Creating
        {
            volume.use_.set(now, Use::Available);
        }
    }
}

fn create_volume(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let params = call.params;
    if let Some(id) = region.tokens.made_before("CreateVolume", call)?
        && let Some(volume) = region.volumes.get(&id)
    {
        write_volume(xml, &id, volume, volume.use_.get(), volume.tags.get());
        return Ok(());
    }
    let zone = params.required("AvailabilityZone")?;
    if region.network.in_zone(zone).is_none() {
        let text = format!("The zone '{zone}' does not exist.");
        return Err(ApiError::new("InvalidZone.NotFound", text));
    }
    if params.boolean("MultiAttachEnabled")? == Some(true) {
        let text = "Volumes that attach to several instances are not part of this simulation";
        return Err(ApiError::new("UnsupportedOperation", text));
    }
    let kind = params.filled("VolumeType").unwrap_or("gp2");
    let size = params.required_integer("Size")?;
    let speeds = (params.integer("Iops")?, params.integer("Throughput")?);
    let mut volume = new_volume((size, kind), speeds, zone)?;
    volume.encrypted = params.boolean("Encrypted")?.unwrap_or_default();
    volume.kms_key_id = params.filled("KmsKeyId").map(str::to_owned);
    volume.tags = History::new(region.now, specified(params, "volume", &["volume"])?);
    volume.use_ = History::new(region.now, Use::Creating);
    volume.created = region.time_text();
    call.proceed()?;
    let id = region.ids.resource("vol");
    write_volume(xml, &id, &volume, volume.use_.get(), volume.tags.get());
    region.volumes.insert(id.clone(), volume);
    region.tokens.remember("CreateVolume", call, &id);
    region.later(CREATING, Event::VolumeCreated(id));
    Ok(())
}

const FILTER_NAMES: &[&str] = &[
    "volume-id",
    "status",
    "availability-zone",
    "size",
    "volume-type",
    "encrypted",
    "snapshot-id",
    "attachment.instance-id",
    "attachment.device",
    "attachment.status",
    "attachment.delete-on-termination",
    "tag",
];

fn describe_volumes(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let filters = Filters::parse(call.params, FILTER_NAMES)?;
    let page = Page::of_ec2(call.params, &(5..=1000))?;
    let view = region.view();
    let asked = call.params.strings("VolumeId");
    for id in &asked {
        let volume = region.volumes.get(*id);
        volume
            .and_then(|volume| volume.use_.at(view))
            .ok_or_else(|| volume_not_found(id))?;
    }
    let accepted = region.volumes.iter().filter_map(|(id, volume)| {
        let (use_, tags) = (volume.use_.at(view)?, volume.tags.at(view)?);
        let asked_for = asked.is_empty() || asked.contains(&id.as_str());
        let accepted = asked_for && accepts(&filters, id, volume, use_, tags);
        accepted.then_some((id, (id, volume, use_, tags)))
    });
    let (volumes, next) = page.cut(accepted);
    xml.list("volumeSet", volumes, |xml, (id, volume, use_, tags)| {
        write_volume(xml, id, volume, use_, tags);
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

fn accepts(filters: &Filters, id: &str, volume: &Volume, use_: &Use, tags: &Tags) -> bool {
    filters.accept(tags, |name, test| match (name, use_.attached()) {
        ("volume-id", _) => test(id),
        ("status", _) => test(use_.name()),
        ("availability-zone", _) => test(&volume.zone),
        ("size", _) => test(&volume.size_gib.to_string()),
        ("volume-type", _) => test(&volume.kind),
        ("encrypted", _) => test(if volume.encrypted { "true" } else { "false" }),
        ("snapshot-id", _) => volume.snapshot_id.as_deref().into_iter().for_each(test),
        ("attachment.instance-id", Some(attached)) => test(&attached.instance_id),
        ("attachment.device", Some(attached)) => test(&attached.device),
        ("attachment.status", Some(_)) => test("attached"),
        ("attachment.delete-on-termination", Some(attached)) => {
            test(if attached.delete_on_termination {
                "true"
            } else {
                "false"
            });
        }
        _ => (),
    })
}

fn write_volume(xml: &mut Xml, id: &str, volume: &Volume, use_: &Use, tags: &Tags) {
    xml.text("volumeId", id);
    xml.show("size", volume.size_gib);
    let snapshot = volume.snapshot_id.as_deref().unwrap_or_default();
    xml.text("snapshotId", snapshot);
    xml.text("availabilityZone", &volume.zone);
    xml.text("status", use_.name());
    xml.text("createTime", &volume.created);
    xml.text("volumeType", &volume.kind);
    if let Some(iops) = volume.iops {
        xml.show("iops", iops);
    }
    if let Some(throughput) = volume.throughput {
        xml.show("throughput", throughput);
    }
    xml.show("encrypted", volume.encrypted);
    xml.maybe("kmsKeyId", volume.kms_key_id.as_deref());
    xml.text("multiAttachEnabled", "false");
    xml.list("attachmentSet", use_.attached(), |xml, attached| {
        xml.text("volumeId", id);
        xml.text("instanceId", &attached.instance_id);
        xml.text("device", &attached.device);
        xml.text("status", "attached");
        xml.text("attachTime", &attached.time);
        xml.show("deleteOnTermination", attached.delete_on_termination);
    });
    xml.tags(tags);
}

fn delete_volume(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let id = call.params.required("VolumeId")?;
    let volume = region.volumes.get(id).ok_or_else(|| volume_not_found(id))?;
    if let Some(attached) = volume.use_.get().attached() {
        let text = format!(
            "Volume {id} is currently attached to {}",
            attached.instance_id
        );
        return Err(ApiError::new("VolumeInUse", text));
    }
    call.proceed()?;
    region.remove_volume(id);
    xml.text("return", "true");
    Ok(())
}

impl Region {
    /// Deletes a volume and lets the outside throw its data away.
    pub(crate) fn remove_volume(&mut self, id: &str) {
        if self.volumes.remove(id).is_some() {
            self.changes.push(Change::VolumeDeleted {
                region: self.name.clone(),
                volume_id: id.to_owned(),
            });
        }
    }
}
