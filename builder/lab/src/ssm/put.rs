//! Owns `PutParameter`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::input::{flag, invalid, list, one_of, optional_text, text, validation};
use super::parameter::{Kind, Parameter, Version};
use super::{Context, Parameters, name, tags};
use crate::wire::ServiceError;

const STANDARD_BYTES: usize = 4_096;
const ADVANCED_BYTES: usize = 8_192;
const MOST_VERSIONS: usize = 100;
const TIERS: [&str; 3] = ["Standard", "Advanced", "Intelligent-Tiering"];

pub(super) fn put_parameter(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let reference = name::parse_reference(text(input, "Name")?, context);
    if reference.selector.is_some() {
        return Err(validation(
            "Parameter name must not hold a version or a label.",
        ));
    }
    name::check_new(&reference.name)?;
    for member in ["AllowedPattern", "Policies"] {
        if optional_text(input, member)?.is_some_and(|value| !value.is_empty()) {
            return Err(validation(format!("{member} is not simulated.")));
        }
    }
    let current = parameters.get(&reference.name);
    let overwrite = flag(input, "Overwrite")?;
    let new_tags = tags::read(list(input, "Tags")?)?;
    if overwrite && !new_tags.is_empty() {
        return Err(validation(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please \
             remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
             RemoveTagsFromResource.",
        ));
    }
    if current.is_some() && !overwrite {
        return Err(ServiceError::new(
            "ParameterAlreadyExists",
            400,
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ));
    }
    let version = read_version(input, current, context)?;
    let answer = json!({"Version": version.number, "Tier": version.tier});
    if version.data_type == "aws:ec2:image" && !(context.image_available)(&version.value) {
        // AWS checks the image after it has answered: the call succeeds and nothing is stored.
        return Ok(answer);
    }
    store(parameters, &reference.name, version)?;
    if let Some(parameter) = parameters.get_mut(&reference.name) {
        parameter.tags.extend(new_tags);
    }
    Ok(answer)
}

fn store(parameters: &mut Parameters, name: &str, version: Version) -> Result<(), ServiceError> {
    let Some(parameter) = parameters.get_mut(name) else {
        parameters.insert(name.to_owned(), Parameter::new(name, version));
        return Ok(());
    };
    if parameter.versions().count() >= MOST_VERSIONS {
        if parameter
            .oldest()
            .is_some_and(|oldest| !oldest.labels.is_empty())
        {
            return Err(ServiceError::new(
                "ParameterMaxVersionLimitExceeded",
                400,
                "You attempted to create a new version of a parameter that has the maximum number of versions, and \
                 the oldest version has a label. Move the label to another version, then try again.",
            ));
        }
        parameter.drop_oldest();
    }
    parameter.push(version);
    Ok(())
}

fn read_version(
    input: &Value,
    current: Option<&Parameter>,
    context: &Context<'_>,
) -> Result<Version, ServiceError> {
    let before = current.map(Parameter::newest);
    let value = text(input, "Value")?;
    if value.is_empty() {
        return Err(invalid(
            "",
            "value",
            "Member must have length greater than or equal to 1",
        ));
    }
    let kind = read_kind(input, before)?;
    let key_id = match (kind, optional_text(input, "KeyId")?) {
        (Kind::Secure, Some(key)) => Some(key.to_owned()),
        (Kind::Secure, None) => Some("alias/aws/ssm".to_owned()),
        (Kind::Text | Kind::List, None) => None,
        (Kind::Text | Kind::List, Some(_)) => {
            return Err(validation(
                "KeyId is only supported for SecureString parameters.",
            ));
        }
    };
    let data_type = optional_text(input, "DataType")?
        .or(before.map(|version| version.data_type.as_str()))
        .unwrap_or("text");
    check_data_type(data_type, kind, value)?;
    let description = optional_text(input, "Description")?;
    if description.is_some_and(|text| text.len() > 1_024) {
        return Err(validation(
            "Description must have length less than or equal to 1024",
        ));
    }
    Ok(Version {
        number: before.map_or(1, |version| version.number + 1),
        value: value.to_owned(),
        kind,
        key_id,
        description: description.map(str::to_owned),
        tier: read_tier(input, value, before)?,
        data_type: data_type.to_owned(),
        modified: context.time,
        user: context.caller_arn.to_owned(),
        labels: BTreeSet::new(),
    })
}

fn read_kind(input: &Value, before: Option<&Version>) -> Result<Kind, ServiceError> {
    let named = optional_text(input, "Type")?;
    let kind = match named {
        Some(named) => {
            let words = ["SecureString", "StringList", "String"];
            Kind::parse(one_of(named, "type", &words)?)
        }
        None => before.map(|version| version.kind),
    };
    let kind = kind
        .ok_or_else(|| validation("A parameter type is required when you create a parameter."))?;
    if before.is_some_and(|before| before.kind != kind) {
        return Err(ServiceError::new(
            "HierarchyTypeMismatchException",
            400,
            "The parameter type cannot be changed.",
        ));
    }
    Ok(kind)
}

fn check_data_type(data_type: &str, kind: Kind, value: &str) -> Result<(), ServiceError> {
    match data_type {
        "text" => Ok(()),
        "aws:ec2:image" if kind == Kind::Text => {
            let digits = value.strip_prefix("ami-").unwrap_or("");
            let right = matches!(digits.len(), 8 | 17)
                && digits
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            if right {
                return Ok(());
            }
            Err(validation(
                "The parameter value is not valid for data type aws:ec2:image: it must be the id of an Amazon Machine Image.",
            ))
        }
        "aws:ec2:image" => Err(validation(
            "The data type aws:ec2:image is only supported for String parameters.",
        )),
        other => Err(validation(format!(
            "The following data type is not supported: {other} (Data type names are all lowercase.)"
        ))),
    }
}

/// The tier that a value needs, or that is asked for; a parameter never goes back to Standard.
fn read_tier(
    input: &Value,
    value: &str,
    before: Option<&Version>,
) -> Result<&'static str, ServiceError> {
    let named = optional_text(input, "Tier")?;
    if let Some(named) = named {
        one_of(named, "tier", &TIERS)?;
    }
    let was_advanced = before.is_some_and(|version| version.tier == "Advanced");
    let advanced = match named {
        Some("Advanced") => true,
        Some("Intelligent-Tiering") => value.len() > STANDARD_BYTES || was_advanced,
        Some(_) if was_advanced => {
            return Err(validation(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                 advanced-parameter tier to the standard-parameter tier.",
            ));
        }
        Some(_) | None => was_advanced,
    };
    let (tier, limit) = if advanced {
        ("Advanced", ADVANCED_BYTES)
    } else {
        ("Standard", STANDARD_BYTES)
    };
    if value.len() <= limit {
        return Ok(tier);
    }
    Err(validation(if advanced {
        format!("Advanced tier parameters support a maximum parameter value of {limit} characters.")
    } else {
        format!(
            "Standard tier parameters support a maximum parameter value of {limit} characters. To create a larger \
             parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see \
             https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
        )
    }))
}
