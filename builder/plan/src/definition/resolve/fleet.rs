//! Owns the resolution of the fleet.

use std::collections::BTreeMap;

use firstboot::Role;
use toml::Spanned;

use super::Findings;
use crate::definition::fleet::{
    Fleet, FleetRole, Health, HttpsProbe, REPLICAS, Region, StateLocation,
};
use crate::definition::similar::similar_name;
use crate::definition::syntax::{
    is_dns_label, is_domain, is_instance_profile, is_instance_type, is_region, is_secret_name,
    parse_s3_url,
};
use crate::definition::written::{
    FleetDefinition, HealthDefinition, RegionDefinition, RoleDefinition,
};
use crate::definition::{defaults, document, image_files, image_name};
use crate::{Diagnostic, Sources};

/// The most instances that a definition may ask for of one role in one region; the replaced runbook's
/// largest fleet is 1,000 nodes.
const INSTANCES_AT_MOST: u32 = 1_000;

/// The largest gp3 volume (64 TiB).
const VOLUME_AT_MOST_GIB: u32 = 65_536;

/// A day: an upgrade that waits longer for one gate is not watched by anybody.
const SECONDS_AT_MOST: u32 = 86_400;

/// Loads the fleet at `path`. It is there only when nothing is wrong with it; the problems are sorted.
pub fn load_fleet(sources: &Sources, path: &str) -> (Option<Fleet>, Vec<Diagnostic>) {
    let (written, problems) = document::read::<FleetDefinition>(sources, path);
    let mut findings = Findings::new(path, problems);
    let fleet = written.map(|written| resolve_fleet(written, sources, path, &mut findings));
    let mut problems = findings.problems;
    problems.sort();
    problems.dedup();
    (fleet.filter(|_| problems.is_empty()), problems)
}

fn resolve_fleet(
    written: FleetDefinition,
    sources: &Sources,
    path: &str,
    findings: &mut Findings,
) -> Fleet {
    let label = "a DNS label: lower-case letters, digits and `-`";
    let environment = written.environment.map_or_else(
        || defaults::ENVIRONMENT.to_owned(),
        |text| findings.judged(&text, is_dns_label, label),
    );
    let image = resolve_image_name(written.image, sources, findings);
    let regions = resolve_regions(written.regions, findings);
    let profile = resolve_instance_profile(written.instance_profile.as_ref(), findings);
    Fleet {
        path: path.to_owned(),
        cluster: findings.judged(&written.cluster, is_dns_label, label),
        environment,
        domain: findings.judged(&written.domain, is_domain, "a domain"),
        state: resolve_state(&written.state, findings),
        image,
        primary: resolve_primary(written.primary, &regions, findings),
        secrets: resolve_secrets(&written.secrets, findings),
        regions,
        roles: resolve_roles(written.roles, profile.as_ref(), findings),
    }
}

/// The region that is upgraded last is the primary one unless the fleet says which.
fn resolve_primary(
    written: Option<Spanned<String>>,
    regions: &[Region],
    findings: &mut Findings,
) -> String {
    let Some(written) = written else {
        return regions
            .last()
            .map(|region| region.name.clone())
            .unwrap_or_default();
    };
    let names = || regions.iter().map(|region| region.name.as_str());
    if !names().any(|name| name == written.get_ref()) {
        let hint = similar_name(written.get_ref(), names())
            .map(|name| format!("a region with a similar name exists: `{name}`"));
        findings.report_with_label(
            written.span(),
            format!("`{}` is not a region of the fleet", written.get_ref()),
            "no `[[region]]` has this name",
            hint,
        );
    }
    written.into_inner()
}

fn resolve_secrets(written: &[Spanned<String>], findings: &mut Findings) -> Vec<String> {
    let mut names = Vec::new();
    for secret in written {
        findings.distinct(secret, &names, "secret");
        names.push(findings.judged(
            secret,
            is_secret_name,
            "the name of a secret: words of lower-case letters, digits and `-`, with `/` between them",
        ));
    }
    names.sort();
    names
}

fn resolve_instance_profile(
    written: Option<&Spanned<String>>,
    findings: &mut Findings,
) -> Option<String> {
    written
        .map(|name| findings.judged(name, is_instance_profile, "the name of an instance profile"))
}

