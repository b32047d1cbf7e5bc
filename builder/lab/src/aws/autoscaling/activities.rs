//! Owns the history of a group: what it did, why, and how it went.

use std::collections::BTreeSet;

use super::group::Group;
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// A group remembers so many activities; AWS remembers six weeks of them.
const KEPT: usize = 2_000;

pub(crate) const OPERATIONS: &[Operation] = &[Operation {
    name: "DescribeScalingActivities",
    takes: &[(
        "",
        &[
            "AutoScalingGroupName",
            "ActivityIds.#",
            "IncludeDeletedGroups",
            "MaxRecords",
            "NextToken",
        ],
    )],
    writes: false,
    handle: describe_scaling_activities,
}];

/// Something that a group did.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) arn: String,
    pub(crate) description: String,
    pub(crate) cause: String,
    pub(crate) start: String,
    pub(crate) end: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) message: Option<String>,
    pub(crate) progress: u8,
    pub(crate) details: String,
    /// Orders the activities of all groups.
    pub(crate) number: u64,
}

impl Region {
    /// Notes that a group begins to do something; gives the activity's id.
    pub(crate) fn begin_activity(
        &mut self,
        group: &str,
        description: String,
        cause: String,
        (subnet, zone): (&str, &str),
    ) -> String {
        let id = self.ids.uuid();
        let start = self.time_text();
        let number = self.scaling.number;
        self.scaling.number += 1;
        if let Some(group) = self.scaling.groups.get_mut(group) {
            group.activities.push(Activity {
                id: id.clone(),
                group: group.name.clone(),
                arn: group.arn.clone(),
                description,
                cause,
                start,
                end: None,
                status: "InProgress",
                message: None,
                progress: 0,
                details: format!("{{\"Subnet ID\":\"{subnet}\",\"Availability Zone\":\"{zone}\"}}"),
                number,
            });
            if group.activities.len() > KEPT {
                group.activities.remove(0);
            }
        }
        id
    }

    /// Notes how far an activity has come.
    pub(crate) fn note_activity(
        &mut self,
        group: &str,
        id: &str,
        status: &'static str,
        progress: u8,
    ) {
        let group = self.scaling.groups.get_mut(group);
        let activity = group.and_then(|group| group.activity_mut(id));
        if let Some(activity) = activity.filter(|activity| activity.end.is_none()) {
            activity.status = status;
            activity.progress = progress;
        }
    }

    /// Notes how an activity ended.
    pub(crate) fn end_activity(
        &mut self,
        group: &str,
        id: &str,
        status: &'static str,
        message: Option<String>,
    ) {
        let end = self.time_text();
        let group = self.scaling.groups.get_mut(group);
        let activity = group.and_then(|group| group.activity_mut(id));
        if let Some(activity) = activity.filter(|activity| activity.end.is_none()) {
            activity.status = status;
            activity.progress = 100;
            activity.message = message;
            activity.end = Some(end);
        }
    }
}

/// Writes one activity.
pub(crate) fn write_activity(xml: &mut Xml, activity: &Activity) {
    xml.text("ActivityId", &activity.id);
    xml.text("AutoScalingGroupName", &activity.group);
    xml.text("AutoScalingGroupARN", &activity.arn);
    xml.text("Description", &activity.description);
    xml.text("Cause", &activity.cause);
    xml.text("StartTime", &activity.start);
    xml.maybe("EndTime", activity.end.as_deref());
    xml.text("StatusCode", activity.status);
    xml.maybe("StatusMessage", activity.message.as_deref());
    xml.show("Progress", activity.progress);
    xml.text("Details", &activity.details);
}

fn describe_scaling_activities(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let params = call.params;
    let page = Page::of_autoscaling(params)?;
    let deleted = params.boolean("IncludeDeletedGroups")? == Some(true);
    let name = params.filled("AutoScalingGroupName");
    if let Some(name) = name.filter(|_| !deleted) {
        region.scaling.group(name)?;
    }
    let ids: BTreeSet<&str> = params.strings("ActivityIds").into_iter().collect();
    let groups = region.scaling.groups.values();
    let of_groups = groups.flat_map(|group: &Group| &group.activities);
    let of_deleted = region.scaling.deleted.iter().filter(|_| deleted);
    let mut activities: Vec<&Activity> = of_groups
        .chain(of_deleted)
        .filter(|activity| name.is_none_or(|name| name == activity.group))
        .filter(|activity| ids.is_empty() || ids.contains(activity.id.as_str()))
        .collect();
    // The newest comes first.
    activities.sort_by_key(|activity| u64::MAX - activity.number);
    let key = |activity: &Activity| format!("{:020}", u64::MAX - activity.number);
    let keyed = activities
        .into_iter()
        .map(|activity| (key(activity), activity));
    let (activities, next) = page.cut(keyed);
    xml.list("Activities", activities, write_activity);
    xml.maybe("NextToken", next.as_deref());
    Ok(())
}
