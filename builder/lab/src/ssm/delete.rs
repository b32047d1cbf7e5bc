//! Owns the operations that delete parameters.

use serde_json::{Value, json};

use super::input::{text, texts};
use super::{Context, Parameters, name};
use crate::wire::ServiceError;

pub(super) fn delete_parameter(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let reference = name::parse_reference(text(input, "Name")?, context);
    parameters
        .remove(&reference.name)
        .ok_or_else(|| name::not_found(""))?;
    Ok(json!({}))
}

pub(super) fn delete_parameters(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let (mut deleted, mut invalid) = (Vec::new(), Vec::new());
    for text in texts(input, "Names", 10)? {
        let reference = name::parse_reference(text, context);
        match parameters.remove(&reference.name) {
            Some(_) => deleted.push(text),
            None => invalid.push(text),
        }
    }
    Ok(json!({"DeletedParameters": deleted, "InvalidParameters": invalid}))
}
