//! Owns the operations that read values.

use serde_json::{Value, json};

use super::filter::Filters;
use super::input::{flag, list, text, texts, validation};
use super::page::Page;
use super::{Context, Parameters, name};
use crate::wire::ServiceError;

/// The most names, and the most results of a page.
const MOST: i64 = 10;

pub(super) fn get_parameter(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let reference = name::parse_reference(text(input, "Name")?, context);
    let decrypt = flag(input, "WithDecryption")?;
    let (parameter, version) = name::select(parameters, &reference)?;
    Ok(json!({"Parameter": parameter.show(version, reference.selector, decrypt, context)}))
}

pub(super) fn get_parameters(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let names = texts(input, "Names", 10)?;
    let decrypt = flag(input, "WithDecryption")?;
    let mut sorted = names.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(validation(
            "Parameters contains duplicates. Remove the duplicates and retry the request.",
        ));
    }
    let (mut shown, mut invalid) = (Vec::new(), Vec::new());
    for text in names {
        let reference = name::parse_reference(text, context);
        match name::select(parameters, &reference) {
            Ok((parameter, version)) => {
                shown.push(parameter.show(version, reference.selector, decrypt, context));
            }
            Err(_absent) => invalid.push(text),
        }
    }
    Ok(json!({"Parameters": shown, "InvalidParameters": invalid}))
}

pub(super) fn get_parameters_by_path(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let path = text(input, "Path")?;
    if !path.starts_with('/') {
        return Err(validation(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward \
             slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, \
             numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not \
             allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: \
             /get/parameters2-/by1./path0_.",
        ));
    }
    let recursive = flag(input, "Recursive")?;
    let decrypt = flag(input, "WithDecryption")?;
    let filters = Filters::read(list(input, "ParameterFilters")?)?;
    let page = Page::read(input, MOST, MOST)?;
    let prefix = format!("{}/", path.trim_end_matches('/'));
    let below = parameters
        .range(prefix.clone()..)
        .take_while(|(name, _)| name.starts_with(&prefix));
    let found = below.filter(|(name, parameter)| {
        let rest = name.get(prefix.len()..).unwrap_or("");
        (recursive || !rest.contains('/')) && filters.match_parameter(parameter)
    });
    let shown = found.map(|(name, parameter)| {
        let version = filters.labelled(parameter).unwrap_or(parameter.newest());
        (
            name.clone(),
            parameter.show(version, None, decrypt, context),
        )
    });
    Ok(page.answer("Parameters", shown))
}
