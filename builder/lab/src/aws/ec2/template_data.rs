//! Owns the data of a launch template: which parameters there are, how a version inherits them,
//! how they are told. Must not judge them: EC2 does that when an instance is launched.

use crate::aws::error::ApiError;
use crate::aws::params::Params;
use crate::aws::xml::Xml;

/// The parameters that a launch template and `RunInstances` have in common.
pub(crate) const DATA: &[&str] = &[
    "BlockDeviceMapping.#.DeviceName",
    "BlockDeviceMapping.#.NoDevice",
    "BlockDeviceMapping.#.VirtualName",
    "BlockDeviceMapping.#.Ebs.DeleteOnTermination",
    "BlockDeviceMapping.#.Ebs.Encrypted",
    "BlockDeviceMapping.#.Ebs.Iops",
    "BlockDeviceMapping.#.Ebs.KmsKeyId",
    "BlockDeviceMapping.#.Ebs.SnapshotId",
    "BlockDeviceMapping.#.Ebs.Throughput",
    "BlockDeviceMapping.#.Ebs.VolumeSize",
    "BlockDeviceMapping.#.Ebs.VolumeType",
    "CreditSpecification.CpuCredits",
    "DisableApiStop",
    "DisableApiTermination",
    "EbsOptimized",
    "EnclaveOptions.Enabled",
    "HibernationOptions.Configured",
    "IamInstanceProfile.Arn",
    "IamInstanceProfile.Name",
    "ImageId",
    "InstanceInitiatedShutdownBehavior",
    "InstanceType",
    "KeyName",
    "MaintenanceOptions.AutoRecovery",
    "MetadataOptions.HttpEndpoint",
    "MetadataOptions.HttpProtocolIpv6",
    "MetadataOptions.HttpPutResponseHopLimit",
    "MetadataOptions.HttpTokens",
    "MetadataOptions.InstanceMetadataTags",
    "Monitoring.Enabled",
    "NetworkInterface.#.AssociatePublicIpAddress",
    "NetworkInterface.#.DeleteOnTermination",
    "NetworkInterface.#.Description",
    "NetworkInterface.#.DeviceIndex",
    "NetworkInterface.#.InterfaceType",
    "NetworkInterface.#.NetworkCardIndex",
    "NetworkInterface.#.SecurityGroupId.#",
    "NetworkInterface.#.SubnetId",
    "Placement.AvailabilityZone",
    "Placement.GroupName",
    "Placement.Tenancy",
    "PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord",
    "PrivateDnsNameOptions.EnableResourceNameDnsARecord",
    "PrivateDnsNameOptions.HostnameType",
    "SecurityGroup.#",
    "SecurityGroupId.#",
    "TagSpecification.#.ResourceType",
    "TagSpecification.#.Tag.#.Key",
    "TagSpecification.#.Tag.#.Value",
    "UserData",
];

/// Whether a top-level parameter belongs to the data of a template.
pub(crate) fn is_data(name: &str) -> bool {
    let first = |known: &str| known.split('.').next() == Some(name);
    DATA.iter().any(|known| first(known))
}

/// User data hold at most so many bytes before base64.
pub(crate) const USER_DATA_AT_MOST: usize = 16_384;

/// The user data, decoded. Their limit is held.
pub(crate) fn decode_user_data(data: &Params) -> Result<Vec<u8>, ApiError> {
    use base64::Engine;
    let Some(text) = data.filled("UserData") else {
        return Ok(Vec::new());
    };
    // Lines of base64, as `base64` writes them, are taken.
    let joined: String = text.split_ascii_whitespace().collect();
    let engine = &base64::engine::general_purpose::STANDARD;
    let bytes = engine.decode(joined).map_err(|_not_base64| {
        ApiError::new(
            "InvalidUserData.Malformed",
            "Invalid BASE64 encoding of user data.",
        )
    })?;
    if bytes.len() > USER_DATA_AT_MOST {
        return Err(ApiError::invalid(format!(
            "User data is limited to {USER_DATA_AT_MOST} bytes"
        )));
    }
    Ok(bytes)
}

/// Writes the data of a version, each parameter by the name that answers have for it.
pub(crate) fn write_data(xml: &mut Xml, data: &Params) {
    for (name, node) in data.below() {
        write_node(xml, name, node, Depth::Top);
    }
}