fn resolve_state(written: &Spanned<String>, findings: &mut Findings) -> StateLocation {
    let (bucket, prefix) = parse_s3_url(written.get_ref()).unwrap_or_else(|| {
        findings.report_with_hint(
            written.span(),
            format!("`{}` is not a place in S3", written.get_ref()),
            "write it as `s3://bucket/prefix`, without a slash at the end",
        );
        ("", "")
    });
    StateLocation {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    }
}

fn resolve_image_name(
    written: Spanned<String>,
    sources: &Sources,
    findings: &mut Findings,
) -> String {
    let images = || image_files(sources).filter_map(image_name);
    if !images().any(|image| image == written.get_ref()) {
        let hint = similar_name(written.get_ref(), images())
            .map(|name| format!("an image with a similar name exists: `{name}`"));
        findings.report_with_label(
            written.span(),
            format!("no image named `{}`", written.get_ref()),
            "not found in `images/`",
            hint,
        );
    }
    written.into_inner()
}

fn resolve_regions(written: Vec<RegionDefinition>, findings: &mut Findings) -> Vec<Region> {
    if written.is_empty() {
        findings.problems.push(
            Diagnostic::new(&findings.file, None, "the fleet has no region")
                .hint("add a `[[region]]` with `name` and `wave`"),
        );
    }
    let mut names: Vec<String> = Vec::new();
    let mut regions = Vec::new();
    for region in written {
        findings.distinct(&region.name, &names, "region");
        let name = findings.judged(&region.name, is_region, "a region of AWS");
        let wave = *region.wave.get_ref();
        if wave == 0 {
            findings.report(region.wave.span(), "waves are counted from 1");
        }
        names.push(name.clone());
        regions.push(Region { name, wave });
    }
    regions.sort_by_key(|region| region.wave);
    regions
}

fn resolve_roles(
    written: BTreeMap<Spanned<String>, RoleDefinition>,
    profile: Option<&String>,
    findings: &mut Findings,
) -> Vec<FleetRole> {
    let mut by_role = BTreeMap::new();
    for (name, definition) in written {
        if let Some(role) = Role::parse(name.get_ref()) {
            by_role.insert(role, definition);
            continue;
        }
        let names = Role::ALL.map(Role::as_str);
        let hint = similar_name(name.get_ref(), names)
            .map(|name| format!("a role with a similar name exists: `{name}`"));
        findings.report_with_label(
            name.span(),
            format!("no role named `{}`", name.get_ref()),
            format!("the roles are `{}`", names.join("`, `")),
            hint,
        );
    }
    Role::ALL
        .into_iter()
        .map(|role| {
            let mut resolved =
                resolve_role(role, by_role.remove(&role).unwrap_or_default(), findings);
            resolved.instance_profile = resolved.instance_profile.or_else(|| profile.cloned());
            resolved
        })
        .collect()
}

fn resolve_role(role: Role, written: RoleDefinition, findings: &mut Findings) -> FleetRole {
    let default = defaults::role(role);
    let instance_type = written.instance_type.as_ref().map_or_else(
        || default.instance_type.to_owned(),
        |text| findings.judged(text, is_instance_type, "an instance type"),
    );
    let min = number("min", written.min.as_ref(), 0..=INSTANCES_AT_MOST, findings);
    let max = number("max", written.max.as_ref(), 1..=INSTANCES_AT_MOST, findings);
    let desired = number(
        "desired",
        written.desired.as_ref(),
        0..=INSTANCES_AT_MOST,
        findings,
    );
    let min = min.unwrap_or_else(|| default.min.min(desired.or(max).unwrap_or(default.min)));
    let desired = desired.unwrap_or(min);
    let max = max.unwrap_or_else(|| default.max.max(desired));
    if min > desired || desired > max {
        let at = written
            .desired
            .as_ref()
            .or(written.max.as_ref())
            .or(written.min.as_ref());
        if let Some(at) = at {
            let message = format!(
                "role `{}` needs min <= desired <= max, but they are {min}, {desired} and {max}",
                role.as_str()
            );
            findings.report(at.span(), message);
        }
    }
    check_volumes(role, desired, &written, findings);
    let volume = written.data_volume_gib.as_ref();
    let arbiter = written.arbiter_volume_gib.as_ref();
    let root = written.root_volume_gib.as_ref();
    FleetRole {
        role,
        instance_type,
        min,
        desired,
        max,
        root_volume_gib: number("root-volume-gib", root, 1..=VOLUME_AT_MOST_GIB, findings)
            .unwrap_or(defaults::ROOT_VOLUME_GIB),
        instance_profile: resolve_instance_profile(written.instance_profile.as_ref(), findings),
        data_volume_gib: number("data-volume-gib", volume, 1..=VOLUME_AT_MOST_GIB, findings)
            .or(default.data_volume_gib),
        arbiter_volume_gib: number(
            "arbiter-volume-gib",
            arbiter,
            1..=VOLUME_AT_MOST_GIB,
            findings,
        ),
        health: resolve_health(written.health, default.port, findings),
    }
}

