//! Owns what is done to instances that are there: ending, stopping, starting, their metadata
//! options, their console, their status.

use std::time::Duration;

use super::describe_instances::{FILTER_NAMES, write_metadata, write_state};
use super::instance::{Instance, State, instance_not_found};
use super::spec::changed_metadata;
use super::tags::check_for_metadata;
use crate::aws::error::ApiError;
use crate::aws::filter::Filters;
use crate::aws::launch::Change;
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation, PAGES};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// How long the status checks of a new instance are `initializing`.
const INITIALIZING: Duration = Duration::from_secs(10);

const IDS: (&str, &[&str]) = ("", &["InstanceId.#"]);

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "TerminateInstances",
        takes: &[DRY_RUN, IDS, ("", &["Force", "SkipOsShutdown"])],
        writes: true,
        handle: terminate_instances,
    },
    Operation {
        name: "StopInstances",
        takes: &[DRY_RUN, IDS, ("", &["Force", "SkipOsShutdown"])],
        writes: true,
        handle: stop_instances,
    },
    Operation {
        name: "StartInstances",
        takes: &[DRY_RUN, IDS],
        writes: true,
        handle: start_instances,
    },
    Operation {
        name: "RebootInstances",
        takes: &[DRY_RUN, IDS],
        writes: true,
        handle: reboot_instances,
    },
    Operation {
        name: "ModifyInstanceMetadataOptions",
        takes: &[
            DRY_RUN,
            (
                "",
                &[
                    "InstanceId",
                    "HttpTokens",
                    "HttpPutResponseHopLimit",
                    "HttpEndpoint",
                    "HttpProtocolIpv6",
                    "InstanceMetadataTags",
                ],
            ),
        ],
        writes: true,
        handle: modify_instance_metadata_options,
    },
    Operation {
        name: "GetConsoleOutput",
        takes: &[DRY_RUN, ("", &["InstanceId", "Latest"])],
        writes: false,
        handle: get_console_output,
    },
    Operation {
        name: "DescribeInstanceStatus",
        takes: &[DRY_RUN, FILTERS, PAGES, IDS, ("", &["IncludeAllInstances"])],
        writes: false,
        handle: describe_instance_status,
    },
];

/// The instances that a call names; all must be there.
fn named(region: &Region, call: &Call<'_>) -> Result<Vec<String>, ApiError> {
    let ids = call.params.strings("InstanceId");
    if ids.is_empty() {
        return Err(ApiError::missing("InstanceId"));
    }
    for id in &ids {
        find(region, id)?;
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

fn find<'r>(region: &'r Region, id: &str) -> Result<&'r Instance, ApiError> {
    region
        .instances
        .get(id)
        .ok_or_else(|| instance_not_found(id))
}

/// Does something to each, and writes the states before and after.
fn change_states(
    region: &mut Region,
    xml: &mut Xml,
    ids: &[String],
    mut change: impl FnMut(&mut Region, &str) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let mut changed = Vec::new();
    for id in ids {
        let before = *find(region, id)?.state.get();
        change(region, id)?;
        changed.push((id, before, *find(region, id)?.state.get()));
    }
    xml.list("instancesSet", changed, |xml, (id, before, now)| {
        xml.text("instanceId", id);
        xml.within("currentState", |xml| write_state(xml, now));
        xml.within("previousState", |xml| write_state(xml, before));
    });
    Ok(())
}

fn terminate_instances(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let ids = named(region, call)?;
    for id in &ids {
        if find(region, id)?.termination_protected {
            return Err(ApiError::new(
                "OperationNotPermitted",
                format!(
                    "The instance '{id}' may not be terminated. Modify its \
                     'disableApiTermination' instance attribute and try again."
                ),
            ));
        }
    }
    call.proceed()?;
    change_states(region, xml, &ids, |region, id| {
        let text = "Client.UserInitiatedShutdown: User initiated shutdown".to_owned();
        region.terminate(id, ("Client.UserInitiatedShutdown", text));
        Ok(())
    })
}

