//! Owns the versions of a parameter: their history and their labels.

use serde_json::{Value, json};

use super::input::{flag, number, text, texts};
use super::page::Page;
use super::parameter::Parameter;
use super::{Context, Parameters, name};
use crate::wire::ServiceError;

const MOST: i64 = 50;
const MOST_LABELS: usize = 10;

pub(super) fn get_parameter_history(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let reference = name::parse_reference(text(input, "Name")?, context);
    let decrypt = flag(input, "WithDecryption")?;
    let page = Page::read(input, MOST, MOST)?;
    let parameter = name::find(parameters, &reference.name)?;
    let shown = parameter.versions().map(|version| {
        let mut shown = version.metadata();
        shown.insert("Name".to_owned(), json!(parameter.name));
        shown.insert("Value".to_owned(), json!(version.shown_value(decrypt)));
        shown.insert("Labels".to_owned(), json!(version.labels));
        // Padded, so that the order of the keys is that of the numbers.
        (format!("{:020}", version.number), Value::Object(shown))
    });
    Ok(page.answer("Parameters", shown))
}

fn find_mut<'a>(
    parameters: &'a mut Parameters,
    input: &Value,
    context: &Context<'_>,
) -> Result<(&'a mut Parameter, u64), ServiceError> {
    let reference = name::parse_reference(text(input, "Name")?, context);
    let parameter = parameters
        .get_mut(&reference.name)
        .ok_or_else(|| name::not_found(""))?;
    let asked = number(input, "ParameterVersion")?;
    let wanted = match asked {
        None => Some(parameter.newest().number),
        Some(asked) => u64::try_from(asked).ok(),
    };
    match wanted
        .and_then(|wanted| parameter.version(wanted))
        .map(|version| version.number)
    {
        Some(wanted) => Ok((parameter, wanted)),
        None => Err(ServiceError::new(
            "ParameterVersionNotFound",
            400,
            format!(
                "Systems Manager could not find version {} of {}. Verify the version and try again.",
                asked.unwrap_or(0),
                parameter.name
            ),
        )),
    }
}

pub(super) fn label_parameter_version(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let labels = texts(input, "Labels", MOST_LABELS)?;
    let (parameter, wanted) = find_mut(parameters, input, context)?;
    let (valid, invalid): (Vec<&str>, Vec<&str>) =
        labels.into_iter().partition(|label| is_label(label));
    let held = parameter.version(wanted).map(|version| &version.labels);
    let added = valid
        .iter()
        .filter(|label| held.is_none_or(|held| !held.contains(**label)));
    if held.map_or(0, std::collections::BTreeSet::len) + added.count() > MOST_LABELS {
        return Err(ServiceError::new(
            "ParameterVersionLabelLimitExceeded",
            400,
            "An error occurred (ParameterVersionLabelLimitExceeded): A parameter version can have maximum 10 labels.",
        ));
    }
    for version in parameter.versions_mut() {
        for label in &valid {
            version.labels.remove(*label);
        }
        if version.number == wanted {
            version
                .labels
                .extend(valid.iter().map(|label| (*label).to_owned()));
        }
    }
    Ok(json!({"InvalidLabels": invalid, "ParameterVersion": wanted}))
}

pub(super) fn unlabel_parameter_version(
    parameters: &mut Parameters,
    input: &Value,
    context: &mut Context<'_>,
) -> Result<Value, ServiceError> {
    let labels = texts(input, "Labels", MOST_LABELS)?;
    let (parameter, wanted) = find_mut(parameters, input, context)?;
    let (mut removed, mut invalid) = (Vec::new(), Vec::new());
    for version in parameter
        .versions_mut()
        .filter(|version| version.number == wanted)
    {
        for label in &labels {
            let list = if version.labels.remove(*label) {
                &mut removed
            } else {
                &mut invalid
            };
            list.push(*label);
        }
    }
    Ok(json!({"RemovedLabels": removed, "InvalidLabels": invalid}))
}

fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    !label.is_empty()
        && label.len() <= 100
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
        && !label.starts_with(|first: char| first.is_ascii_digit())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}
