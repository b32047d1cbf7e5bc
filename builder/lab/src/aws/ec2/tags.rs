//! Owns tags: what makes a valid one, who carries them, and their operations.

use std::collections::BTreeSet;

use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::history::History;
use crate::aws::launch::Change;
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation, PAGES};
use crate::aws::page::Page;
use crate::aws::params::Params;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

/// A resource carries at most so many tags, AWS's own not counted.
const TAGS_AT_MOST: usize = 50;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateTags",
        takes: &[
            DRY_RUN,
            ("", &["ResourceId.#"]),
            ("Tag.#", &["Key", "Value"]),
        ],
        writes: true,
        handle: create_tags,
    },
    Operation {
        name: "DeleteTags",
        takes: &[
            DRY_RUN,
            ("", &["ResourceId.#"]),
            ("Tag.#", &["Key", "Value"]),
        ],
        writes: true,
        handle: delete_tags,
    },
    Operation {
        name: "DescribeTags",
        takes: &[DRY_RUN, FILTERS, PAGES],
        writes: false,
        handle: describe_tags,
    },
];

/// Reads the list of tags called `name`. A key may be there once.
pub(crate) fn parse_tags(params: &Params, name: &str) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for entry in params.list(name) {
        let key = entry.get("Key").unwrap_or_default();
        let value = entry.get("Value").unwrap_or_default();
        check_tag(key, value)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            let text = format!("Duplicate tag key '{key}' specified.");
            return Err(ApiError::invalid(text));
        }
    }
    check_count(&tags)?;
    Ok(tags)
}

fn check_tag(key: &str, value: &str) -> Result<(), ApiError> {
    if key.is_empty() || key.chars().count() > 128 {
        return Err(ApiError::invalid(format!(
            "Tag key exceeds the maximum length of 128 characters or is empty: '{key}'"
        )));
    }
    if value.chars().count() > 256 {
        return Err(ApiError::invalid(format!(
            "Tag value exceeds the maximum length of 256 characters: '{key}'"
        )));
    }
    if key.starts_with("aws:") {
        let text = "Tag keys starting with 'aws:' are reserved for internal use";
        return Err(ApiError::invalid(text));
    }
    Ok(())
}

fn check_count(tags: &Tags) -> Result<(), ApiError> {
    let own = tags.keys().filter(|key| !key.starts_with("aws:")).count();
    if own > TAGS_AT_MOST {
        let text = format!("Tag quota exceeded: {TAGS_AT_MOST} tags at most");
        return Err(ApiError::new("TagLimitExceeded", text));
    }
    Ok(())
}

/// The tags that a creating call gives to resources of `kind`. It may only name `kinds`.
pub(crate) fn specified(params: &Params, kind: &str, kinds: &[&str]) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for entry in params.list("TagSpecification") {
        let named = entry.required("ResourceType")?;
        if !kinds.contains(&named) {
            return Err(ApiError::invalid(format!(
                "'{named}' is not a valid taggable resource type for this operation."
            )));
        }
        if named == kind {
            tags.extend(parse_tags(entry, "Tag")?);
        }
    }
    Ok(tags)
}

/// The metadata service has tags as paths: their keys must be names.
pub(crate) fn check_for_metadata<'k>(
    keys: impl IntoIterator<Item = &'k String>,
) -> Result<(), ApiError> {
    for key in keys {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+=,.@:".contains(&byte);
        let reserved = [".", "..", "_index"].contains(&key.as_str());
        if key.len() > 255 || reserved || !key.bytes().all(legal) {
            return Err(ApiError::invalid(format!(
                "'{key}' is not a valid tag key. Tag keys must match pattern \
                 ([0-9a-zA-Z\\-_+=,.@:]{{1,255}}), and must not be a reserved name ('.', '..', \
                 '_index')"
            )));
        }
    }
    Ok(())
}

impl Region {
    /// Everything that carries tags: its id, its kind, its tags.
    fn tagged(&self) -> impl Iterator<Item = (&str, &'static str, &History<Tags>)> {
        let network = &self.network;
        let vpc = (network.vpc_id.as_str(), "vpc", &network.vpc_tags);
        let group = (
            network.group_id.as_str(),
            "security-group",
            &network.group_tags,
        );
        let subnets = network.subnets.iter();
        let images = self.images.iter();
        let templates = self.templates.iter();
        let volumes = self.volumes.iter();
        let instances = self.instances.iter();
        instances
            .map(|instance| (instance.id.as_str(), "instance", &instance.tags))
            .chain(volumes.map(|(id, volume)| (id.as_str(), "volume", &volume.tags)))
            .chain(images.map(|(id, image)| (id.as_str(), "image", &image.tags)))
            .chain(templates.map(|one| (one.id.as_str(), "launch-template", &one.tags)))
            .chain(subnets.map(|one| (one.id.as_str(), "subnet", &one.tags)))
            .chain([vpc, group])
    }

