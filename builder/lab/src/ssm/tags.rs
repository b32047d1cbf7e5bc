//! Owns the tags of parameters.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::input::{list, one_of, text, texts, validation};
use super::parameter::Parameter;
use super::{Context, Parameters, name};
use crate::wire::ServiceError;

const MOST_TAGS: usize = 50;

/// What else in Systems Manager can be tagged, and is not simulated.
const RESOURCE_TYPES: [&str; 9] = [
    "Association",
    "Automation",
    "Document",
    "MaintenanceWindow",
    "ManagedInstance",
    "OpsItem",
    "OpsMetadata",
    "Parameter",
    "PatchBaseline",
];

/// Reads a list of tags and holds them to AWS's limits.
pub(super) fn read(items: &[Value]) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut tags = BTreeMap::new();
    for item in items {
        let (key, value) = (text(item, "Key")?, text(item, "Value")?);
        if key.is_empty()
            || key.chars().count() > 128
            || key.to_ascii_lowercase().starts_with("aws:")
        {
            return Err(validation(format!("The tag key '{key}' is not valid.")));
        }
        if value.chars().count() > 256 {
            return Err(validation(format!(
                "The value of tag '{key}' is longer than 256 characters."
            )));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(validation(format!("Duplicate tag key '{key}'.")));
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(too_many());
    }
    Ok(tags)
}

fn too_many() -> ServiceError {
    ServiceError::new("TooManyTagsError", 400, "Number of tags exceeds limit.")
}

fn resource<'a>(
    parameters: &'a mut Parameters,
    input: &Value,
    context: &Context<'_>,
) -> Result<&'a mut Parameter, ServiceError> {
    let kind = one_of(
        text(input, "ResourceType")?,
        "resourceType",
        &RESOURCE_TYPES,
    )?;
    let reference = name::parse_reference(text(input, "ResourceId")?, context);
    let found = parameters
        .get_mut(&reference.name)
        .filter(|_| kind == "Parameter");
    found.ok_or_else(|| ServiceError::new("InvalidResourceId", 400, ""))
}

pub(super) fn add_tags_to_resource(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let added = read(list(input, "Tags")?)?;
    let parameter = resource(parameters, input, context)?;
    let mut tags = parameter.tags.clone();
    tags.extend(added);
    if tags.len() > MOST_TAGS {
        return Err(too_many());
    }
    parameter.tags = tags;
    Ok(json!({}))
}

pub(super) fn remove_tags_from_resource(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let keys = texts(input, "TagKeys", MOST_TAGS)?;
    let parameter = resource(parameters, input, context)?;
    parameter
        .tags
        .retain(|key, _| !keys.contains(&key.as_str()));
    Ok(json!({}))
}

pub(super) fn list_tags_for_resource(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let parameter = resource(parameters, input, context)?;
    let tags = parameter.tags.iter();
    let shown: Vec<Value> = tags
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    Ok(json!({"TagList": shown}))
}
