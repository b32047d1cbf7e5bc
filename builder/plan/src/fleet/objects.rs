//! Owns the objects of a fleet in the words of EC2, Auto Scaling and Elastic Load Balancing, as they
//! are wanted and as they are found: with one type for both, comparing is comparing their fields.

use std::collections::BTreeMap;

use firstboot::Role;
use serde::{Deserialize, Serialize};

/// A field of an object, and its value for people.
pub type Field = (String, String);

/// What a launch template version says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TemplateData {
    /// The AMI's id.
    pub image: String,
    /// The instance type.
    pub instance_type: String,
    /// The instance profile's name.
    #[serde(default)]
    pub instance_profile: Option<String>,
    /// Ids of security groups, sorted.
    pub security_groups: Vec<String>,
    /// What the user data is.
    pub user_data: UserDataId,
    /// Who may ask the metadata service, and for what.
    pub metadata: MetadataOptions,
    /// The root volume; `None` where the AMI's own description holds.
    pub root_volume: Option<RootVolume>,
    /// Tags of instances.
    pub instance_tags: BTreeMap<String, String>,
    /// Tags of their volumes.
    pub volume_tags: BTreeMap<String, String>,
}

/// User data by its digest: plans and logs never hold the bytes' text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UserDataId {
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// Bytes before base64.
    pub bytes: usize,
}

/// Options of the metadata service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MetadataOptions {
    /// `HttpTokens`: `required` or `optional`.
    pub http_tokens: String,
    /// `HttpPutResponseHopLimit`.
    pub hop_limit: u32,
    /// `InstanceMetadataTags`: `enabled` or `disabled`.
    pub instance_tags: String,
}

/// What a fleet's nodes have: IMDSv2 only, not beyond the instance, with its tags.
impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            http_tokens: "required".to_owned(),
            hop_limit: 1,
            instance_tags: "enabled".to_owned(),
        }
    }
}

/// The root volume of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RootVolume {
    /// The device, as the AMI names it.
    pub device: String,
    /// The volume type.
    pub kind: String,
    /// Its size; `None`: the snapshot's.
    pub size_gib: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
}

impl RootVolume {
    fn describe(&self) -> String {
        let size = self
            .size_gib
            .map_or_else(|| "size of the AMI".to_owned(), |gib| format!("{gib} GiB"));
        let encrypted = if self.encrypted {
            "encrypted"
        } else {
            "not encrypted"
        };
        let kept = if self.delete_on_termination {
            "deleted with the instance"
        } else {
            "kept"
        };
        format!("{} {}, {size}, {encrypted}, {kept}", self.device, self.kind)
    }
}

impl TemplateData {
    /// Every field with a value.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            field("image", &self.image),
            field("instance type", &self.instance_type),
        ];
        if let Some(profile) = &self.instance_profile {
            fields.push(field("instance profile", profile));
        }
        fields.push(field("security groups", &self.security_groups.join(", ")));
        let digest = self.user_data.sha256.get(..12).unwrap_or_default();
        let bytes = self.user_data.bytes;
        fields.push(field(
            "user data",
            &format!("{bytes} bytes, sha256 {digest}"),
        ));
        let MetadataOptions {
            http_tokens,
            hop_limit,
            instance_tags,
        } = &self.metadata;
        fields.push(field(
            "metadata",
            &format!("tokens {http_tokens}, hop limit {hop_limit}, tags {instance_tags}"),
        ));
        if let Some(volume) = &self.root_volume {
            fields.push(field("root volume", &volume.describe()));
        }
        fields.extend(tag_fields("instance tag", &self.instance_tags));
        fields.extend(tag_fields("volume tag", &self.volume_tags));
        fields
    }
}

/// A lifecycle hook at launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LaunchHook {
    /// Its name.
    pub name: String,
    /// `ABANDON` or `CONTINUE`: what happens to an instance that says nothing.
    pub default_result: String,
    /// Time until that.
    pub heartbeat_timeout_secs: u32,
}

impl LaunchHook {
    /// The hook that a node of `role` completes when it is configured. The times are the one place
    /// where they are: a node that seeds a replica or waits for a volume's peers takes long, and one
    /// that serves takes no longer than the replaced runbook's target for a scale-out, twice.
    pub fn of(role: Role) -> Self {
        let heartbeat_timeout_secs = match role {
            Role::Web | Role::Api | Role::Monitoring => 600,
            Role::Database | Role::Storage => 3_600,
        };
        Self {
            name: super::names::LAUNCH_HOOK.to_owned(),
            default_result: "ABANDON".to_owned(),
            heartbeat_timeout_secs,
        }
    }

    /// In one line.
    pub fn describe(&self) -> String {
        format!(
            "{} after {} s",
            self.default_result, self.heartbeat_timeout_secs
        )
    }
}

/// What a target group does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TargetGroupSettings {
    /// `HTTPS`.
    pub protocol: String,
    /// The port.
    pub port: u16,
    /// Its VPC.
    pub vpc: String,
    /// How it judges its targets.
    pub health: TargetGroupHealth,
}

/// How a target group judges its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TargetGroupHealth {
    /// `HTTPS`.
    pub protocol: String,
    /// The path asked for.
    pub path: String,
    /// The codes that are good.
    pub codes: String,
    /// Time between questions.
    pub interval_secs: u32,
    /// Time for an answer.
    pub timeout_secs: u32,
    /// Good answers in a row.
    pub healthy: u32,
    /// Bad answers in a row.
    pub unhealthy: u32,
}

impl TargetGroupSettings {
    /// Every field.
    pub fn fields(&self) -> Vec<Field> {
        let health = &self.health;
        vec![
            field(
                "traffic",
                &format!("{} {}, {}", self.protocol, self.port, self.vpc),
            ),
            field(
                "health check",
                &format!(
                    "{} {} answers {}",
                    health.protocol, health.path, health.codes
                ),
            ),
            field(
                "health check times",
                &format!(
                    "every {} s, at most {} s, {} good, {} bad",
                    health.interval_secs, health.timeout_secs, health.healthy, health.unhealthy
                ),
            ),
        ]
    }
}

/// One field of a list.
pub(super) fn field(name: &str, value: &str) -> Field {
    (name.to_owned(), value.to_owned())
}

/// Tags as fields.
pub(super) fn tag_fields(what: &str, tags: &BTreeMap<String, String>) -> Vec<Field> {
    tags.iter()
        .map(|(key, value)| (format!("{what} {key}"), value.clone()))
        .collect()
}
