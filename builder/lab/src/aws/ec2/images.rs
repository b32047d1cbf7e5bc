//! Owns AMIs: what is known of them and how they are found.

use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::history::History;
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation, PAGES};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

pub(crate) const OPERATIONS: &[Operation] = &[Operation {
    name: "DescribeImages",
    takes: &[
        DRY_RUN,
        FILTERS,
        PAGES,
        (
            "",
            &[
                "ImageId.#",
                "Owner.#",
                "ExecutableBy.#",
                "IncludeDeprecated",
                "IncludeDisabled",
            ],
        ),
    ],
    writes: false,
    handle: describe_images,
}];

/// What an image is registered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name.
    pub name: String,
    /// What people read.
    pub description: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The size of its root volume.
    pub root_volume_gib: u32,
    /// Its tags.
    pub tags: Tags,
    /// Its state at first.
    pub state: ImageState,
}

/// Whether an image can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// It is being made.
    Pending,
    /// It can be launched.
    Available,
    /// It will never be; says why.
    Failed(String),
}

impl ImageState {
    fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Failed(_) => "failed",
        }
    }
}

/// An image of this region.
#[derive(Debug)]
pub(crate) struct RegisteredImage {
    pub(crate) image: Image,
    pub(crate) tags: History<Tags>,
    state: History<ImageState>,
    snapshot_id: String,
    created: String,
}

/// The device of every image's root volume, as Debian's own images have it.
pub(crate) const ROOT_DEVICE: &str = "/dev/xvda";

impl Region {
    /// Offers an image; gives its id.
    pub(crate) fn register_image(&mut self, image: Image) -> String {
        let id = self.ids.resource("ami");
        let registered = RegisteredImage {
            tags: History::new(self.now, image.tags.clone()),
            state: History::new(self.now, image.state.clone()),
            snapshot_id: self.ids.resource("snap"),
            created: self.time_text(),
            image,
        };
        self.images.insert(id.clone(), registered);
        id
    }

    /// Changes an image's state.
    pub(crate) fn set_image_state(&mut self, id: &str, state: ImageState) {
        if let Some(image) = self.images.get_mut(id) {
            image.state.set(self.now, state);
        }
    }

    /// The image, if instances can be launched from it.
    pub(crate) fn launchable_image(&self, id: &str) -> Result<&RegisteredImage, ApiError> {
        if !id.starts_with("ami-") {
            let text = format!("Invalid id: \"{id}\" (expecting \"ami-...\")");
            return Err(ApiError::new("InvalidAMIID.Malformed", text));
        }
        let image = self.images.get(id).ok_or_else(|| not_found(id))?;
        match image.state.get() {
            ImageState::Available => Ok(image),
            ImageState::Pending | ImageState::Failed(_) => {
                let text = format!("The image ID '{id}' is not available");
                Err(ApiError::new("InvalidAMIID.Unavailable", text))
            }
        }
    }
}

fn not_found(id: &str) -> ApiError {
    let text = format!("The image id '[{id}]' does not exist");
    ApiError::new("InvalidAMIID.NotFound", text)
}

const FILTER_NAMES: &[&str] = &[
    "name",
    "image-id",
    "state",
    "architecture",
    "owner-id",
    "description",
    "root-device-type",
    "root-device-name",
    "virtualization-type",
    "image-type",
    "is-public",
    "ena-support",
    "hypervisor",
    "creation-date",
    "block-device-mapping.snapshot-id",
    "tag",
];

fn describe_images(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let filters = Filters::parse(call.params, FILTER_NAMES)?;
    let page = Page::of_ec2(call.params, &(1..=1000))?;
    let view = region.view();
    let asked = call.params.strings("ImageId");
    for id in &asked {
        if !id.starts_with("ami-") {
            region.launchable_image(id)?;
        }
        let image = region.images.get(*id);
        image
            .and_then(|image| image.state.at(view))
            .ok_or_else(|| not_found(id))?;
    }
    // Every image is the account's own; nobody else's can be seen.
    let owners = call.params.strings("Owner");
    let own = |owner: &&str| *owner == "self" || *owner == region.account_id;
    let owned = owners.is_empty() || owners.iter().any(own);
    let accepted = region.images.iter().filter_map(|(id, image)| {
        let (state, tags) = (image.state.at(view)?, image.tags.at(view)?);
        let asked_for = asked.is_empty() || asked.contains(&id.as_str());
        let accepted = owned && asked_for && accepts(region, &filters, id, image, state, tags);
        accepted.then_some((id, (id, image, state, tags)))
    });
    let (images, next) = page.cut(accepted);
    xml.list("imagesSet", images, |xml, (id, image, state, tags)| {
        write_image(region, xml, id, image);
        xml.text("imageState", state.name());
        if let ImageState::Failed(reason) = state {
            xml.within("stateReason", |xml| {
                xml.text("code", "Client.InternalError");
                xml.text("message", reason);
            });
        }
        xml.tags(tags);
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

fn accepts(
    region: &Region,
    filters: &Filters,
    id: &str,
    image: &RegisteredImage,
    state: &ImageState,
    tags: &Tags,
) -> bool {
    filters.accept(tags, |name, test| match name {
        "name" => test(&image.image.name),
        "image-id" => test(id),
        "state" => test(state.name()),
        "architecture" => test(&image.image.architecture),
        "description" => test(&image.image.description),
        "root-device-type" => test("ebs"),
        "root-device-name" => test(ROOT_DEVICE),
        "virtualization-type" => test("hvm"),
        "image-type" => test("machine"),
        "is-public" => test("false"),
        "ena-support" => test("true"),
        "hypervisor" => test("xen"),
        "creation-date" => test(&image.created),
        "block-device-mapping.snapshot-id" => test(&image.snapshot_id),
        _ => test(&region.account_id),
    })
}

fn write_image(region: &Region, xml: &mut Xml, id: &str, registered: &RegisteredImage) {
    let image = &registered.image;
    xml.text("imageId", id);
    xml.text("name", &image.name);
    xml.text("description", &image.description);
    let location = format!("{}/{}", region.account_id, image.name);
    xml.text("imageLocation", &location);
    xml.text("imageOwnerId", &region.account_id);
    xml.text("isPublic", "false");
    xml.text("architecture", &image.architecture);
    xml.text("imageType", "machine");
    xml.text("creationDate", &registered.created);
    xml.text("platformDetails", "Linux/UNIX");
    xml.text("usageOperation", "RunInstances");
    xml.text("rootDeviceType", "ebs");
    xml.text("rootDeviceName", ROOT_DEVICE);
    xml.text("virtualizationType", "hvm");
    xml.text("hypervisor", "xen");
    xml.text("enaSupport", "true");
    xml.text("bootMode", "uefi");
    xml.text("imdsSupport", "v2.0");
    xml.list("blockDeviceMapping", [()], |xml, ()| {
        xml.text("deviceName", ROOT_DEVICE);
        xml.within("ebs", |xml| {
            xml.text("snapshotId", &registered.snapshot_id);
            xml.show("volumeSize", image.root_volume_gib);
            xml.text("volumeType", "gp3");
            xml.text("deleteOnTermination", "true");
            xml.text("encrypted", "false");
        });
    });
}
