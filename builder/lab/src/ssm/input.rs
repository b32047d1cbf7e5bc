//! Owns the reading of members out of a request, with AWS's errors for what is missing or of another
//! type.

use serde_json::Value;

use crate::wire::ServiceError;

/// The error that AWS's front end gives for a value outside its model.
pub(super) fn invalid(value: &str, member: &str, constraint: &str) -> ServiceError {
    ServiceError::new(
        "ValidationException",
        400,
        format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
        ),
    )
}

pub(super) fn validation(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", 400, message)
}

fn wrong_type(member: &str) -> ServiceError {
    ServiceError::new(
        "SerializationException",
        400,
        format!("The value of {member} has another type"),
    )
}

fn missing(member: &str) -> ServiceError {
    let mut name = member.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    ServiceError::new(
        "ValidationException",
        400,
        format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ),
    )
}

/// A text that may be absent.
pub(super) fn optional_text<'a>(
    input: &'a Value,
    member: &str,
) -> Result<Option<&'a str>, ServiceError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(member)),
    }
}

/// A text that must be there.
pub(super) fn text<'a>(input: &'a Value, member: &str) -> Result<&'a str, ServiceError> {
    optional_text(input, member)?.ok_or_else(|| missing(member))
}

/// Absent means no.
pub(super) fn flag(input: &Value, member: &str) -> Result<bool, ServiceError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(wrong_type(member)),
    }
}

/// A whole number that may be absent.
pub(super) fn number(input: &Value, member: &str) -> Result<Option<i64>, ServiceError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong_type(member)),
    }
}

/// A list; absent is empty.
pub(super) fn list<'a>(input: &'a Value, member: &str) -> Result<&'a [Value], ServiceError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(wrong_type(member)),
    }
}

/// A list of texts that must be there and hold between one and `most`.
pub(super) fn texts<'a>(
    input: &'a Value,
    member: &str,
    most: usize,
) -> Result<Vec<&'a str>, ServiceError> {
    if input.get(member).is_none_or(Value::is_null) {
        return Err(missing(member));
    }
    let items = list(input, member)?.iter();
    let items: Option<Vec<&str>> = items.map(Value::as_str).collect();
    let items = items.ok_or_else(|| wrong_type(member))?;
    if items.is_empty() || items.len() > most {
        let constraint = if items.is_empty() {
            "Member must have length greater than or equal to 1".to_owned()
        } else {
            format!("Member must have length less than or equal to {most}")
        };
        let mut name = member.to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        return Err(invalid(
            &format!("[{}]", items.join(", ")),
            &name,
            &constraint,
        ));
    }
    Ok(items)
}

/// One of a fixed set of words.
pub(super) fn one_of<'a>(
    value: &'a str,
    member: &str,
    words: &[&str],
) -> Result<&'a str, ServiceError> {
    if words.contains(&value) {
        return Ok(value);
    }
    let constraint = format!("Member must satisfy enum value set: [{}]", words.join(", "));
    Err(invalid(value, member, &constraint))
}
