//! Owns reading how the launches of an Auto Scaling group went that lacks instances, and what the last
//! one that failed has reported.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::{Activity, ScalingActivityStatusCode};
use vmimage_plan::definition::Fleet;
use vmimage_plan::fleet::inventory::{GroupInventory, LaunchInventory};

use crate::account::Clients;
use crate::error::{CallError, autoscaling, refused};

/// As many activities as one call tells. A launch that fails is tried again every few minutes at most,
/// so the last one in each zone of a region is among them.
const ACTIVITIES: i32 = 100;

/// What an activity that launches is called; the instance's id follows.
const LAUNCHING: &str = "Launching a new EC2 instance";

/// A group with its last launches. `state` is the region of the fleet's state.
pub(super) async fn with_launches(
    clients: &Clients,
    state: &Clients,
    fleet: &Fleet,
    mut group: GroupInventory,
) -> Result<GroupInventory, CallError> {
    let answer = clients
        .autoscaling
        .describe_scaling_activities()
        .auto_scaling_group_name(&group.name)
        .max_records(ACTIVITIES)
        .send()
        .await
        .map_err(refused(autoscaling("DescribeScalingActivities")))?;
    let launches = || {
        let activities = answer.activities().iter();
        activities.filter(|activity| {
            let description = activity.description();
            description.is_some_and(|text| text.starts_with(LAUNCHING))
        })
    };
    group.launched = launches().any(|activity| instance(activity).is_some());
    let mut zones = BTreeSet::new();
    group.launches = launches()
        .filter_map(launch)
        .filter(|launch| zones.insert(launch.zone.clone()))
        .collect();
    if let Some(last) = group.launches.first_mut()
        && let Some(instance) = last.instance.as_ref().filter(|_| last.failure.is_some())
    {
        last.reason = reported(clients, state, fleet, instance).await;
    }
    Ok(group)
}

/// A launch that has ended.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the SDK's enums are non-exhaustive, and what is under way has many names"
)]
fn launch(activity: &Activity) -> Option<LaunchInventory> {
    let failure = match activity.status_code()? {
        ScalingActivityStatusCode::Successful => None,
        ScalingActivityStatusCode::Failed | ScalingActivityStatusCode::Cancelled => {
            let message = activity.status_message();
            Some(message.unwrap_or("no reason is given").to_owned())
        }
        // Under way, or something that is not known yet.
        _ => return None,
    };
    Some(LaunchInventory {
        zone: zone(activity),
        instance: instance(activity),
        failure,
        reason: None,
    })
}

fn instance(activity: &Activity) -> Option<String> {
    let words = activity.description()?.strip_prefix(LAUNCHING)?;
    let id = words.strip_prefix(": ")?.split_whitespace().next()?;
    id.starts_with("i-").then(|| id.to_owned())
}

fn zone(activity: &Activity) -> Option<String> {
    let details: serde_json::Value = serde_json::from_str(activity.details()?).ok()?;
    let zone = details.get("Availability Zone")?.as_str()?;
    (!zone.is_empty()).then(|| zone.to_owned())
}

/// Why an instance says that it did not become a node. One that could not say so is no reason not to
/// plan, and neither is a state that cannot be read: that the launch failed is known.
async fn reported(
    clients: &Clients,
    state: &Clients,
    fleet: &Fleet,
    instance: &str,
) -> Option<String> {
    let prefix = &fleet.state.prefix;
    let slash = if prefix.is_empty() { "" } else { "/" };
    let key = format!("{prefix}{slash}{}/nodes/{instance}.json", clients.region);
    let asked = state.s3.get_object().bucket(&fleet.state.bucket).key(key);
    let body = asked.send().await.ok()?.body.collect().await.ok()?;
    let report: serde_json::Value = serde_json::from_slice(&body.into_bytes()).ok()?;
    let reason = report.get("reason")?.as_str()?;
    // It is shown on a terminal, in one line.
    let words = reason.split(|character: char| character.is_control() || character == ' ');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