/// Reports volumes that the role has not, and storage that makes no whole sets.
fn check_volumes(role: Role, desired: u32, written: &RoleDefinition, findings: &mut Findings) {
    if role == Role::Storage && !desired.is_multiple_of(REPLICAS) {
        let at = written.desired.as_ref().or(written.min.as_ref());
        if let Some(at) = at {
            let message = format!("{desired} storage nodes make no whole sets of {REPLICAS}");
            findings.report(at.span(), message);
        }
    }
    let volume = written.data_volume_gib.as_ref();
    if let (Some(volume), None) = (volume, defaults::role(role).data_volume_gib) {
        let message = format!("role `{}` keeps no data of its own", role.as_str());
        findings.report_with_label(
            volume.span(),
            message,
            "only `database` and `storage` have a data volume",
            None,
        );
    }
    let arbiter = written.arbiter_volume_gib.as_ref();
    if let (Some(arbiter), false) = (arbiter, role == Role::Storage) {
        let message = format!("role `{}` has no arbiters", role.as_str());
        findings.report_with_label(arbiter.span(), message, "only `storage` has them", None);
    }
}

fn resolve_health(
    written: HealthDefinition,
    default_port: Option<u16>,
    findings: &mut Findings,
) -> Health {
    let HealthDefinition {
        samples,
        every_secs,
        at_most_secs,
        port,
        path,
    } = written;
    let count =
        number("samples", samples.as_ref(), 1..=100, findings).unwrap_or(defaults::HEALTH_SAMPLES);
    let every = number(
        "every-secs",
        every_secs.as_ref(),
        1..=SECONDS_AT_MOST,
        findings,
    )
    .unwrap_or(defaults::HEALTH_EVERY_SECS);
    let at_most = number(
        "at-most-secs",
        at_most_secs.as_ref(),
        1..=SECONDS_AT_MOST,
        findings,
    )
    .unwrap_or(defaults::HEALTH_AT_MOST_SECS);
    // The first sample is taken at once.
    let needed = u64::from(count - 1) * u64::from(every);
    if needed > u64::from(at_most) {
        let at = at_most_secs.or(every_secs).or(samples);
        if let Some(at) = at {
            let message = format!(
                "{count} samples, one every {every} s, take {needed} s, more than `at-most-secs` {at_most}"
            );
            findings.report(at.span(), message);
        }
    }
    let port = match port {
        Some(port) if *port.get_ref() == 0 => {
            findings.report(port.span(), "`port` is 0");
            default_port
        }
        Some(port) => Some(port.into_inner()),
        None => default_port,
    };
    if let Some(path) = &path {
        if port.is_none() {
            findings.report(path.span(), "a health gate with `path` needs `port`");
        } else if !path.get_ref().starts_with('/')
            || !path.get_ref().bytes().all(|b| b.is_ascii_graphic())
        {
            findings.report(
                path.span(),
                format!("`{}` is not a path of a URL", path.get_ref()),
            );
        }
    }
    let path = path.map_or_else(|| defaults::HEALTH_PATH.to_owned(), Spanned::into_inner);
    Health {
        samples: count,
        every_secs: every,
        at_most_secs: at_most,
        https: port.map(|port| HttpsProbe { port, path }),
    }
}

/// A number that must lie in `range`, as written or, when it does not, as near as allowed.
fn number(
    field: &str,
    written: Option<&Spanned<u32>>,
    range: std::ops::RangeInclusive<u32>,
    findings: &mut Findings,
) -> Option<u32> {
    let written = written?;
    let value = *written.get_ref();
    if !range.contains(&value) {
        let (least, most) = (range.start(), range.end());
        findings.report(
            written.span(),
            format!("`{field}` is not between {least} and {most}: {value}"),
        );
    }
    Some(value.clamp(*range.start(), *range.end()))
}
