//! Owns what an instance is launched with: read from the parameters of a request or of a launch
//! template, and judged as EC2 does at launch.

use std::sync::Arc;

use super::images::ROOT_DEVICE;
use super::instance::MetadataOptions;
use super::tags::{check_for_metadata, specified};
use super::template_data::decode_user_data;
use super::volumes::{Volume, new_volume};
use crate::aws::error::ApiError;
use crate::aws::filter::Tags;
use crate::aws::params::Params;
use crate::aws::region::Region;

/// Everything that a launch needs, checked.
#[derive(Clone, Debug)]
pub(crate) struct LaunchSpec {
    pub(crate) image_id: String,
    pub(crate) instance_type: String,
    pub(crate) architecture: String,
    pub(crate) key_name: Option<String>,
    pub(crate) user_data: Arc<[u8]>,
    pub(crate) tags: Tags,
    pub(crate) volume_tags: Tags,
    pub(crate) metadata: MetadataOptions,
    pub(crate) profile: Option<String>,
    pub(crate) security_groups: Vec<String>,
    /// Where, if it is said.
    pub(crate) subnet_id: Option<String>,
    pub(crate) devices: Vec<Device>,
    pub(crate) monitoring: bool,
    pub(crate) ebs_optimized: bool,
    pub(crate) termination_protected: bool,
}

/// A volume that is made with an instance.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    /// Its zone is filled in at launch.
    pub(crate) volume: Volume,
    pub(crate) delete_on_termination: bool,
}

/// What resources a launch tags.
const TAGGED: &[&str] = &[
    "instance",
    "volume",
    "network-interface",
    "spot-instances-request",
];

impl Region {
    /// Reads and judges what an instance is to be launched with.
    pub(crate) fn launch_spec(&self, data: &Params) -> Result<LaunchSpec, ApiError> {
        let image_id = data.required("ImageId")?;
        let instance_type = data.required("InstanceType")?;
        let image = self.launchable_image(image_id)?;
        let architecture = image.image.architecture.clone();
        check_instance_type(instance_type, &architecture)?;
        let tags = specified(data, "instance", TAGGED)?;
        let metadata = metadata_options(data, DEFAULT_METADATA)?;
        if metadata.tags {
            check_for_metadata(tags.keys())?;
        }
        Ok(LaunchSpec {
            image_id: image_id.to_owned(),
            instance_type: instance_type.to_owned(),
            architecture,
            key_name: data.filled("KeyName").map(str::to_owned),
            user_data: decode_user_data(data)?.into(),
            tags,
            volume_tags: specified(data, "volume", TAGGED)?,
            metadata,
            profile: profile(data)?,
            security_groups: self.security_groups(data)?,
            subnet_id: self.placement(data)?,
            devices: devices(data, image.image.root_volume_gib)?,
            monitoring: data.boolean("Monitoring.Enabled")?.unwrap_or_default(),
            ebs_optimized: data.boolean("EbsOptimized")?.unwrap_or_default(),
            termination_protected: data.boolean("DisableApiTermination")?.unwrap_or_default(),
        })
    }

    fn security_groups(&self, data: &Params) -> Result<Vec<String>, ApiError> {
        let interfaces = data.list("NetworkInterface");
        let interface = interfaces.first();
        let mut ids = data.strings("SecurityGroupId");
        if let Some(interface) = interface {
            if !ids.is_empty() || data.filled("SubnetId").is_some() {
                return Err(ApiError::new(
                    "InvalidParameterCombination",
                    "Network interfaces and an instance-level subnet ID or security groups may \
                     not be specified on the same request",
                ));
            }
            ids = interface.strings("SecurityGroupId");
        }
        for id in &ids {
            self.network.check_security_group(id)?;
        }
        for name in data.strings("SecurityGroup") {
            if name != "default" {
                let text = format!("The security group '{name}' does not exist in default VPC");
                return Err(ApiError::new("InvalidGroup.NotFound", text));
            }
        }
        if ids.is_empty() {
            ids.push(&self.network.group_id);
        }
        Ok(ids.into_iter().map(str::to_owned).collect())
    }

    fn placement(&self, data: &Params) -> Result<Option<String>, ApiError> {
        let interfaces = data.list("NetworkInterface");
        let inner = interfaces.first().and_then(|one| one.filled("SubnetId"));
        let zone = data.filled("Placement.AvailabilityZone");
        let subnet = match (data.filled("SubnetId").or(inner), zone) {
            (Some(id), _) => Some(self.network.subnet(id)?),
            (None, Some(zone)) => {
                let text = format!("Invalid availability zone: [{zone}]");
                let subnet = self.network.in_zone(zone);
                Some(subnet.ok_or_else(|| ApiError::invalid(text))?)
            }
            (None, None) => None,
        };
        if let (Some(subnet), Some(zone)) = (subnet, zone)
            && subnet.zone != zone
        {
            let text = format!(
                "The availability zone '{zone}' does not match the subnet's '{}'",
                subnet.zone
            );
            return Err(ApiError::invalid(text));
        }
        Ok(subnet.map(|subnet| subnet.id.clone()))
    }
}