fn stop_instances(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let ids = named(region, call)?;
    call.proceed()?;
    change_states(region, xml, &ids, Region::stop)
}

fn start_instances(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let ids = named(region, call)?;
    call.proceed()?;
    change_states(region, xml, &ids, Region::start)
}

fn reboot_instances(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let ids = named(region, call)?;
    for id in &ids {
        let state = *find(region, id)?.state.get();
        if state != State::Running {
            let text = format!("Instance '{id}' is not 'running' but '{}'", state.name());
            return Err(ApiError::new("IncorrectState", text));
        }
    }
    call.proceed()?;
    for instance_id in ids {
        region.changes.push(Change::Reboot {
            region: region.name.clone(),
            instance_id,
        });
    }
    xml.text("return", "true");
    Ok(())
}

fn modify_instance_metadata_options(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let id = call.params.required("InstanceId")?;
    let instance = find(region, id)?;
    let options = changed_metadata(call.params, instance.metadata)?;
    if options.tags {
        let keys = instance.tags.get().keys();
        check_for_metadata(keys.filter(|key| !key.starts_with("aws:")))?;
    }
    if instance.state.get().is_ending() {
        let text = format!("The instance '{id}' is not in a state that allows this");
        return Err(ApiError::new("IncorrectInstanceState", text));
    }
    call.proceed()?;
    if let Some(instance) = region.instances.get_mut(id) {
        instance.metadata = options;
    }
    if let Some(launch) = region.launch_of(id) {
        region.changes.push(Change::Metadata(Box::new(launch)));
    }
    xml.text("instanceId", id);
    let instance = find(region, id)?;
    xml.within("instanceMetadataOptions", |xml| {
        write_metadata(xml, instance);
    });
    Ok(())
}

fn get_console_output(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    use base64::Engine;
    let id = call.params.required("InstanceId")?;
    let instance = find(region, id)?;
    xml.text("instanceId", id);
    xml.text("timestamp", &region.time_text());
    let engine = &base64::engine::general_purpose::STANDARD;
    xml.text("output", &engine.encode(&instance.console));
    Ok(())
}

fn describe_instance_status(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let filters = Filters::parse(call.params, FILTER_NAMES)?;
    let page = Page::of_ec2(call.params, &(5..=1000))?;
    let all = call.params.boolean("IncludeAllInstances")? == Some(true);
    let mut ids = call.params.strings("InstanceId");
    if ids.is_empty() {
        ids = region.instances.iter().map(|one| one.id.as_str()).collect();
        let view = region.view();
        ids.retain(|id| find(region, id).is_ok_and(|one| one.state.at(view).is_some()));
    }
    let asked = region.instances_asked(&ids, &filters, page.after())?;
    let shown = asked
        .into_iter()
        .filter(|told| all || told.state == State::Running)
        .map(|told| (told.instance.id.as_str(), told));
    let (shown, next) = page.cut(shown);
    xml.list("instanceStatusSet", shown, |xml, told| {
        xml.text("instanceId", &told.instance.id);
        xml.text("availabilityZone", &told.instance.zone);
        xml.within("instanceState", |xml| write_state(xml, told.state));
        let status = status(region, told.instance, told.state);
        for check in ["systemStatus", "instanceStatus"] {
            xml.within(check, |xml| write_check(xml, status));
        }
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

fn status(region: &Region, instance: &Instance, state: State) -> [&'static str; 2] {
    if state != State::Running {
        ["not-applicable", ""]
    } else if instance.impaired.is_some() {
        ["impaired", "failed"]
    } else if region.now < instance.state.since() + INITIALIZING {
        ["initializing", "initializing"]
    } else {
        ["ok", "passed"]
    }
}

fn write_check(xml: &mut Xml, [summary, detail]: [&str; 2]) {
    xml.text("status", summary);
    if !detail.is_empty() {
        xml.list("details", [()], |xml, ()| {
            xml.text("name", "reachability");
            xml.text("status", detail);
        });
    }
}
