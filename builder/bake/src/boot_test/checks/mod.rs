//! Owns the judgement: from what two boots showed to findings. Pure; what nobody saw is never passed.

use std::collections::BTreeMap;

use super::report::{Boot, Check, Ending, Outcome};

/// The file system may keep a part for itself, but less than what the disk was grown by.
const LEAST_FILESYSTEM_PERCENT: u64 = 90;

/// A partition that was grown ends at the last MiB at most.
const PARTITION_SLACK_BYTES: u64 = 2 << 20;

/// The findings from the first boot and, when there was one, the second.
pub(crate) fn judge(first: &Boot, second: Option<&Boot>, grown_bytes: u64) -> Vec<Check> {
    let kernel = first
        .stages
        .kernel
        .map(|_| first.fact("kernel").unwrap_or("its first line was seen"));
    vec![
        observed(
            "the kernel starts",
            kernel.map(|kernel| (true, kernel.to_owned())),
            Some(first),
        ),
        multi_user(first),
        observed(
            "a login prompt is shown",
            first.stages.login.map(|_| (true, String::new())),
            Some(first),
        ),
        no_failed_units("no unit failed", Some(first)),
        observed(
            "user data was run at launch",
            first
                .fact("launch")
                .map(|result| (result == "success", result.to_owned())),
            None,
        ),
        new_machine_id(first),
        new_host_keys(first),
        root_grown(first, grown_bytes),
        packages_whole(first),
        powered_off("it powers off", Some(first)),
        same(
            first,
            second,
            "machine-id",
            "the second boot keeps the machine id",
        ),
        same(
            first,
            second,
            "host-key",
            "the second boot keeps the SSH host keys",
        ),
        no_failed_units("no unit failed in the second boot", second),
        powered_off("it powers off again", second),
    ]
}

/// The worst outcome.
pub(crate) fn verdict(checks: &[Check]) -> Outcome {
    checks
        .iter()
        .map(|check| check.outcome)
        .max()
        .unwrap_or(Outcome::NotObserved)
}

/// A finding from evidence that may be missing. Missing evidence of a stage is a failure when the boot
/// had all its time and ended otherwise; `stage_of` is that boot.
fn observed(
    name: &'static str,
    evidence: Option<(bool, String)>,
    stage_of: Option<&Boot>,
) -> Check {
    let (outcome, detail) = match (evidence, stage_of) {
        (Some((true, detail)), _) => (Outcome::Passed, detail),
        (Some((false, detail)), _) => (Outcome::Failed, detail),
        (None, Some(boot)) if boot.ending != Ending::Cancelled => {
            (Outcome::Failed, "not seen on the console".to_owned())
        }
        (None, _) => (
            Outcome::NotObserved,
            "the guest did not report it".to_owned(),
        ),
    };
    Check {
        name,
        outcome,
        detail,
    }
}

fn multi_user(boot: &Boot) -> Check {
    let on_console = boot
        .stages
        .multi_user
        .map(|_| (true, "seen on the console".to_owned()));
    let finished = boot
        .fact("finish-micros")
        .and_then(|micros| micros.parse::<u64>().ok());
    let when = finished.map_or_else(String::new, |micros| {
        let millis = micros / 1_000;
        format!(
            ", {}.{} s after the kernel",
            millis / 1_000,
            millis % 1_000 / 100
        )
    });
    let reported = boot
        .fact("multi-user")
        .map(|state| (state == "active", format!("reported as {state}{when}")));
    // Once a login prompt has the console, systemd writes no more of its progress on it.
    let must_show = boot.stages.login.is_none().then_some(boot);
    observed(
        "multi-user.target is reached",
        reported.or(on_console),
        must_show,
    )
}

/// The guest knows best; without its report the console may at least show a failure.
fn no_failed_units(name: &'static str, boot: Option<&Boot>) -> Check {
    let failed: Vec<String> = boot.map_or_else(Vec::new, |boot| {
        let mut failed: Vec<String> = boot
            .facts_of("failed-unit")
            .into_iter()
            .map(str::to_owned)
            .collect();
        if !boot.is_reported() {
            failed.extend(boot.failed_on_console.iter().cloned());
        }
        failed
    });
    let evidence = match boot {
        Some(_) if !failed.is_empty() => Some((false, failed.join(", "))),
        Some(boot) if boot.is_reported() => Some((
            true,
            format!("system is {}", boot.fact("system-state").unwrap_or("up")),
        )),
        Some(_) | None => None,
    };
    observed(name, evidence, None)
}