/// What images with `imdsSupport` `v2.0` start with.
const DEFAULT_METADATA: MetadataOptions = MetadataOptions {
    enabled: true,
    tokens_required: true,
    hop_limit: 2,
    tags: false,
    ipv6: false,
};

/// `before`, with what `MetadataOptions` say.
fn metadata_options(data: &Params, before: MetadataOptions) -> Result<MetadataOptions, ApiError> {
    match data.node("MetadataOptions") {
        None => Ok(before),
        Some(options) => changed_metadata(options, before),
    }
}

/// `before`, with what the parameters say.
pub(crate) fn changed_metadata(
    options: &Params,
    before: MetadataOptions,
) -> Result<MetadataOptions, ApiError> {
    let hop_limit: Option<u8> = options.integer("HttpPutResponseHopLimit")?;
    if let Some(limit) = hop_limit.filter(|limit| !(1..=64).contains(limit)) {
        return Err(ApiError::invalid(format!(
            "Value ({limit}) for parameter HttpPutResponseHopLimit is invalid. Expected a value \
             from 1 to 64"
        )));
    }
    Ok(MetadataOptions {
        enabled: switch(options, "HttpEndpoint", ["disabled", "enabled"])?
            .unwrap_or(before.enabled),
        tokens_required: switch(options, "HttpTokens", ["optional", "required"])?
            .unwrap_or(before.tokens_required),
        hop_limit: hop_limit.unwrap_or(before.hop_limit),
        tags: switch(options, "InstanceMetadataTags", ["disabled", "enabled"])?
            .unwrap_or(before.tags),
        ipv6: switch(options, "HttpProtocolIpv6", ["disabled", "enabled"])?.unwrap_or(before.ipv6),
    })
}

fn switch(options: &Params, name: &str, [off, on]: [&str; 2]) -> Result<Option<bool>, ApiError> {
    match options.filled(name) {
        None => Ok(None),
        Some(value) if value == on => Ok(Some(true)),
        Some(value) if value == off => Ok(Some(false)),
        Some(value) => Err(ApiError::invalid(format!(
            "Value ({value}) for parameter {name} is invalid. Expected {off} or {on}"
        ))),
    }
}

/// The instance profile's name, also of its ARN.
fn profile(data: &Params) -> Result<Option<String>, ApiError> {
    let name = data.filled("IamInstanceProfile.Name");
    let arn = data.filled("IamInstanceProfile.Arn");
    match (name, arn) {
        (Some(_), Some(_)) => Err(ApiError::new(
            "InvalidParameterCombination",
            "The parameter 'iamInstanceProfile.name' may not be used in combination with \
             'iamInstanceProfile.arn'",
        )),
        (Some(name), None) => Ok(Some(name.to_owned())),
        (None, Some(arn)) => match arn.rsplit_once("instance-profile/") {
            Some((_, path)) => Ok(path.rsplit('/').next().map(str::to_owned)),
            None => Err(ApiError::invalid(format!(
                "Value ({arn}) for parameter iamInstanceProfile.arn is invalid. Invalid IAM \
                 Instance Profile ARN"
            ))),
        },
        (None, None) => Ok(None),
    }
}

/// The family of an instance type, if there is such a type as far as its name tells.
pub(crate) fn family(name: &str) -> Option<&str> {
    let valid = |part: &str| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && part.bytes().all(legal)
    };
    let (family, size) = name.split_once('.')?;
    (valid(family) && valid(size)).then_some(family)
}

/// Whether the type exists as far as its name tells, and runs the image's architecture.
fn check_instance_type(name: &str, architecture: &str) -> Result<(), ApiError> {
    let Some(family) = family(name) else {
        return Err(ApiError::invalid(format!(
            "Invalid value '{name}' for InstanceType."
        )));
    };
    // Graviton's families have a `g` after their generation (`t4g`, `c7gn`), but for the first.
    let generation = family.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let own = if generation.contains('g') || family == "a1" {
        "arm64"
    } else {
        "x86_64"
    };
    if own != architecture {
        return Err(ApiError::invalid(format!(
            "The architecture '{own}' of the specified instance type does not match the \
             architecture '{architecture}' of the specified AMI. Specify an instance type and an \
             AMI that have matching architectures, and try again."
        )));
    }
    Ok(())
}

