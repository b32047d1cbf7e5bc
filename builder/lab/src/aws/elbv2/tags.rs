//! Owns the tags of load balancing.

use crate::aws::error::ApiError;
use crate::aws::filter::Tags;
use crate::aws::operation::{Call, Operation};
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// A resource has at most so many tags.
const TAGS_AT_MOST: usize = 50;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "AddTags",
        takes: &[("", &["ResourceArns.#"]), ("Tags.#", &["Key", "Value"])],
        writes: true,
        handle: add_tags,
    },
    Operation {
        name: "RemoveTags",
        takes: &[("", &["ResourceArns.#", "TagKeys.#"])],
        writes: true,
        handle: remove_tags,
    },
    Operation {
        name: "DescribeTags",
        takes: &[("", &["ResourceArns.#"])],
        writes: false,
        handle: describe_tags,
    },
];

/// Reads the tags of a request.
pub(crate) fn parse_tags(params: &Params) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for entry in params.list("Tags") {
        let key = entry.required("Key")?;
        let value = entry.get("Value").unwrap_or_default();
        if key.len() > 128 || value.len() > 256 || key.starts_with("aws:") {
            let text = format!("The tag '{key}' is too long or reserved");
            return Err(ApiError::validation(text));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            let text = format!("Tag keys must be unique: '{key}'");
            return Err(ApiError::new("DuplicateTagKeys", text));
        }
    }
    check_count(&tags)?;
    Ok(tags)
}

fn check_count(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() <= TAGS_AT_MOST {
        return Ok(());
    }
    let text = format!("The maximum number of tags is {TAGS_AT_MOST}");
    Err(ApiError::new("TooManyTags", text))
}

fn tags_of<'r>(region: &'r mut Region, arn: &str) -> Result<&'r mut Tags, ApiError> {
    let balancing = &mut region.balancing;
    let (found, code, kind) = if arn.contains(":loadbalancer/") {
        let found = balancing.load_balancers.get_mut(arn);
        let found = found.map(|one| &mut one.tags);
        (found, "LoadBalancerNotFound", "Load balancer")
    } else if arn.contains(":listener/") {
        let found = balancing.listeners.get_mut(arn);
        (
            found.map(|one| &mut one.tags),
            "ListenerNotFound",
            "Listener",
        )
    } else {
        let found = balancing.target_groups.get_mut(arn);
        let found = found.map(|one| &mut one.tags);
        (found, "TargetGroupNotFound", "Target group")
    };
    found.ok_or_else(|| ApiError::new(code, format!("{kind} '{arn}' not found")))
}

/// Changes the tags of all resources that a call names, or of none.
fn change(
    region: &mut Region,
    call: &Call<'_>,
    change: impl Fn(&mut Tags),
) -> Result<(), ApiError> {
    let arns = call.params.strings("ResourceArns");
    if arns.is_empty() {
        return Err(ApiError::missing("ResourceArns"));
    }
    let mut changed = Vec::new();
    for arn in arns {
        let mut tags = tags_of(region, arn)?.clone();
        change(&mut tags);
        check_count(&tags)?;
        changed.push((arn, tags));
    }
    for (arn, tags) in changed {
        *tags_of(region, arn)? = tags;
    }
    Ok(())
}

fn add_tags(region: &mut Region, call: &Call<'_>, _xml: &mut Xml) -> Result<(), ApiError> {
    let added = parse_tags(call.params)?;
    change(region, call, |tags| tags.extend(added.clone()))
}

fn remove_tags(region: &mut Region, call: &Call<'_>, _xml: &mut Xml) -> Result<(), ApiError> {
    let keys = call.params.strings("TagKeys");
    change(region, call, |tags| {
        tags.retain(|key, _| !keys.contains(&key.as_str()));
    })
}

fn describe_tags(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let mut told = Vec::new();
    for arn in call.params.strings("ResourceArns") {
        told.push((arn, tags_of(region, arn)?.clone()));
    }
    xml.list("TagDescriptions", told, |xml, (arn, tags)| {
        xml.text("ResourceArn", arn);
        xml.list("Tags", &tags, |xml, (key, value)| {
            xml.text("Key", key);
            xml.text("Value", value);
        });
    });
    Ok(())
}
