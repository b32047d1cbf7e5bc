//! Owns which target groups a group's instances belong to.

use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation, Takes};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

const TAKES: Takes = ("", &["AutoScalingGroupName", "TargetGroupARNs.#"]);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "AttachLoadBalancerTargetGroups",
        takes: &[TAKES],
        writes: true,
        handle: attach,
    },
    Operation {
        name: "DetachLoadBalancerTargetGroups",
        takes: &[TAKES],
        writes: true,
        handle: detach,
    },
    Operation {
        name: "DescribeLoadBalancerTargetGroups",
        takes: &[("", &["AutoScalingGroupName", "MaxRecords", "NextToken"])],
        writes: false,
        handle: describe,
    },
];

fn attach(region: &mut Region, call: &Call<'_>, _xml: &mut Xml) -> Result<(), ApiError> {
    let name = call.params.required("AutoScalingGroupName")?;
    let arns = call.params.strings("TargetGroupARNs");
    region.check_target_groups(&arns)?;
    let group = region.scaling.group_mut(name)?;
    for arn in arns {
        if !group.target_groups.iter().any(|known| known == arn) {
            group.target_groups.push(arn.to_owned());
        }
    }
    let in_service: Vec<String> = group
        .in_service()
        .map(|one| one.instance_id.clone())
        .collect();
    for id in in_service {
        region.add_to_load_balancers(name, &id);
    }
    Ok(())
}

fn detach(region: &mut Region, call: &Call<'_>, _xml: &mut Xml) -> Result<(), ApiError> {
    let name = call.params.required("AutoScalingGroupName")?;
    let arns: Vec<String> = call
        .params
        .strings("TargetGroupARNs")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let group = region.scaling.group_mut(name)?;
    if let Some(arn) = arns.iter().find(|arn| !group.target_groups.contains(arn)) {
        let text = format!("Target group {arn} is not attached to AutoScalingGroup {name}");
        return Err(ApiError::validation(text));
    }
    group.target_groups.retain(|arn| !arns.contains(arn));
    let ids: Vec<String> = group.members.keys().cloned().collect();
    for id in ids {
        region.remove_from_load_balancers(&arns, &id);
    }
    Ok(())
}

fn describe(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let page = Page::of_autoscaling(call.params)?;
    let group = region
        .scaling
        .group(call.params.required("AutoScalingGroupName")?)?;
    let mut arns: Vec<&String> = group.target_groups.iter().collect();
    arns.sort();
    let (arns, next) = page.cut(arns.into_iter().map(|arn| (arn, arn)));
    xml.list("LoadBalancerTargetGroups", arns, |xml, arn| {
        xml.text("LoadBalancerTargetGroupARN", arn);
        xml.text(
            "State",
            if group.elb_health {
                "InService"
            } else {
                "Added"
            },
        );
    });
    xml.maybe("NextToken", next.as_deref());
    Ok(())
}

impl Region {
    /// Registers a member with its group's target groups, unless that is suspended.
    pub(crate) fn add_to_load_balancers(&mut self, name: &str, id: &str) {
        let Ok(group) = self.scaling.group(name) else {
            return;
        };
        if group.suspends("AddToLoadBalancer") {
            return;
        }
        for arn in group.target_groups.clone() {
            self.register_target(&arn, id, None);
        }
    }

    /// Deregisters an instance from target groups.
    pub(crate) fn remove_from_load_balancers(&mut self, arns: &[String], id: &str) {
        for arn in arns {
            self.deregister_target(arn, id);
        }
    }
}
