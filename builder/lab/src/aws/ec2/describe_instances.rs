//! Owns telling of instances: who is asked for, and every field that is told. Must be cheap: a
//! fleet's nodes ask all the time.

use super::images::ROOT_DEVICE;
use super::instance::{Instance, State, instance_not_found};
use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation, PAGES};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

pub(crate) const OPERATIONS: &[Operation] = &[Operation {
    name: "DescribeInstances",
    takes: &[DRY_RUN, FILTERS, PAGES, ("", &["InstanceId.#"])],
    writes: false,
    handle: describe_instances,
}];

/// What instances can be asked for by.
pub(crate) const FILTER_NAMES: &[&str] = &[
    "architecture",
    "availability-zone",
    "block-device-mapping.volume-id",
    "client-token",
    "iam-instance-profile.arn",
    "image-id",
    "instance-id",
    "instance-lifecycle",
    "instance-state-code",
    "instance-state-name",
    "instance-type",
    "instance.group-id",
    "key-name",
    "launch-time",
    "metadata-options.http-tokens",
    "metadata-options.instance-metadata-tags",
    "network-interface.network-interface-id",
    "network-interface.subnet-id",
    "owner-id",
    "private-dns-name",
    "private-ip-address",
    "reservation-id",
    "subnet-id",
    "tag",
    "vpc-id",
];

/// An instance as it is told at a time.
pub(crate) struct Told<'r> {
    pub(crate) instance: &'r Instance,
    pub(crate) state: State,
    pub(crate) tags: &'r Tags,
}

impl Region {
    /// An instance as describes show it now.
    pub(crate) fn told<'r>(&self, instance: &'r Instance) -> Option<Told<'r>> {
        let view = self.view();
        Some(Told {
            instance,
            state: *instance.state.at(view)?,
            tags: instance.tags.at(view)?,
        })
    }

    /// Those among `ids`, or all that may match, with what is told of them.
    pub(crate) fn instances_asked<'r>(
        &'r self,
        ids: &[&str],
        filters: &'r Filters,
        after: Option<&str>,
    ) -> Result<Vec<Told<'r>>, ApiError> {
        let mut told = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.instances.get(id).and_then(|one| self.told(one));
            told.push(found.ok_or_else(|| instance_not_found(id))?);
        }
        told.sort_by(|a, b| a.instance.id.cmp(&b.instance.id));
        told.dedup_by(|a, b| a.instance.id == b.instance.id);
        let after = after.unwrap_or_default();
        told.retain(|one| one.instance.id.as_str() > after && self.accepts(filters, one));
        Ok(told)
    }

    fn accepts(&self, filters: &Filters, told: &Told<'_>) -> bool {
        let instance = told.instance;
        filters.accept(told.tags, |name, test| match name {
            "architecture" => test(&instance.architecture),
            "availability-zone" => test(&instance.zone),
            "block-device-mapping.volume-id" => {
                instance.devices.iter().for_each(|(_, id)| test(id));
            }
            "client-token" => instance.client_token.as_deref().into_iter().for_each(test),
            "iam-instance-profile.arn" => {
                let arn = instance
                    .profile
                    .as_deref()
                    .map(|name| self.profile_arn(name));
                arn.as_deref().into_iter().for_each(test);
            }
            "image-id" => test(&instance.image_id),
            "instance-id" => test(&instance.id),
            "instance-state-code" => test(&told.state.code().to_string()),
            "instance-state-name" => test(told.state.name()),
            "instance-type" => test(&instance.instance_type),
            "instance.group-id" => instance.security_groups.iter().for_each(|id| test(id)),
            "key-name" => instance.key_name.as_deref().into_iter().for_each(test),
            "launch-time" => test(&instance.launch_time),
            "metadata-options.http-tokens" => test(tokens(instance)),
            "metadata-options.instance-metadata-tags" => test(enabled(instance.metadata.tags)),
            "network-interface.network-interface-id" => test(&instance.interface_id),
            "owner-id" => test(&self.account_id),
            "private-dns-name" => test(&instance.private_dns),
            "private-ip-address" => test(&instance.address.to_string()),
            "reservation-id" => test(&instance.reservation_id),
            "network-interface.subnet-id" | "subnet-id" => test(&instance.subnet_id),
            "vpc-id" => test(&self.network.vpc_id),
            // Nobody has an `instance-lifecycle`: there are no spot instances.
            _ => (),
        })
    }

    fn profile_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:instance-profile/{name}", self.account_id)
    }
}

