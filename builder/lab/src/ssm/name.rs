//! Owns what a parameter may be called, and the selectors behind a name.

use super::input::validation;
use super::parameter::{Parameter, Version};
use super::{Context, Parameters};
use crate::wire::ServiceError;

const LONGEST_NAME: usize = 1_011;
const DEEPEST: usize = 15;

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_/".contains(&byte)
}

/// Checks the name of a parameter that is to be made.
pub(super) fn check_new(name: &str) -> Result<(), ServiceError> {
    let first = name
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or("")
        .to_ascii_lowercase();
    if first.starts_with("aws") {
        let shown = name;
        return Err(if name.starts_with('/') {
            ServiceError::new(
                "AccessDeniedException",
                400,
                format!("No access to reserved parameter name: {shown}."),
            )
        } else {
            validation("Parameter name: can't be prefixed with \"aws\" (case-insensitive).")
        });
    }
    if first.starts_with("ssm")
        || name.is_empty()
        || !name.bytes().all(is_name_byte)
        || name.ends_with('/')
    {
        return Err(validation(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of \
             sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the \
             following 3 symbols .-_",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(validation("Parameter name must be a fully qualified name."));
    }
    if name.len() > LONGEST_NAME {
        return Err(validation(format!(
            "Parameter name exceeded the maximum length of {LONGEST_NAME}."
        )));
    }
    if name.split('/').filter(|part| !part.is_empty()).count() > DEEPEST {
        return Err(ServiceError::new(
            "HierarchyLevelLimitExceededException",
            400,
            format!("A hierarchy can have a maximum of {DEEPEST} levels"),
        ));
    }
    Ok(())
}

/// A name with what follows it: a version or a label.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) name: String,
    /// With its colon, as it is echoed.
    pub(super) selector: Option<&'a str>,
}

/// Reads `name`, `name:3`, `name:label` or the ARN of one.
pub(super) fn parse_reference<'a>(text: &'a str, context: &Context<'_>) -> Reference<'a> {
    let prefix = format!(
        "arn:aws:ssm:{}:{}:parameter/",
        context.region, context.account_id
    );
    let (rest, from_arn) = match text.strip_prefix(&prefix) {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (name, selector) = match rest.find(':') {
        Some(colon) => (rest.get(..colon).unwrap_or(rest), rest.get(colon..)),
        None => (rest, None),
    };
    // The ARN of `/a/b` is `parameter/a/b`, that of `a` is `parameter/a`.
    let name = if from_arn && name.contains('/') {
        format!("/{name}")
    } else {
        name.to_owned()
    };
    Reference { name, selector }
}

/// Finds the parameter of that name.
pub(super) fn find<'a>(
    parameters: &'a Parameters,
    name: &str,
) -> Result<&'a Parameter, ServiceError> {
    parameters.get(name).ok_or_else(|| not_found(""))
}

pub(super) fn not_found(message: &str) -> ServiceError {
    ServiceError::new("ParameterNotFound", 400, message)
}

/// Finds the version that a reference selects: the newest without a selector.
pub(super) fn select<'a>(
    parameters: &'a Parameters,
    reference: &Reference<'_>,
) -> Result<(&'a Parameter, &'a Version), ServiceError> {
    let parameter = find(parameters, &reference.name)?;
    let Some(selector) = reference.selector else {
        return Ok((parameter, parameter.newest()));
    };
    let wanted = selector.trim_start_matches(':');
    let version = match wanted.parse::<u64>() {
        Ok(number) => parameter.version(number),
        Err(_label) => parameter.labelled(wanted),
    };
    let version = version.ok_or_else(|| {
        ServiceError::new(
            "ParameterVersionNotFound",
            400,
            format!("Systems Manager could not find version {wanted} of {}. Verify the version and try again.", reference.name),
        )
    })?;
    Ok((parameter, version))
}
