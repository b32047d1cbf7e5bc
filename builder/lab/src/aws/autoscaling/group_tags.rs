//! Owns the tags of groups, and finding groups by them.

use super::group::Group;
use super::groups::FILTERS;
use crate::aws::error::ApiError;
use crate::aws::operation::{Call, Operation};
use crate::aws::page::Page;
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// A tag of a group in a request.
pub(crate) const GROUP_TAG: &[&str] = &[
    "ResourceId",
    "ResourceType",
    "Key",
    "Value",
    "PropagateAtLaunch",
];

/// A group has at most so many tags.
const TAGS_AT_MOST: usize = 50;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateOrUpdateTags",
        takes: &[("Tags.#", GROUP_TAG)],
        writes: true,
        handle: create_or_update_tags,
    },
    Operation {
        name: "DeleteTags",
        takes: &[("Tags.#", GROUP_TAG)],
        writes: true,
        handle: delete_tags,
    },
    Operation {
        name: "DescribeTags",
        takes: &[FILTERS, ("", &["MaxRecords", "NextToken"])],
        writes: false,
        handle: describe_tags,
    },
];

/// A tag in a request.
#[derive(Debug)]
pub(crate) struct GroupTag {
    /// The group; empty where the request names it elsewhere.
    group: String,
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) propagates: bool,
}

/// Reads the tags of a request.
pub(crate) fn parse_group_tags(params: &Params) -> Result<Vec<GroupTag>, ApiError> {
    let mut tags: Vec<GroupTag> = Vec::new();
    for entry in params.list("Tags") {
        let key = entry.required("Key")?;
        let value = entry.get("Value").unwrap_or_default();
        if key.len() > 128 || value.len() > 256 {
            let text = format!("The tag {key} is longer than 128 and 256 characters allow");
            return Err(ApiError::validation(text));
        }
        if key.starts_with("aws:") {
            return Err(ApiError::validation(format!(
                "Tag keys starting with 'aws:' are reserved for internal use: {key}"
            )));
        }
        let kind = entry.filled("ResourceType").unwrap_or("auto-scaling-group");
        if kind != "auto-scaling-group" {
            let text = format!("Invalid resource type {kind}: only auto-scaling-group is valid");
            return Err(ApiError::validation(text));
        }
        let group = entry.filled("ResourceId").unwrap_or_default();
        if tags.iter().any(|tag| tag.key == key && tag.group == group) {
            return Err(ApiError::validation(format!("Duplicate tag key: {key}")));
        }
        tags.push(GroupTag {
            group: group.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
            propagates: entry.boolean("PropagateAtLaunch")?.unwrap_or_default(),
        });
    }
    if tags.len() > TAGS_AT_MOST {
        let text = format!("You have exceeded the limit of {TAGS_AT_MOST} tags");
        return Err(ApiError::new("LimitExceeded", text));
    }
    Ok(tags)
}

/// What `Filters` ask of a group.
pub(crate) fn filter_groups(params: &Params) -> Result<impl Fn(&Group) -> bool, ApiError> {
    let mut filters: Vec<(String, Vec<String>)> = Vec::new();
    for entry in params.list("Filters") {
        let name = entry.required("Name")?;
        if !name.starts_with("tag:") && name != "tag-key" && name != "tag-value" {
            return Err(ApiError::validation(format!(
                "Filter type {name} is not correct. Allowed Filter types are: tag-key, tag-value, \
                 tag:<key>"
            )));
        }
        let values = entry.strings("Values").into_iter().map(str::to_owned);
        filters.push((name.to_owned(), values.collect()));
    }
    Ok(move |group: &Group| {
        filters.iter().all(|(name, values)| {
            group
                .tags
                .iter()
                .any(|(key, (value, _))| match name.strip_prefix("tag:") {
                    Some(wanted) => key == wanted && (values.is_empty() || values.contains(value)),
                    None if name == "tag-key" => values.contains(key),
                    None => values.contains(value),
                })
        })
    })
}

/// Writes the tags of a group.
pub(crate) fn write_group_tags(xml: &mut Xml, group: &Group) {
    xml.list("Tags", &group.tags, |xml, (key, (value, propagates))| {
        write_tag(xml, &group.name, key, value, *propagates);
    });
}

fn write_tag(xml: &mut Xml, group: &str, key: &str, value: &str, propagates: bool) {
    xml.text("ResourceId", group);
    xml.text("ResourceType", "auto-scaling-group");
    xml.text("Key", key);
    xml.text("Value", value);
    xml.show("PropagateAtLaunch", propagates);
}

/// Instances that are there keep their tags; only later ones get these.
fn create_or_update_tags(
    region: &mut Region,
    call: &Call<'_>,
    _xml: &mut Xml,
) -> Result<(), ApiError> {
    let tags = parse_group_tags(call.params)?;
    for tag in &tags {
        region.scaling.group(&tag.group)?;
    }
    for tag in tags {
        let group = region.scaling.group_mut(&tag.group)?;
        group.tags.insert(tag.key, (tag.value, tag.propagates));
    }
    Ok(())
}

fn delete_tags(region: &mut Region, call: &Call<'_>, _xml: &mut Xml) -> Result<(), ApiError> {
    let tags = parse_group_tags(call.params)?;
    for tag in &tags {
        region.scaling.group(&tag.group)?;
    }
    for tag in tags {
        region.scaling.group_mut(&tag.group)?.tags.remove(&tag.key);
    }
    Ok(())
}

fn describe_tags(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let page = Page::of_autoscaling(call.params)?;
    let mut filters: Vec<(&str, Vec<&str>)> = Vec::new();
    for entry in call.params.list("Filters") {
        let name = entry.required("Name")?;
        let known = ["auto-scaling-group", "key", "value", "propagate-at-launch"];
        if !known.contains(&name) {
            return Err(ApiError::validation(format!(
                "Filter type {name} is not correct. Allowed Filter types are: \
                 auto-scaling-group, key, value, propagate-at-launch"
            )));
        }
        filters.push((name, entry.strings("Values")));
    }
    let groups = region.scaling.groups.values();
    let rows = groups.flat_map(|group| {
        let tags = group.tags.iter();
        tags.map(|(key, (value, propagates))| (group.name.as_str(), key, value, *propagates))
    });
    let accepted = rows.filter(|(group, key, value, propagates)| {
        filters.iter().all(|(name, values)| {
            let own = match *name {
                "auto-scaling-group" => group,
                "key" => key.as_str(),
                "value" => value.as_str(),
                _ if *propagates => "true",
                _ => "false",
            };
            values.contains(&own)
        })
    });
    let keyed = accepted.map(|row| (format!("{} {}", row.0, row.1), row));
    let (rows, next) = page.cut(keyed);
    xml.list("Tags", rows, |xml, (group, key, value, propagates)| {
        write_tag(xml, group, key, value, propagates);
    });
    xml.maybe("NextToken", next.as_deref());
    Ok(())
}
