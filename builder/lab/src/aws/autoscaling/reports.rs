//! Owns telling of the instances of groups, to clients and to `lab status`.

use super::group::Group;
use super::member::Member;
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::report::{GroupReport, MemberReport};
use crate::aws::xml::Xml;

/// AWS's quotas of an account.
const GROUPS_AT_MOST: u32 = 500;
const CONFIGURATIONS_AT_MOST: u32 = 200;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "DescribeAutoScalingInstances",
        takes: &[("", &["InstanceIds.#", "MaxRecords", "NextToken"])],
        writes: false,
        handle: describe_auto_scaling_instances,
    },
    Operation {
        name: "DescribeAccountLimits",
        takes: &[],
        writes: false,
        handle: describe_account_limits,
    },
];

/// Writes a member as groups tell it.
pub(crate) fn write_member(xml: &mut Xml, member: &Member) {
    write_fields(xml, member, health(member));
}

fn write_fields(xml: &mut Xml, member: &Member, health: &str) {
    xml.text("InstanceId", &member.instance_id);
    xml.text("InstanceType", &member.instance_type);
    xml.text("ImageId", &member.image_id);
    xml.text("AvailabilityZone", &member.zone);
    xml.text("AvailabilityZoneId", &member.zone_id);
    xml.text("LifecycleState", member.lifecycle.name());
    xml.text("HealthStatus", health);
    xml.within("LaunchTemplate", |xml| {
        xml.text("LaunchTemplateId", &member.template.id);
        xml.text("LaunchTemplateName", &member.template.name);
        xml.show("Version", member.template.version);
    });
    xml.show("ProtectedFromScaleIn", member.protected);
}

fn health(member: &Member) -> &'static str {
    if member.healthy {
        "Healthy"
    } else {
        "Unhealthy"
    }
}

fn describe_auto_scaling_instances(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let page = Page::of_autoscaling(call.params)?;
    let ids = call.params.strings("InstanceIds");
    let groups = region.scaling.groups.values();
    let mut members: Vec<(&Group, &Member)> = groups
        .flat_map(|group| group.members.values().map(move |member| (group, member)))
        .filter(|(_, member)| ids.is_empty() || ids.contains(&member.instance_id.as_str()))
        .collect();
    members.sort_by_key(|(_, member)| &member.instance_id);
    let keyed = members.into_iter().map(|row| (&row.1.instance_id, row));
    let (members, next) = page.cut(keyed);
    xml.list("AutoScalingInstances", members, |xml, (group, member)| {
        xml.text("AutoScalingGroupName", &group.name);
        // This operation alone tells the health in capitals.
        write_fields(xml, member, &health(member).to_ascii_uppercase());
    });
    xml.maybe("NextToken", next.as_deref());
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn describe_account_limits(
    region: &mut Region,
    _call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    xml.show("MaxNumberOfAutoScalingGroups", GROUPS_AT_MOST);
    xml.show("MaxNumberOfLaunchConfigurations", CONFIGURATIONS_AT_MOST);
    xml.show("NumberOfAutoScalingGroups", region.scaling.groups.len());
    xml.show("NumberOfLaunchConfigurations", 0);
    Ok(())
}

impl Region {
    /// The groups with their instances.
    pub(crate) fn group_reports(&self) -> Vec<GroupReport> {
        let groups = self.scaling.groups.values();
        groups.map(|group| self.group_report(group)).collect()
    }

    fn group_report(&self, group: &Group) -> GroupReport {
        let members = group.members.values();
        let members = members.filter_map(|member| {
            let instance = self.instances.get(&member.instance_id)?;
            Some(MemberReport {
                instance_id: member.instance_id.clone(),
                zone: member.zone.clone(),
                lifecycle: member.lifecycle.name().to_owned(),
                health: health(member).to_owned(),
                template_version: member.template.version,
                image_id: member.image_id.clone(),
                private_ipv4: instance.address,
                state: instance.state.get().name().to_owned(),
                targets: self.target_reports(&member.instance_id),
            })
        });
        let tags = group.tags.iter();
        // The newest launch that failed, unless a later one succeeded.
        let launches = group.activities.iter().rev();
        let mut launches = launches.filter(|one| one.description.starts_with("Launching"));
        let ended = launches.find(|one| one.end.is_some() && one.status != "InProgress");
        let failed = ended.filter(|activity| activity.status != "Successful");
        GroupReport {
            name: group.name.clone(),
            min: group.min,
            max: group.max,
            desired: group.desired,
            tags: tags
                .map(|(key, (value, _))| (key.clone(), value.clone()))
                .collect(),
            members: members.collect(),
            last_failure: failed.and_then(|activity| activity.message.clone()),
            failed_instance: failed.and_then(|activity| {
                let (_, id) = activity.description.split_once(": i-")?;
                Some(format!("i-{id}"))
            }),
        }
    }
}
