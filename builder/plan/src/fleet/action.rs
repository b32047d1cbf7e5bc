//! Owns the steps of a fleet plan. Each says everything that its executor needs, and in `details`
//! what people want to see.

use std::collections::BTreeMap;

use serde::Serialize;

use super::objects::{Field, LaunchHook, TargetGroupHealth, TargetGroupSettings, TemplateData};
use super::user_data::UserData;

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// What it is about, for example ``launch template `hosting-web` ``.
    pub object: String,
    /// What becomes of it.
    pub verb: Verb,
    /// Its fields that are set or changed.
    pub details: Vec<Detail>,
    /// What is called.
    pub action: Action,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// It is new.
    Create,
    /// It is there and differs.
    Change,
}

/// A field that is set, changed or taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Detail {
    /// Its name, for people.
    pub field: String,
    /// Its value now; `None` where it has none.
    pub from: Option<String>,
    /// Its value then; `None` where it has none.
    pub to: Option<String>,
}

/// What an executor does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "call")]
pub enum Action {
    /// Makes the state's bucket.
    CreateBucket {
        /// Its name.
        bucket: String,
    },
    /// Keeps everybody else out of it.
    BlockPublicAccess {
        /// Its name.
        bucket: String,
    },
    /// Encrypts what is put into it.
    EncryptBucket {
        /// Its name.
        bucket: String,
    },
    /// Sets a parameter that is no secret.
    PutParameter {
        /// The parameter.
        parameter: String,
        /// What it is set to.
        value: String,
        /// The Parameter Store's word for what that is: `text` or `aws:ec2:image`.
        data_type: &'static str,
        /// Whether the parameter exists; tags can only be given to one that does not.
        overwrite: bool,
        /// Its tags.
        tags: BTreeMap<String, String>,
    },
    /// Makes up a secret, or takes it from another region. Never overwrites.
    PutSecret {
        /// The parameter.
        parameter: String,
        /// The region that has it; `None`: it is made up.
        from_region: Option<String>,
        /// Its tags.
        tags: BTreeMap<String, String>,
    },
    /// Makes a target group.
    CreateTargetGroup {
        /// Its name.
        name: String,
        /// What it does.
        settings: TargetGroupSettings,
        /// Its tags.
        tags: BTreeMap<String, String>,
    },
    /// Changes how a target group judges.
    ModifyTargetGroup {
        /// Its name.
        name: String,
        /// Its ARN.
        arn: String,
        /// How it judges.
        health: TargetGroupHealth,
    },
    /// Makes a launch template, with version 1.
    CreateLaunchTemplate {
        /// Its name.
        name: String,
        /// Its tags.
        tags: BTreeMap<String, String>,
        /// What version 1 is.
        version: NewVersion,
    },
    /// Makes another version of a launch template.
    CreateLaunchTemplateVersion {
        /// Its name.
        name: String,
        /// Its id.
        id: String,
        /// What the version is.
        version: NewVersion,
    },
    /// Makes the data volume of a slot.
    CreateVolume {
        /// Its availability zone.
        zone: String,
        /// Its size.
        size_gib: u32,
        /// Its tags; the slot's is among them.
        tags: BTreeMap<String, String>,
        /// The client token: a repeated call makes no second volume.
        token: String,
    },
    /// Makes an Auto Scaling group with its hook.
    CreateGroup(Box<NewGroup>),
    /// Sets tags of an Auto Scaling group that its instances get.
    TagGroup {
        /// The group.
        name: String,
        /// The tags.
        tags: BTreeMap<String, String>,
    },
    /// Makes or changes the lifecycle hook at launch.
    PutLaunchHook {
        /// The group.
        name: String,
        /// The hook.
        hook: LaunchHook,
    },
    /// Lets a target group know a group's instances.
    AttachTargetGroup {
        /// The group.
        name: String,
        /// The target group.
        target_group: TargetGroupRef,
    },
    /// Changes an Auto Scaling group; what is `None` stays.
    UpdateGroup {
        /// The group.
        name: String,
        /// What changes.
        changes: GroupChanges,
    },
}

/// A launch template version that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NewVersion {
    /// What it says.
    pub data: TemplateData,
    /// The user data itself.
    #[serde(skip)]
    pub user_data: UserData,
    /// Its description.
    pub description: String,
    /// The client token: a repeated call makes no second version.
    pub token: String,
}

/// Which version of a template a group uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateVersion {
    /// One that exists.
    Number(u64),
    /// The one that this plan makes.
    Made,
}

impl TemplateVersion {
    /// For people.
    pub fn describe(self) -> String {
        match self {
            Self::Number(number) => format!("version {number}"),
            Self::Made => "the new version".to_owned(),
        }
    }
}

/// A target group that a group's instances are known to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TargetGroupRef {
    /// Its name.
    pub name: String,
    /// Its ARN; `None` where this plan makes it.
    pub arn: Option<String>,
}

/// An Auto Scaling group that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NewGroup {
    /// Its name.
    pub name: String,
    /// Its least size.
    pub min: u32,
    /// Its size to begin with.
    pub desired: u32,
    /// Its largest size.
    pub max: u32,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// The name of its launch template.
    pub template: String,
    /// The version of it.
    pub version: TemplateVersion,
    /// Its target group.
    pub target_group: Option<TargetGroupRef>,
    /// The hook at launch; it must be there before the first instance is.
    pub launch_hook: LaunchHook,
    /// Seconds before an instance's health counts.
    pub health_check_grace_secs: u32,
    /// Its tags, which its instances get.
    pub tags: BTreeMap<String, String>,
}

/// What changes in an Auto Scaling group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GroupChanges {
    /// The least size.
    pub min: Option<u32>,
    /// The size; only where the one that it has is no longer allowed.
    pub desired: Option<u32>,
    /// The largest size.
    pub max: Option<u32>,
    /// The subnets.
    pub subnets: Option<Vec<String>>,
    /// The launch template's name and version.
    pub template: Option<(String, TemplateVersion)>,
    /// Seconds before an instance's health counts.
    pub health_check_grace_secs: Option<u32>,
}

/// A step that makes something, with every field.
pub(super) fn create(object: String, fields: Vec<Field>, action: Action) -> Step {
    let details = fields.into_iter().map(|(field, value)| Detail {
        field,
        from: None,
        to: Some(value),
    });
    Step {
        object,
        verb: Verb::Create,
        details: details.collect(),
        action,
    }
}

/// A step that changes what is there.
pub(super) fn change(object: String, details: Vec<Detail>, action: Action) -> Step {
    Step {
        object,
        verb: Verb::Change,
        details,
        action,
    }
}

/// A field that gets another value.
pub(super) fn changed(field: &str, from: &impl ToString, to: &impl ToString) -> Detail {
    Detail {
        field: field.to_owned(),
        from: Some(from.to_string()),
        to: Some(to.to_string()),
    }
}

/// The fields in which `now` and `then` differ, in the order of `then`, those that go last.
pub(super) fn differences(now: &[Field], then: &[Field]) -> Vec<Detail> {
    let value = |fields: &[Field], name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.clone())
    };
    let set = then.iter().map(|(name, to)| Detail {
        field: name.clone(),
        from: value(now, name),
        to: Some(to.clone()),
    });
    let gone = now
        .iter()
        .filter(|(name, _)| value(then, name).is_none())
        .map(|(name, from)| Detail {
            field: name.clone(),
            from: Some(from.clone()),
            to: None,
        });
    set.chain(gone)
        .filter(|detail| detail.from != detail.to)
        .collect()
}
