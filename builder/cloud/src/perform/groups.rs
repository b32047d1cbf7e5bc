//! Owns making and changing Auto Scaling groups.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, LaunchTemplateSpecification, LifecycleHookSpecification, Tag,
};
use vmimage_plan::fleet::action::{GroupChanges, NewGroup, TargetGroupRef, TemplateVersion};
use vmimage_plan::fleet::objects::LaunchHook;

use super::{has_code, same_owner, sdk_number};
use crate::account::Clients;
use crate::error::{CallError, autoscaling, refused};
use crate::execute::{Made, Outcome};

const LAUNCHING: &str = "autoscaling:EC2_INSTANCE_LAUNCHING";

/// Auto Scaling may not see a launch template version for some seconds after EC2 has made it.
const SEEN_AT_MOST_TRIES: u32 = 6;
const SEEN_EVERY: Duration = Duration::from_secs(2);

pub(super) async fn create(
    clients: &Clients,
    group: &NewGroup,
    made: &Made,
) -> Result<Outcome, CallError> {
    let template = specification(&group.template, group.version, made)?;
    let target_group = group.target_group.as_ref();
    let arn = target_group.map(|wanted| arn(wanted, made)).transpose()?;
    let hook = &group.launch_hook;
    let hook = LifecycleHookSpecification::builder()
        .lifecycle_hook_name(&hook.name)
        .lifecycle_transition(LAUNCHING)
        .default_result(&hook.default_result)
        .heartbeat_timeout(sdk_number(hook.heartbeat_timeout_secs))
        .build();
    let asked = clients
        .autoscaling
        .create_auto_scaling_group()
        .auto_scaling_group_name(&group.name)
        .min_size(sdk_number(group.min))
        .max_size(sdk_number(group.max))
        .desired_capacity(sdk_number(group.desired))
        .vpc_zone_identifier(group.subnets.join(","))
        .launch_template(template)
        .set_target_group_arns(arn.map(|arn| vec![arn]))
        .lifecycle_hook_specification_list(hook)
        .health_check_type("EC2")
        .health_check_grace_period(sdk_number(group.health_check_grace_secs))
        .set_tags(Some(tags(&group.name, &group.tags)));
    let operation = autoscaling("CreateAutoScalingGroup");
    let call = || async { asked.clone().send().await.map_err(refused(operation)) };
    match seen(group.version, call).await {
        Ok(_) => Ok(Outcome::done("made")),
        // The reply to an earlier try was lost, or the name is somebody else's.
        Err(error) if has_code(&error, "AlreadyExists") => {
            if same_owner(&tags_of(clients, &group.name).await?, &group.tags) {
                return Ok(Outcome::done("was made already"));
            }
            let code = "AlreadyExists".to_owned();
            Err(CallError::Foreign { operation, code })
        }
        Err(error) => Err(error),
    }
}

async fn tags_of(clients: &Clients, name: &str) -> Result<BTreeMap<String, String>, CallError> {
    let asked = clients.autoscaling.describe_auto_scaling_groups();
    let answer = asked.auto_scaling_group_names(name).send().await;
    let answer = answer.map_err(refused(autoscaling("DescribeAutoScalingGroups")))?;
    let groups = answer.auto_scaling_groups().iter();
    Ok(groups
        .flat_map(AutoScalingGroup::tags)
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
        .collect())
}

pub(super) async fn update(
    clients: &Clients,
    name: &str,
    changes: &GroupChanges,
    made: &Made,
) -> Result<Outcome, CallError> {
    let template = changes.template.as_ref();
    let version = template.map_or(TemplateVersion::Number(0), |(_, version)| *version);
    let template = template
        .map(|(template, version)| specification(template, *version, made))
        .transpose()?;
    let subnets = changes.subnets.as_ref().map(|subnets| subnets.join(","));
    let asked = clients
        .autoscaling
        .update_auto_scaling_group()
        .auto_scaling_group_name(name)
        .set_min_size(changes.min.map(sdk_number))
        .set_max_size(changes.max.map(sdk_number))
        .set_desired_capacity(changes.desired.map(sdk_number))
        .set_vpc_zone_identifier(subnets)
        .set_launch_template(template)
        .set_health_check_grace_period(changes.health_check_grace_secs.map(sdk_number));
    let operation = autoscaling("UpdateAutoScalingGroup");
    let call = || async { asked.clone().send().await.map_err(refused(operation)) };
    seen(version, call).await?;
    Ok(Outcome::done("changed"))
}

