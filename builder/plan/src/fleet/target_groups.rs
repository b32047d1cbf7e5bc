//! Owns the plan of target groups: one for each role that answers over HTTPS.

use crate::definition::{FleetRole, Health, HttpsProbe};

use super::action::{Action, TargetGroupRef, change, create, differences};
use super::names;
use super::objects::{TargetGroupHealth, TargetGroupSettings, tag_fields};
use super::problem::RegionProblem;
use super::region::{Draft, Scope};

/// What answers of a healthy node look like: `/` may well lead elsewhere.
const GOOD_CODES: &str = "200-399";

/// Plans the target group of `role`, if it has one.
pub(super) fn plan_target_group(
    scope: &Scope<'_>,
    role: &FleetRole,
    draft: &mut Draft,
) -> Result<Option<TargetGroupRef>, RegionProblem> {
    let Some(https) = &role.health.https else {
        return Ok(None);
    };
    let name = names::target_group(&scope.fleet.cluster, role.role);
    let wanted = settings(&scope.network.vpc, &role.health, https);
    let Some(found) = scope
        .found
        .target_groups
        .iter()
        .find(|found| found.name == name)
    else {
        let tags = names::role_tags(scope.fleet, role.role, &name);
        let mut fields = wanted.fields();
        fields.extend(tag_fields("tag", &tags));
        draft.steps.push(create(
            format!("target group `{name}`"),
            fields,
            Action::CreateTargetGroup {
                name: name.clone(),
                settings: wanted,
                tags,
            },
        ));
        return Ok(Some(TargetGroupRef { name, arn: None }));
    };
    let region = scope.region.to_owned();
    if !names::is_of(&found.tags, scope.fleet, role.role) {
        let kind = "target group";
        return Err(RegionProblem::NotOurs { region, kind, name });
    }
    let traffic = |settings: &TargetGroupSettings| {
        format!(
            "{} {} in {}",
            settings.protocol, settings.port, settings.vpc
        )
    };
    if traffic(&found.settings) != traffic(&wanted) {
        return Err(RegionProblem::FixedTargetGroup {
            region,
            name,
            is: traffic(&found.settings),
            wanted: traffic(&wanted),
        });
    }
    let details = differences(&found.settings.fields(), &wanted.fields());
    if details.is_empty() {
        draft.unchanged += 1;
    } else {
        draft.steps.push(change(
            format!("target group `{name}`"),
            details,
            Action::ModifyTargetGroup {
                name: name.clone(),
                arn: found.arn.clone(),
                health: wanted.health,
            },
        ));
    }
    let arn = Some(found.arn.clone());
    Ok(Some(TargetGroupRef { name, arn }))
}

/// The fleet's probe within what Elastic Load Balancing takes: 5 to 300 s between questions, 2 to 10
/// answers in a row, and an answer before the next question.
fn settings(vpc: &str, health: &Health, https: &HttpsProbe) -> TargetGroupSettings {
    let interval_secs = health.every_secs.clamp(5, 300);
    let samples = health.samples.clamp(2, 10);
    TargetGroupSettings {
        protocol: "HTTPS".to_owned(),
        port: https.port,
        vpc: vpc.to_owned(),
        health: TargetGroupHealth {
            protocol: "HTTPS".to_owned(),
            path: https.path.clone(),
            codes: GOOD_CODES.to_owned(),
            interval_secs,
            timeout_secs: 5.min(interval_secs - 1),
            healthy: samples,
            unhealthy: samples,
        },
    }
}