/// Where a parameter lies: one name means two things.
#[derive(Clone, Copy)]
enum Depth {
    Top,
    Below,
}

fn write_node(xml: &mut Xml, name: &str, node: &Params, depth: Depth) {
    if let Some(text) = node.text() {
        // An empty list has an empty text.
        if !(text.is_empty() && is_list(name)) {
            xml.text(&answer_name(name, depth), text);
        }
        return;
    }
    let name_told = answer_name(name, depth);
    if is_list(name) {
        let entries = node.entries();
        if name_told == "groupSet" {
            xml.within("groupSet", |xml| {
                for entry in entries {
                    xml.text("groupId", entry.text().unwrap_or_default());
                }
            });
            return;
        }
        xml.list(&name_told, entries, |xml, entry| match entry.text() {
            Some(text) => xml.plain(text),
            None => {
                for (name, node) in entry.below() {
                    write_node(xml, name, node, Depth::Below);
                }
            }
        });
        return;
    }
    xml.within(&name_told, |xml| {
        for (name, node) in node.below() {
            write_node(xml, name, node, Depth::Below);
        }
    });
}

fn is_list(name: &str) -> bool {
    matches!(
        name,
        "BlockDeviceMapping"
            | "NetworkInterface"
            | "SecurityGroup"
            | "SecurityGroupId"
            | "TagSpecification"
            | "Tag"
    )
}

/// `InstanceType` is told as `instanceType`, a list `Tag` as `tagSet`.
fn answer_name(name: &str, depth: Depth) -> String {
    if name == "SecurityGroupId" && matches!(depth, Depth::Below) {
        return "groupSet".to_owned();
    }
    let mut told = String::with_capacity(name.len() + 3);
    let mut letters = name.chars();
    told.extend(letters.next().map(|first| first.to_ascii_lowercase()));
    told.extend(letters);
    if is_list(name) {
        told.push_str("Set");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Service;

    fn params(body: &str) -> Params {
        Params::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn data_are_told_by_the_names_of_answers() {
        let data = params(
            "ImageId=ami-1&MetadataOptions.HttpTokens=required&SecurityGroupId.1=sg-1\
             &NetworkInterface.1.SecurityGroupId.1=sg-2&NetworkInterface.1.DeviceIndex=0\
             &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a\
             &TagSpecification.1.Tag.1.Value=&SecurityGroup=",
        );
        let mut xml = Xml::answer(Service::Ec2, "X", "r");
        write_data(&mut xml, &data);
        let text = xml.finish(Service::Ec2, "X", "r");
        let (_, body) = text.split_once("</requestId>").unwrap();
        assert_eq!(
            body,
            "<imageId>ami-1</imageId>\
             <metadataOptions><httpTokens>required</httpTokens></metadataOptions>\
             <networkInterfaceSet><item><deviceIndex>0</deviceIndex>\
             <groupSet><groupId>sg-2</groupId></groupSet></item></networkInterfaceSet>\
             <securityGroupIdSet><item>sg-1</item></securityGroupIdSet>\
             <tagSpecificationSet><item><resourceType>instance</resourceType>\
             <tagSet><item><key>a</key><value></value></item></tagSet></item></tagSpecificationSet>\
             </XResponse>"
        );
    }

    #[test]
    fn the_limit_of_user_data_is_that_of_the_decoded_bytes() {
        use base64::Engine;
        let encode = |length: usize| {
            let text = base64::engine::general_purpose::STANDARD.encode(vec![b'x'; length]);
            Params::from_pairs([("UserData", text)]).unwrap()
        };
        let largest = decode_user_data(&encode(USER_DATA_AT_MOST)).unwrap();
        assert_eq!(largest.len(), USER_DATA_AT_MOST);
        let error = decode_user_data(&encode(USER_DATA_AT_MOST + 1)).unwrap_err();
        assert_eq!(error.message, "User data is limited to 16384 bytes");
        let error = decode_user_data(&params("UserData=%21")).unwrap_err();
        assert_eq!(error.code, "InvalidUserData.Malformed");
        assert_eq!(
            decode_user_data(&params("UserData=YWI%3D%0A")).unwrap(),
            b"ab"
        );
    }
}
