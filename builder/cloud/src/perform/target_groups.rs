//! Owns making and changing target groups.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, ProtocolEnum, Tag, TagDescription, TargetGroup, TargetTypeEnum,
};
use vmimage_plan::fleet::objects::{TargetGroupHealth, TargetGroupSettings};

use super::{has_code, same_owner, sdk_number};
use crate::account::Clients;
use crate::error::{CallError, elbv2, refused};
use crate::execute::Outcome;

pub(super) async fn create(
    clients: &Clients,
    name: &str,
    settings: &TargetGroupSettings,
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, CallError> {
    let operation = elbv2("CreateTargetGroup");
    let health = &settings.health;
    let answer = clients
        .elbv2
        .create_target_group()
        .name(name)
        .protocol(ProtocolEnum::from(settings.protocol.as_str()))
        .port(i32::from(settings.port))
        .vpc_id(&settings.vpc)
        .target_type(TargetTypeEnum::Instance)
        .health_check_protocol(ProtocolEnum::from(health.protocol.as_str()))
        .health_check_path(&health.path)
        .matcher(Matcher::builder().http_code(&health.codes).build())
        .health_check_interval_seconds(sdk_number(health.interval_secs))
        .health_check_timeout_seconds(sdk_number(health.timeout_secs))
        .healthy_threshold_count(sdk_number(health.healthy))
        .unhealthy_threshold_count(sdk_number(health.unhealthy))
        .set_tags(Some(elbv2_tags(tags)))
        .send()
        .await;
    let arn = match answer.map_err(refused(operation)) {
        Ok(answer) => answer.target_groups().first().and_then(arn_of),
        // The reply to an earlier try was lost, or the name is somebody else's.
        Err(error) if has_code(&error, "DuplicateTargetGroupName") => {
            Some(existing(clients, name, tags, error).await?)
        }
        Err(error) => return Err(error),
    };
    let missing = "an ARN";
    let arn = arn.ok_or(CallError::Incomplete { operation, missing })?;
    Ok(Outcome::TargetGroup {
        name: name.to_owned(),
        arn,
    })
}

fn arn_of(group: &TargetGroup) -> Option<String> {
    group.target_group_arn().map(str::to_owned)
}

/// The ARN of the target group that has the name, if it is ours.
async fn existing(
    clients: &Clients,
    name: &str,
    wanted: &BTreeMap<String, String>,
    duplicate: CallError,
) -> Result<String, CallError> {
    let answer = clients
        .elbv2
        .describe_target_groups()
        .names(name)
        .send()
        .await;
    let answer = answer.map_err(refused(elbv2("DescribeTargetGroups")))?;
    let arn = answer.target_groups().first().and_then(arn_of);
    let Some(arn) = arn else {
        return Err(duplicate);
    };
    let described = clients
        .elbv2
        .describe_tags()
        .resource_arns(&arn)
        .send()
        .await;
    let described = described.map_err(refused(elbv2("DescribeTags")))?;
    let descriptions = described.tag_descriptions().iter();
    let found: BTreeMap<String, String> = descriptions
        .flat_map(TagDescription::tags)
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
        .collect();
    if same_owner(&found, wanted) {
        return Ok(arn);
    }
    Err(CallError::Foreign {
        operation: elbv2("CreateTargetGroup"),
        code: "DuplicateTargetGroupName".to_owned(),
    })
}

pub(super) async fn modify(
    clients: &Clients,
    arn: &str,
    health: &TargetGroupHealth,
) -> Result<Outcome, CallError> {
    clients
        .elbv2
        .modify_target_group()
        .target_group_arn(arn)
        .health_check_protocol(ProtocolEnum::from(health.protocol.as_str()))
        .health_check_path(&health.path)
        .matcher(Matcher::builder().http_code(&health.codes).build())
        .health_check_interval_seconds(sdk_number(health.interval_secs))
        .health_check_timeout_seconds(sdk_number(health.timeout_secs))
        .healthy_threshold_count(sdk_number(health.healthy))
        .unhealthy_threshold_count(sdk_number(health.unhealthy))
        .send()
        .await
        .map_err(refused(elbv2("ModifyTargetGroup")))?;
    Ok(Outcome::done("changed"))
}

fn elbv2_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}
