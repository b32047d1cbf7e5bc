//! Owns making launch templates and their versions. A version is sent whole, never as a difference to
//! another: what a source version had would otherwise come along unseen.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    InstanceType, LaunchTemplate, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateInstanceMetadataTagsState, LaunchTemplateTagSpecificationRequest,
    LaunchTemplateVersion, RequestLaunchTemplateData, ResourceType, TagSpecification, VolumeType,
};
use vmimage_plan::fleet::action::NewVersion;
use vmimage_plan::fleet::objects::{MetadataOptions, RootVolume, TemplateData};

use super::{ec2_tags, has_code, same_owner, sdk_number};
use crate::account::Clients;
use crate::error::{CallError, Operation, ec2, refused};
use crate::execute::Outcome;

const EXISTS: &str = "InvalidLaunchTemplateName.AlreadyExistsException";

pub(super) async fn create(
    clients: &Clients,
    name: &str,
    tags: &BTreeMap<String, String>,
    version: &NewVersion,
) -> Result<Outcome, CallError> {
    let operation = ec2("CreateLaunchTemplate");
    let own_tags = TagSpecification::builder()
        .resource_type(ResourceType::LaunchTemplate)
        .set_tags(Some(ec2_tags(tags)))
        .build();
    let answer = clients
        .ec2
        .create_launch_template()
        .launch_template_name(name)
        .client_token(&version.token)
        .version_description(&version.description)
        .launch_template_data(request(version))
        .tag_specifications(own_tags)
        .send()
        .await;
    match answer.map_err(refused(operation)) {
        Ok(answer) => {
            let template = answer.launch_template();
            let number = template.and_then(LaunchTemplate::latest_version_number);
            made(operation, name, number)
        }
        // The name was taken after the account was read. What its version says is not known, so
        // the next run looks at it.
        Err(error) if has_code(&error, EXISTS) => Err(if is_ours(clients, name, tags).await? {
            error
        } else {
            CallError::Foreign {
                operation,
                code: EXISTS.to_owned(),
            }
        }),
        Err(error) => Err(error),
    }
}

async fn is_ours(
    clients: &Clients,
    name: &str,
    wanted: &BTreeMap<String, String>,
) -> Result<bool, CallError> {
    let asked = clients.ec2.describe_launch_templates();
    let answer = asked.launch_template_names(name).send().await;
    let answer = answer.map_err(refused(ec2("DescribeLaunchTemplates")))?;
    let tags = answer
        .launch_templates()
        .iter()
        .flat_map(LaunchTemplate::tags);
    let found: BTreeMap<String, String> = tags
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
        .collect();
    Ok(same_owner(&found, wanted))
}

pub(super) async fn create_version(
    clients: &Clients,
    name: &str,
    id: &str,
    version: &NewVersion,
) -> Result<Outcome, CallError> {
    let operation = ec2("CreateLaunchTemplateVersion");
    let answer = clients
        .ec2
        .create_launch_template_version()
        .launch_template_id(id)
        .client_token(&version.token)
        .version_description(&version.description)
        .launch_template_data(request(version))
        .send()
        .await
        .map_err(refused(operation))?;
    let number = answer
        .launch_template_version()
        .and_then(LaunchTemplateVersion::version_number);
    made(operation, name, number)
}

fn made(operation: Operation, name: &str, number: Option<i64>) -> Result<Outcome, CallError> {
    let missing = "a version number";
    let number = number.and_then(|number| u64::try_from(number).ok());
    let number = number.ok_or(CallError::Incomplete { operation, missing })?;
    Ok(Outcome::TemplateVersion {
        template: name.to_owned(),
        number,
    })
}

fn request(version: &NewVersion) -> RequestLaunchTemplateData {
    let data = &version.data;
    let profile = data.instance_profile.as_ref().map(|name| {
        LaunchTemplateIamInstanceProfileSpecificationRequest::builder()
            .name(name)
            .build()
    });
    let user_data = aws_smithy_types::base64::encode(version.user_data.as_bytes());
    RequestLaunchTemplateData::builder()
        .image_id(&data.image)
        .instance_type(InstanceType::from(data.instance_type.as_str()))
        .set_iam_instance_profile(profile)
        .set_security_group_ids(Some(data.security_groups.clone()))
        .user_data(user_data)
        .metadata_options(metadata(&data.metadata))
        .set_block_device_mappings(
            data.root_volume
                .as_ref()
                .map(|root| vec![root_volume(root)]),
        )
        .set_tag_specifications(Some(tag_specifications(data)))
        .build()
}

fn metadata(options: &MetadataOptions) -> LaunchTemplateInstanceMetadataOptionsRequest {
    LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
        .http_tokens(LaunchTemplateHttpTokensState::from(
            options.http_tokens.as_str(),
        ))
        .http_put_response_hop_limit(sdk_number(options.hop_limit))
        .instance_metadata_tags(LaunchTemplateInstanceMetadataTagsState::from(
            options.instance_tags.as_str(),
        ))
        .build()
}

fn root_volume(root: &RootVolume) -> LaunchTemplateBlockDeviceMappingRequest {
    let ebs = LaunchTemplateEbsBlockDeviceRequest::builder()
        .volume_type(VolumeType::from(root.kind.as_str()))
        .set_volume_size(root.size_gib.map(sdk_number))
        .encrypted(root.encrypted)
        .delete_on_termination(root.delete_on_termination)
        .build();
    LaunchTemplateBlockDeviceMappingRequest::builder()
        .device_name(&root.device)
        .ebs(ebs)
        .build()
}

fn tag_specifications(data: &TemplateData) -> Vec<LaunchTemplateTagSpecificationRequest> {
    let specification = |kind, tags| {
        LaunchTemplateTagSpecificationRequest::builder()
            .resource_type(kind)
            .set_tags(Some(ec2_tags(tags)))
            .build()
    };
    vec![
        specification(ResourceType::Instance, &data.instance_tags),
        specification(ResourceType::Volume, &data.volume_tags),
    ]
}
