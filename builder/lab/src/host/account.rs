//! Owns what a lab's account has from the start: the image, as an AMI of every region.

use crate::aws::{Image, ImageState};
use crate::node::Lab;
use crate::wire::Cloud;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{HostError, HostSettings};

/// What the root volume of a node is said to have; it really has what the machine has.
const ROOT_VOLUME_GIB: u32 = 8;

/// Offers the image in every region, as if it had been published there.
pub(super) fn offer_image(
    cloud: &mut Cloud,
    lab: &Lab,
    settings: &HostSettings,
) -> Result<(), HostError> {
    let opened = lab.open_image(&settings.image).map_err(HostError::lab)?;
    let fingerprint = opened.fingerprint.unwrap_or_default();
    let short: String = fingerprint.chars().take(12).collect();
    for region in &settings.regions {
        let tags = BTreeMap::from([
            ("vmimage:image".to_owned(), settings.image_name.clone()),
            ("vmimage:fingerprint".to_owned(), fingerprint.clone()),
        ]);
        let image = Image {
            name: format!("{}-{short}", settings.image_name),
            description: format!("{} as it was baked", settings.image_name),
            architecture: "x86_64".to_owned(),
            root_volume_gib: ROOT_VOLUME_GIB,
            tags,
            state: ImageState::Available,
        };
        let ami = cloud
            .aws_mut()
            .register_image(region, image, Duration::ZERO)
            .ok_or_else(|| HostError::Region {
                image: settings.image_name.clone(),
                region: region.clone(),
            })?;
        lab.add_image(&ami, &settings.image)
            .map_err(HostError::lab)?;
    }
    Ok(())
}