pub(super) async fn tag(
    clients: &Clients,
    name: &str,
    wanted: &BTreeMap<String, String>,
) -> Result<Outcome, CallError> {
    let asked = clients.autoscaling.create_or_update_tags();
    asked
        .set_tags(Some(tags(name, wanted)))
        .send()
        .await
        .map_err(refused(autoscaling("CreateOrUpdateTags")))?;
    Ok(Outcome::done("tagged"))
}

pub(super) async fn put_hook(
    clients: &Clients,
    name: &str,
    hook: &LaunchHook,
) -> Result<Outcome, CallError> {
    clients
        .autoscaling
        .put_lifecycle_hook()
        .auto_scaling_group_name(name)
        .lifecycle_hook_name(&hook.name)
        .lifecycle_transition(LAUNCHING)
        .default_result(&hook.default_result)
        .heartbeat_timeout(sdk_number(hook.heartbeat_timeout_secs))
        .send()
        .await
        .map_err(refused(autoscaling("PutLifecycleHook")))?;
    Ok(Outcome::done("put"))
}

pub(super) async fn attach(
    clients: &Clients,
    name: &str,
    target_group: &TargetGroupRef,
    made: &Made,
) -> Result<Outcome, CallError> {
    clients
        .autoscaling
        .attach_load_balancer_target_groups()
        .auto_scaling_group_name(name)
        .target_group_arns(arn(target_group, made)?)
        .send()
        .await
        .map_err(refused(autoscaling("AttachLoadBalancerTargetGroups")))?;
    Ok(Outcome::done("attached"))
}

/// Calls again while a version that was just made is not seen yet.
async fn seen<T, F, C>(version: TemplateVersion, call: C) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
    C: Fn() -> F,
{
    let unseen = |error: &CallError| {
        let CallError::Refused { code, message, .. } = error else {
            return false;
        };
        let about = message.to_lowercase();
        version == TemplateVersion::Made
            && code == "ValidationError"
            && (about.contains("launch template") || about.contains("launchtemplate"))
    };
    for _ in 1..SEEN_AT_MOST_TRIES {
        match call().await {
            Err(error) if unseen(&error) => tokio::time::sleep(SEEN_EVERY).await,
            answer => return answer,
        }
    }
    call().await
}

fn specification(
    template: &str,
    version: TemplateVersion,
    made: &Made,
) -> Result<LaunchTemplateSpecification, CallError> {
    let number = match version {
        TemplateVersion::Number(number) => Some(number),
        TemplateVersion::Made => made.versions.get(template).copied(),
    };
    let number = number
        .ok_or_else(|| CallError::NotMade(format!("a version of launch template `{template}`")))?;
    Ok(LaunchTemplateSpecification::builder()
        .launch_template_name(template)
        .version(number.to_string())
        .build())
}

fn arn(target_group: &TargetGroupRef, made: &Made) -> Result<String, CallError> {
    let name = &target_group.name;
    let known = target_group.arn.as_ref();
    known
        .or_else(|| made.target_groups.get(name))
        .cloned()
        .ok_or_else(|| CallError::NotMade(format!("target group `{name}`")))
}

fn tags(group: &str, tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tags = tags.iter().map(|(key, value)| {
        Tag::builder()
            .resource_id(group)
            .resource_type("auto-scaling-group")
            .key(key)
            .value(value)
            .propagate_at_launch(true)
            .build()
    });
    tags.collect()
}
