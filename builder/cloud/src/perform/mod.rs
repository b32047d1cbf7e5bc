//! Owns doing what a step of a fleet plan says: which call each action is, and what its answer makes.

mod bucket;
mod groups;
mod parameters;
mod target_groups;
mod templates;
mod volumes;

use std::collections::BTreeMap;

use vmimage_plan::fleet::Action;
use vmimage_plan::fleet::names::tag;

use crate::account::Account;
use crate::error::{CallError, CloudError};
use crate::execute::{Made, Outcome, Perform};

impl Perform for Account {
    async fn perform(
        &self,
        region: &str,
        action: &Action,
        made: &Made,
    ) -> Result<Outcome, CloudError> {
        let clients = self.clients(region);
        let done = match action {
            Action::CreateBucket { bucket } => bucket::create(clients, bucket).await,
            Action::BlockPublicAccess { bucket } => {
                bucket::block_public_access(clients, bucket).await
            }
            Action::EncryptBucket { bucket } => bucket::encrypt(clients, bucket).await,
            Action::PutParameter {
                parameter,
                value,
                data_type,
                overwrite,
                tags,
            } => {
                let tags = (!overwrite).then_some(tags);
                parameters::put(clients, parameter, (value, data_type), tags).await
            }
            Action::PutSecret {
                parameter,
                from_region,
                tags,
            } => {
                let from = from_region.as_ref().map(|region| self.clients(region));
                parameters::put_secret(clients, from, parameter, tags).await
            }
            Action::CreateTargetGroup {
                name,
                settings,
                tags,
            } => target_groups::create(clients, name, settings, tags).await,
            Action::ModifyTargetGroup { arn, health, .. } => {
                target_groups::modify(clients, arn, health).await
            }
            Action::CreateLaunchTemplate {
                name,
                tags,
                version,
            } => templates::create(clients, name, tags, version).await,
            Action::CreateLaunchTemplateVersion { name, id, version } => {
                templates::create_version(clients, name, id, version).await
            }
            Action::CreateVolume {
                zone,
                size_gib,
                tags,
                token,
            } => volumes::create(clients, zone, *size_gib, tags, token).await,
            Action::CreateGroup(group) => groups::create(clients, group, made).await,
            Action::TagGroup { name, tags } => groups::tag(clients, name, tags).await,
            Action::PutLaunchHook { name, hook } => groups::put_hook(clients, name, hook).await,
            Action::AttachTargetGroup { name, target_group } => {
                groups::attach(clients, name, target_group, made).await
            }
            Action::UpdateGroup { name, changes } => {
                groups::update(clients, name, changes, made).await
            }
        };
        done.map_err(|error| error.doing(doing(action), region))
    }
}

/// What an action does, with its object; reads on from `cannot`.
fn doing(action: &Action) -> String {
    match action {
        Action::CreateBucket { bucket } => format!("create bucket `{bucket}`"),
        Action::BlockPublicAccess { bucket } => {
            format!("block public access to bucket `{bucket}`")
        }
        Action::EncryptBucket { bucket } => format!("encrypt bucket `{bucket}`"),
        Action::PutParameter {
            parameter, value, ..
        } => format!("set parameter `{parameter}` to `{value}`"),
        Action::PutSecret { parameter, .. } => format!("put secret `{parameter}`"),
        Action::CreateTargetGroup { name, .. } => format!("create target group `{name}`"),
        Action::ModifyTargetGroup { name, .. } => format!("modify target group `{name}`"),
        Action::CreateLaunchTemplate { name, .. } => format!("create launch template `{name}`"),
        Action::CreateLaunchTemplateVersion { name, .. } => {
            format!("create a version of launch template `{name}`")
        }
        Action::CreateVolume { tags, .. } => {
            let name = tags.get("Name").map_or("", String::as_str);
            format!("create data volume `{name}`")
        }
        Action::CreateGroup(group) => format!("create Auto Scaling group `{}`", group.name),
        Action::TagGroup { name, .. } => format!("tag Auto Scaling group `{name}`"),
        Action::PutLaunchHook { name, .. } => {
            format!("put the launch hook of Auto Scaling group `{name}`")
        }
        Action::AttachTargetGroup { name, target_group } => format!(
            "attach target group `{}` to Auto Scaling group `{name}`",
            target_group.name
        ),
        Action::UpdateGroup { name, .. } => format!("update Auto Scaling group `{name}`"),
    }
}

/// Tags as EC2 takes them.
fn ec2_tags(tags: &BTreeMap<String, String>) -> Vec<aws_sdk_ec2::types::Tag> {
    let tags = tags.iter();
    tags.map(|(key, value)| {
        aws_sdk_ec2::types::Tag::builder()
            .key(key)
            .value(value)
            .build()
    })
    .collect()
}

/// Whether `found` are the tags of the cluster and role that `wanted` names.
fn same_owner(found: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    [tag::CLUSTER, tag::ROLE]
        .iter()
        .all(|key| found.get(*key) == wanted.get(*key))
}

/// A number as the SDK takes it.
fn sdk_number(number: u32) -> i32 {
    i32::try_from(number).expect("definitions bound every number far below this")
}

fn has_code(error: &CallError, code: &str) -> bool {
    error.code() == Some(code)
}
