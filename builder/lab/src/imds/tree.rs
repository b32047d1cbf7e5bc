//! Owns the tree of metadata paths: what is at a path of an instance. Must not know tokens or HTTP verbs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::http::Response;
use super::instance::{Instance, InstanceRole};

/// The versions that are served beside `latest`; clients pin one of them.
const VERSIONS: [&str; 9] = [
    "2016-09-02",
    "2019-10-01",
    "2020-08-24",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-07-09",
    "2022-09-24",
    "2024-04-11",
];

/// Instance tags came with this version.
const FIRST_WITH_TAGS: &str = "2021-03-23";

/// What is at `path`; `None` is a 404.
pub(crate) fn find(instance: &Instance, path: &str) -> Option<Response> {
    let path = path.strip_prefix('/')?;
    if path.is_empty() {
        return Some(Response::text(
            VERSIONS
                .iter()
                .chain(&["latest"])
                .copied()
                .collect::<Vec<_>>()
                .join("\n"),
        ));
    }
    let (version, rest) = path.split_once('/').unwrap_or((path, ""));
    if version != "latest" && !VERSIONS.contains(&version) {
        return None;
    }
    if rest == "user-data" {
        return instance.user_data.clone().map(Response::bytes);
    }
    let leaves = leaves(instance, version);
    if let Some(leaf) = leaves.get(rest) {
        return Some(Response::text(leaf.clone()));
    }
    listing(instance, &leaves, rest).map(Response::text)
}

/// The names directly below a directory, one a line; directories end in `/`, as EC2 prints them.
fn listing(instance: &Instance, leaves: &BTreeMap<String, String>, path: &str) -> Option<String> {
    let directory = path.strip_suffix('/').unwrap_or(path);
    match directory {
        "" => {
            let user_data = instance.user_data.is_some().then_some("user-data");
            return Some(
                ["dynamic", "meta-data"]
                    .into_iter()
                    .chain(user_data)
                    .collect::<Vec<_>>()
                    .join("\n"),
            );
        }
        "meta-data/public-keys" if !instance.public_keys.is_empty() => {
            let keys = instance.public_keys.iter().enumerate();
            return Some(
                keys.map(|(index, key)| format!("{index}={}", key.name))
                    .collect::<Vec<_>>()
                    .join("\n"),
            );
        }
        _ => {}
    }
    let prefix = format!("{directory}/");
    let mut names: Vec<String> = Vec::new();
    for below in leaves.keys().filter_map(|leaf| leaf.strip_prefix(&prefix)) {
        let name = match below.split_once('/') {
            // A tag's key may hold no slash in IMDS, so this is a directory.
            Some((name, _)) => format!("{name}/"),
            None => below.to_owned(),
        };
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join("\n"))
}

/// Every leaf below a version, by its path.
fn leaves(instance: &Instance, version: &str) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let mut put = |path: &str, value: &str| leaves.insert(path.to_owned(), value.to_owned());
    put(
        "dynamic/instance-identity/document",
        &pretty(&identity_document(instance)),
    );
    put("meta-data/ami-id", &instance.ami_id);
    put("meta-data/ami-launch-index", "0");
    put("meta-data/hostname", &instance.local_hostname());
    put("meta-data/instance-id", &instance.instance_id);
    put("meta-data/instance-life-cycle", "on-demand");
    put("meta-data/instance-type", &instance.instance_type);
    put("meta-data/local-hostname", &instance.local_hostname());
    put("meta-data/local-ipv4", &instance.local_ipv4.to_string());
    put("meta-data/mac", &instance.mac);
    let interface = format!("meta-data/network/interfaces/macs/{}", instance.mac);
    put(&format!("{interface}/device-number"), "0");
    put(
        &format!("{interface}/local-ipv4s"),
        &instance.local_ipv4.to_string(),
    );
    put(&format!("{interface}/mac"), &instance.mac);
    put(
        "meta-data/placement/availability-zone",
        &instance.availability_zone,
    );
    put(
        "meta-data/placement/availability-zone-id",
        &instance.availability_zone_id,
    );
    put("meta-data/placement/region", &instance.region);
    put("meta-data/services/domain", "amazonaws.com");
    put("meta-data/services/partition", "aws");
    for (index, key) in instance.public_keys.iter().enumerate() {
        put(
            &format!("meta-data/public-keys/{index}/openssh-key"),
            &key.openssh,
        );
    }
    if let Some(state) = &instance.target_lifecycle_state {
        put("meta-data/autoscaling/target-lifecycle-state", state);
    }
    if let Some(role) = &instance.role {
        put("meta-data/iam/info", &pretty(&iam_info(instance, role)));
        put(
            &format!("meta-data/iam/security-credentials/{}", role.name),
            &pretty(&credentials(role)),
        );
    }
    // Dates in ISO 8601 order as text; `latest` comes after all of them.
    if version >= FIRST_WITH_TAGS {
        for (key, value) in instance.tags.iter().flatten() {
            put(&format!("meta-data/tags/instance/{key}"), value);
        }
    }
    leaves
}

fn identity_document(instance: &Instance) -> Value {
    json!({
        "accountId": instance.account_id,
        "architecture": instance.architecture,
        "availabilityZone": instance.availability_zone,
        "imageId": instance.ami_id,
        "instanceId": instance.instance_id,
        "instanceType": instance.instance_type,
        "pendingTime": instance.pending_time,
        "privateIp": instance.local_ipv4.to_string(),
        "region": instance.region,
        "version": "2017-09-30",
    })
}

fn iam_info(instance: &Instance, role: &InstanceRole) -> Value {
    json!({
        "Code": "Success",
        "LastUpdated": role.last_updated,
        "InstanceProfileArn": format!("arn:aws:iam::{}:instance-profile/{}", instance.account_id, role.name),
    })
}

fn credentials(role: &InstanceRole) -> Value {
    json!({
        "Code": "Success",
        "LastUpdated": role.last_updated,
        "Type": "AWS-HMAC",
        "AccessKeyId": role.access_key_id,
        "SecretAccessKey": role.secret_access_key,
        "Token": role.token,
        "Expiration": role.expiration,
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