    fn tags_of(&self, id: &str) -> Result<&History<Tags>, ApiError> {
        let found = match id.split_once('-').map(|(kind, _)| kind) {
            Some("i") => self.instances.get(id).map(|instance| &instance.tags),
            Some("vol") => self.volumes.get(id).map(|volume| &volume.tags),
            _ => {
                let mut tagged = self.tagged().filter(|(tagged, _, _)| *tagged == id);
                tagged.next().map(|(_, _, tags)| tags)
            }
        };
        found.ok_or_else(|| {
            let code = match id.split_once('-').map(|(kind, _)| kind) {
                Some("i") => "InvalidInstanceID.NotFound",
                Some("vol") => "InvalidVolume.NotFound",
                Some("ami") => "InvalidAMIID.NotFound",
                Some("lt") => "InvalidLaunchTemplateId.NotFound",
                Some("subnet") => "InvalidSubnetID.NotFound",
                Some("vpc") => "InvalidVpcID.NotFound",
                Some("sg") => "InvalidGroup.NotFound",
                _ => "InvalidID",
            };
            ApiError::new(code, format!("The ID '{id}' does not exist"))
        })
    }

    fn set_tags(&mut self, id: &str, tags: Tags) {
        let now = self.now;
        if self.instances.get(id).is_some() {
            self.instances.set_tags(id, now, &tags);
            if let Some(launch) = self.launch_of(id) {
                self.changes.push(Change::Metadata(Box::new(launch)));
            }
        } else if let Some(volume) = self.volumes.get_mut(id) {
            volume.tags.set(now, tags);
        } else if let Some(image) = self.images.get_mut(id) {
            image.tags.set(now, tags);
        } else if let Some(template) = self.templates.get_mut(id) {
            template.tags.set(now, tags);
        } else if id == self.network.vpc_id {
            self.network.vpc_tags.set(now, tags);
        } else if id == self.network.group_id {
            self.network.group_tags.set(now, tags);
        } else if let Some(subnet) = self.network.subnets.iter_mut().find(|one| one.id == id) {
            subnet.tags.set(now, tags);
        }
    }

    /// Checks what each resource's tags would be, and changes them only if all are in order.
    fn change_tags(&mut self, call: &Call<'_>, change: impl Fn(&mut Tags)) -> Result<(), ApiError> {
        let ids: BTreeSet<&str> = call.params.strings("ResourceId").into_iter().collect();
        if ids.is_empty() {
            return Err(ApiError::missing("resourceIdSet"));
        }
        let mut changed = Vec::new();
        for id in ids {
            let mut tags = self.tags_of(id)?.get().clone();
            change(&mut tags);
            check_count(&tags)?;
            let instance = self.instances.get(id);
            if instance.is_some_and(|instance| instance.metadata.tags) {
                check_for_metadata(tags.keys().filter(|key| !key.starts_with("aws:")))?;
            }
            changed.push((id, tags));
        }
        call.proceed()?;
        for (id, tags) in changed {
            self.set_tags(id, tags);
        }
        Ok(())
    }
}

fn create_tags(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let added = parse_tags(call.params, "Tag")?;
    if added.is_empty() {
        return Err(ApiError::missing("tagSet"));
    }
    region.change_tags(call, |tags| tags.extend(added.clone()))?;
    xml.text("return", "true");
    Ok(())
}

fn delete_tags(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    // A tag with a value is deleted only if it has that value; without tags, all of the user's go.
    let named: Vec<(&str, Option<&str>)> = call
        .params
        .list("Tag")
        .into_iter()
        .map(|tag| (tag.get("Key").unwrap_or_default(), tag.get("Value")))
        .collect();
    region.change_tags(call, |tags| {
        tags.retain(|key, value| {
            let is_named = named
                .iter()
                .any(|(name, wanted)| name == key && wanted.is_none_or(|wanted| wanted == value));
            key.starts_with("aws:") || !(is_named || named.is_empty())
        });
    })?;
    xml.text("return", "true");
    Ok(())
}

fn describe_tags(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let known = ["resource-id", "resource-type", "key", "value", "tag"];
    let filters = Filters::parse(call.params, &known)?;
    let page = Page::of_ec2(call.params, &(5..=1000))?;
    let view = region.view();
    let mut rows = Vec::new();
    for (id, kind, tags) in region.tagged() {
        let Some(tags) = tags.at(view) else { continue };
        for (key, value) in tags {
            let accepted = filters.accept(tags, |name, test| match name {
                "resource-id" => test(id),
                "resource-type" => test(kind),
                "key" => test(key),
                _ => test(value),
            });
            // `tag:KEY` asks for that very tag, not for all tags of who has it.
            let asked = filters.names_tag(key);
            if accepted && asked {
                rows.push((format!("{id} {key}"), (id, kind, key, value)));
            }
        }
    }
    rows.sort();
    let (rows, next) = page.cut(rows);
    xml.list("tagSet", rows, |xml, (id, kind, key, value)| {
        xml.text("resourceId", id);
        xml.text("resourceType", kind);
        xml.text("key", key);
        xml.text("value", value);
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}
