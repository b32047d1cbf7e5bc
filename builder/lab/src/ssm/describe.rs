//! Owns `DescribeParameters`.

use serde_json::{Value, json};

use super::filter::Filters;
use super::input::{list, validation};
use super::page::Page;
use super::{Context, Parameters};
use crate::wire::ServiceError;

const MOST: i64 = 50;

/// Clients that forget to page notice early.
const BY_DEFAULT: i64 = 10;

pub(super) fn describe_parameters(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let (old, new) = (list(input, "Filters")?, list(input, "ParameterFilters")?);
    if !old.is_empty() && !new.is_empty() {
        return Err(validation(
            "You can use either Filters or ParameterFilters in a single request.",
        ));
    }
    let filters = if old.is_empty() {
        Filters::read(new)?
    } else {
        Filters::read_old(old)?
    };
    let page = Page::read(input, MOST, BY_DEFAULT)?;
    let found = parameters
        .iter()
        .filter(|(_, parameter)| filters.match_parameter(parameter));
    let shown = found.map(|(name, parameter)| {
        let mut shown = parameter.newest().metadata();
        shown.insert("Name".to_owned(), json!(name));
        shown.insert("ARN".to_owned(), json!(parameter.arn(context)));
        (name.clone(), Value::Object(shown))
    });
    Ok(page.answer("Parameters", shown))
}