/// The volumes of an instance, the root volume first.
fn devices(data: &Params, root_gib: u32) -> Result<Vec<Device>, ApiError> {
    let root = new_volume((root_gib, "gp3"), (None, None), "")?;
    let mut devices = vec![Device {
        name: ROOT_DEVICE.to_owned(),
        volume: root,
        delete_on_termination: true,
    }];
    for mapping in data.list("BlockDeviceMapping") {
        let name = mapping.required("DeviceName")?;
        if mapping.has("NoDevice") || mapping.has("VirtualName") {
            continue;
        }
        let ebs = mapping.node("Ebs").cloned().unwrap_or_default();
        let is_root = name == ROOT_DEVICE;
        let least = if is_root { root_gib } else { 1 };
        let size: Option<u32> = ebs.integer("VolumeSize")?;
        let size = match size {
            Some(size) if size < least => {
                return Err(ApiError::new(
                    "InvalidBlockDeviceMapping",
                    format!(
                        "Volume of size {size}GB is smaller than the image's snapshot, expect \
                         size >= {least}GB"
                    ),
                ));
            }
            Some(size) => size,
            None if is_root => root_gib,
            None => return Err(ApiError::missing("ebs.volumeSize")),
        };
        let kind = ebs.filled("VolumeType").unwrap_or("gp3");
        let speeds = (ebs.integer("Iops")?, ebs.integer("Throughput")?);
        let mut volume = new_volume((size, kind), speeds, "")?;
        volume.encrypted = ebs.boolean("Encrypted")?.unwrap_or_default();
        volume.kms_key_id = ebs.filled("KmsKeyId").map(str::to_owned);
        volume.snapshot_id = ebs.filled("SnapshotId").map(str::to_owned);
        let device = Device {
            name: name.to_owned(),
            volume,
            delete_on_termination: ebs.boolean("DeleteOnTermination")?.unwrap_or(true),
        };
        match devices.iter_mut().find(|device| device.name == name) {
            Some(root) if is_root => *root = device,
            Some(_) => {
                let text = format!("Duplicate device name '{name}'");
                return Err(ApiError::new("InvalidBlockDeviceMapping", text));
            }
            None => devices.push(device),
        }
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_are_told_by_families() {
        for (name, architecture, fits) in [
            ("t3.medium", "x86_64", true),
            ("g4dn.xlarge", "x86_64", true),
            ("t4g.small", "arm64", true),
            ("c7gn.large", "arm64", true),
            ("a1.large", "arm64", true),
            ("m7i.large", "arm64", false),
            ("m7g.large", "x86_64", false),
            ("u-6tb1.112xlarge", "x86_64", true),
            ("medium", "x86_64", false),
            ("t3.Medium", "x86_64", false),
        ] {
            let checked = check_instance_type(name, architecture);
            assert_eq!(checked.is_ok(), fits, "{name} {architecture}");
        }
    }

    #[test]
    fn volumes_are_checked_and_the_root_volume_can_grow() {
        let read = |body: &str| devices(&Params::parse(body.as_bytes()).unwrap(), 8);
        let mapping = "BlockDeviceMapping.1.DeviceName";
        let size = "BlockDeviceMapping.1.Ebs.VolumeSize";
        let two = read(&format!("{mapping}=/dev/sdf&{size}=100")).unwrap();
        let sizes: Vec<u32> = two.iter().map(|one| one.volume.size_gib).collect();
        assert_eq!(sizes, [8, 100]);
        let grown = read(&format!("{mapping}=/dev/xvda&{size}=20")).unwrap();
        assert_eq!((grown.len(), grown[0].volume.size_gib), (1, 20));
        for (body, code) in [
            (
                format!("{mapping}=/dev/xvda&{size}=7"),
                "InvalidBlockDeviceMapping",
            ),
            (format!("{mapping}=/dev/sdf"), "MissingParameter"),
            (
                format!("{mapping}=/dev/sdf&{size}=1&BlockDeviceMapping.1.Ebs.VolumeType=gp9"),
                "UnknownVolumeType",
            ),
        ] {
            assert_eq!(read(&body).unwrap_err().code, code, "{body}");
        }
    }

    #[test]
    fn profiles_have_a_name_or_an_arn() {
        let read = |body: &str| profile(&Params::parse(body.as_bytes()).unwrap());
        let arn = "IamInstanceProfile.Arn=arn:aws:iam::1:instance-profile/path/web";
        assert_eq!(read(arn), Ok(Some("web".to_owned())));
        assert_eq!(
            read("IamInstanceProfile.Name=web"),
            Ok(Some("web".to_owned()))
        );
        assert_eq!(read(""), Ok(None));
        let both = read("IamInstanceProfile.Name=a&IamInstanceProfile.Arn=b").unwrap_err();
        assert_eq!(both.code, "InvalidParameterCombination");
        let wrong = read("IamInstanceProfile.Arn=b").unwrap_err();
        assert_eq!(wrong.code, "InvalidParameterValue");
    }
}