fn new_machine_id(boot: &Boot) -> Check {
    let evidence = boot
        .fact("machine-id")
        .zip(boot.fact("machine-id-new"))
        .map(|(id, new)| {
            let valid = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            match (valid, new) {
                (true, "yes") => (true, id.to_owned()),
                (true, _) => (false, format!("{id} was in the image")),
                (false, _) => (false, format!("`{id}` is no machine id")),
            }
        });
    observed("the first boot makes a machine id", evidence, None)
}

fn new_host_keys(boot: &Boot) -> Check {
    let keys: BTreeMap<&str, &str> = boot
        .facts_of("host-key")
        .into_iter()
        .filter_map(|key| key.rsplit_once(' '))
        .collect();
    let old: Vec<&str> = keys
        .iter()
        .filter(|(_, new)| **new != "yes")
        .map(|(key, _)| *key)
        .collect();
    let evidence = if keys.is_empty() {
        boot.is_reported()
            .then(|| (false, "there are no host keys".to_owned()))
    } else if old.is_empty() {
        Some((true, keys.keys().copied().collect::<Vec<_>>().join(", ")))
    } else {
        Some((false, format!("{} was in the image", old.join(", "))))
    };
    observed("the first boot makes SSH host keys", evidence, None)
}

fn root_grown(boot: &Boot, grown_bytes: u64) -> Check {
    let number = |key| boot.fact(key).and_then(|value| value.parse::<u64>().ok());
    let numbers = number("disk-bytes")
        .zip(number("partition-end-bytes"))
        .zip(number("partition-bytes"))
        .zip(number("filesystem-bytes"));
    let evidence = numbers.map(|(((disk, end), partition), filesystem)| {
        let partition_grown =
            disk == grown_bytes && disk.saturating_sub(end) <= PARTITION_SLACK_BYTES;
        let filesystem_grown =
            filesystem.saturating_mul(100) >= partition.saturating_mul(LEAST_FILESYSTEM_PERCENT);
        let detail = format!(
            "disk {} MiB, root partition {} MiB, its file system {} MiB",
            disk >> 20,
            partition >> 20,
            filesystem >> 20
        );
        (partition_grown && filesystem_grown, detail)
    });
    observed("the root file system grows to the disk", evidence, None)
}

fn packages_whole(boot: &Boot) -> Check {
    let evidence = boot.fact("dpkg-audit-lines").map(|lines| match lines {
        "0" => (true, String::new()),
        _ => (
            false,
            format!(
                "dpkg --audit names {}",
                boot.facts_of("dpkg-audit").join(", ")
            ),
        ),
    });
    observed("dpkg finds every package whole", evidence, None)
}

fn powered_off(name: &'static str, boot: Option<&Boot>) -> Check {
    let evidence = boot.and_then(|boot| match &boot.ending {
        Ending::PoweredOff => Some((true, String::new())),
        Ending::Stopped { status } => Some((false, status.clone())),
        Ending::TimedOut { waiting_for } => {
            Some((false, format!("timed out waiting for {waiting_for}")))
        }
        Ending::GaveUp { reason } => Some((false, reason.clone())),
        Ending::Cancelled | Ending::AcceleratorFailed { .. } => None,
    });
    observed(name, evidence, None)
}

fn same(first: &Boot, second: Option<&Boot>, key: &str, name: &'static str) -> Check {
    // Whether a key is new is no part of it.
    let values = |boot: &Boot| -> Vec<String> {
        let stable = |value: &str| value.split(' ').next().unwrap_or(value).to_owned();
        boot.facts_of(key).into_iter().map(stable).collect()
    };
    let (before, after) = (values(first), second.map(values).unwrap_or_default());
    let evidence = if before.is_empty() || !second.is_some_and(Boot::is_reported) {
        None
    } else if before == after {
        Some((true, before.join(", ")))
    } else {
        Some((
            false,
            format!("{} became {}", before.join(", "), after.join(", ")),
        ))
    };
    observed(name, evidence, None)
}

#[cfg(test)]
mod tests;