fn describe_instances(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let filters = Filters::parse(call.params, FILTER_NAMES)?;
    let page = Page::of_ec2(call.params, &(5..=1000))?;
    let ids = call.params.strings("InstanceId");
    if !ids.is_empty() && call.params.has("MaxResults") {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            "The parameter instancesSet cannot be used with the parameter maxResults",
        ));
    }
    let (told, next) = if ids.is_empty() {
        let current = Filters::default();
        // The index knows the tags as they are now, which is not what a stale read sees.
        let known = if region.stale.is_zero() {
            &filters
        } else {
            &current
        };
        let candidates = region.instances.candidates(known, page.after());
        let told = candidates.filter_map(|instance| region.told(instance));
        let accepted = told.filter(|told| region.accepts(&filters, told));
        page.cut(accepted.map(|told| (told.instance.id.as_str(), told)))
    } else {
        (region.instances_asked(&ids, &filters, None)?, None)
    };
    // Instances of one call are one reservation; on a page they stay together.
    let mut reservations: Vec<(&str, Vec<Told<'_>>)> = Vec::new();
    let mut places: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for one in told {
        let id = one.instance.reservation_id.as_str();
        let place = *places.entry(id).or_insert_with(|| {
            reservations.push((id, Vec::new()));
            reservations.len() - 1
        });
        reservations[place].1.push(one);
    }
    xml.list("reservationSet", reservations, |xml, (id, told)| {
        write_reserved(region, xml, id, &told);
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

/// Writes a reservation as `RunInstances` answers with it.
pub(crate) fn write_reservation(region: &Region, xml: &mut Xml, id: &str) {
    let reserved = region
        .instances
        .iter()
        .filter(|one| one.reservation_id == id);
    let told: Vec<Told<'_>> = reserved
        .map(|instance| Told {
            instance,
            state: *instance.state.get(),
            tags: instance.tags.get(),
        })
        .collect();
    write_reserved(region, xml, id, &told);
}

fn write_reserved(region: &Region, xml: &mut Xml, id: &str, told: &[Told<'_>]) {
    xml.text("reservationId", id);
    xml.text("ownerId", &region.account_id);
    if told.iter().any(|one| one.instance.group.is_some()) {
        // Auto Scaling asked for it.
        xml.text("requesterId", "940372691376");
    }
    xml.list("groupSet", [(); 0], |_, ()| ());
    xml.list("instancesSet", told, |xml, one| {
        write_instance(region, xml, one);
    });
}

fn tokens(instance: &Instance) -> &'static str {
    if instance.metadata.tokens_required {
        "required"
    } else {
        "optional"
    }
}

fn enabled(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

fn write_instance(region: &Region, xml: &mut Xml, told: &Told<'_>) {
    let instance = told.instance;
    xml.text("instanceId", &instance.id);
    xml.text("imageId", &instance.image_id);
    xml.within("instanceState", |xml| write_state(xml, told.state));
    let has_address = told.state != State::Terminated;
    let private_dns = if has_address {
        instance.private_dns.as_str()
    } else {
        ""
    };
    xml.text("privateDnsName", private_dns);
    xml.text("dnsName", "");
    if let Some((_, text)) = &instance.reason {
        xml.text("reason", text);
    }
    xml.maybe("keyName", instance.key_name.as_deref());
    xml.text("amiLaunchIndex", "0");
    xml.text("instanceType", &instance.instance_type);
    xml.text("launchTime", &instance.launch_time);
    xml.within("placement", |xml| {
        xml.text("availabilityZone", &instance.zone);
        xml.text("groupName", "");
        xml.text("tenancy", "default");
    });
    xml.within("monitoring", |xml| {
        xml.text("state", enabled(instance.monitoring));
    });
    if has_address {
        xml.text("subnetId", &instance.subnet_id);
        xml.text("vpcId", &region.network.vpc_id);
        xml.show("privateIpAddress", instance.address);
        xml.text("sourceDestCheck", "true");
        write_security_groups(xml, instance);
        write_interface(region, xml, instance);
    }
    if let Some((code, text)) = &instance.reason {
        xml.within("stateReason", |xml| {
            xml.text("code", code);
            xml.text("message", text);
        });
    }
    xml.text("architecture", &instance.architecture);
    xml.text("rootDeviceType", "ebs");
    xml.text("rootDeviceName", ROOT_DEVICE);
    write_devices(region, xml, instance);
    xml.text("virtualizationType", "hvm");
    let token = instance.client_token.as_deref().unwrap_or_default();
    xml.text("clientToken", token);
    xml.tags(told.tags);
    xml.text("hypervisor", "xen");
    if let Some(name) = &instance.profile {
        xml.within("iamInstanceProfile", |xml| {
            xml.text("arn", &region.profile_arn(name));
        });
    }
    xml.show("ebsOptimized", instance.ebs_optimized);
    xml.text("enaSupport", "true");
    xml.text("bootMode", "uefi");
    xml.text("platformDetails", "Linux/UNIX");
    xml.within("metadataOptions", |xml| write_metadata(xml, instance));
}

pub(crate) fn write_state(xml: &mut Xml, state: State) {
    xml.show("code", state.code());
    xml.text("name", state.name());
}

pub(crate) fn write_metadata(xml: &mut Xml, instance: &Instance) {
    xml.text("state", "applied");
    xml.text("httpTokens", tokens(instance));
    xml.show("httpPutResponseHopLimit", instance.metadata.hop_limit);
    xml.text("httpEndpoint", enabled(instance.metadata.enabled));
    xml.text("httpProtocolIpv6", enabled(instance.metadata.ipv6));
    xml.text("instanceMetadataTags", enabled(instance.metadata.tags));
}

fn write_security_groups(xml: &mut Xml, instance: &Instance) {
    xml.list("groupSet", &instance.security_groups, |xml, id| {
        xml.text("groupId", id);
        xml.text("groupName", "default");
    });
}

fn write_interface(region: &Region, xml: &mut Xml, instance: &Instance) {
    xml.list("networkInterfaceSet", [()], |xml, ()| {
        xml.text("networkInterfaceId", &instance.interface_id);
        xml.text("subnetId", &instance.subnet_id);
        xml.text("vpcId", &region.network.vpc_id);
        xml.text("ownerId", &region.account_id);
        xml.text("status", "in-use");
        xml.text("macAddress", &crate::aws::launch::mac_of(instance.address));
        xml.show("privateIpAddress", instance.address);
        xml.text("privateDnsName", &instance.private_dns);
        xml.text("sourceDestCheck", "true");
        write_security_groups(xml, instance);
        xml.within("attachment", |xml| {
            xml.text("deviceIndex", "0");
            xml.text("status", "attached");
            xml.text("attachTime", &instance.launch_time);
            xml.text("deleteOnTermination", "true");
        });
    });
}

fn write_devices(region: &Region, xml: &mut Xml, instance: &Instance) {
    xml.list(
        "blockDeviceMapping",
        &instance.devices,
        |xml, (device, id)| {
            xml.text("deviceName", device);
            let volume = region.volumes.get(id);
            let attached = volume.and_then(|volume| volume.use_.get().attached());
            xml.within("ebs", |xml| {
                xml.text("volumeId", id);
                xml.text("status", "attached");
                if let Some(attached) = attached {
                    xml.text("attachTime", &attached.time);
                    xml.show("deleteOnTermination", attached.delete_on_termination);
                }
            });
        },
    );
}
