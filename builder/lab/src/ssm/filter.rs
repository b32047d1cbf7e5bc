//! Owns the filters of listings.

use serde_json::Value;

use super::input::{list, optional_text, text, validation};
use super::parameter::{Parameter, Version};
use crate::wire::ServiceError;

#[derive(Debug)]
struct Filter {
    key: String,
    option: String,
    values: Vec<String>,
}

/// All of them must match.
#[derive(Debug, Default)]
pub(super) struct Filters {
    filters: Vec<Filter>,
}

impl Filters {
    /// Reads `ParameterFilters`.
    pub(super) fn read(items: &[Value]) -> Result<Self, ServiceError> {
        let filters = items
            .iter()
            .map(read_filter)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { filters })
    }

    /// Reads the older `Filters`, whose names begin and whose other keys equal.
    pub(super) fn read_old(items: &[Value]) -> Result<Self, ServiceError> {
        let mut filters = Vec::new();
        for item in items {
            let key = text(item, "Key")?;
            if !["Name", "Type", "KeyId"].contains(&key) {
                return Err(invalid_key(key));
            }
            let option = if key == "Name" {
                "BeginsWith"
            } else {
                "Equals"
            };
            filters.push(Filter {
                key: key.to_owned(),
                option: option.to_owned(),
                values: read_values(item)?,
            });
        }
        Ok(Self { filters })
    }

    pub(super) fn match_parameter(&self, parameter: &Parameter) -> bool {
        self.filters.iter().all(|filter| filter.matches(parameter))
    }

    /// The version that a filter by label asks for.
    pub(super) fn labelled<'a>(&self, parameter: &'a Parameter) -> Option<&'a Version> {
        let labels = self.filters.iter().filter(|filter| filter.key == "Label");
        labels
            .flat_map(|filter| &filter.values)
            .find_map(|label| parameter.labelled(label))
    }
}

fn invalid_key(key: &str) -> ServiceError {
    ServiceError::new(
        "InvalidFilterKey",
        400,
        format!("The following filter key is not valid: {key}."),
    )
}

fn read_values(item: &Value) -> Result<Vec<String>, ServiceError> {
    let values: Option<Vec<String>> = list(item, "Values")?
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect();
    values.ok_or_else(|| ServiceError::new("SerializationException", 400, "Values holds no texts"))
}

fn read_filter(item: &Value) -> Result<Filter, ServiceError> {
    let key = text(item, "Key")?;
    let options: &[&str] = match key {
        "Name" => &["Equals", "BeginsWith", "Contains"],
        "Path" => &["OneLevel", "Recursive"],
        "KeyId" => &["Equals", "BeginsWith"],
        "Type" | "Tier" | "DataType" | "Label" => &["Equals"],
        tag if tag.starts_with("tag:") => &["Equals"],
        other => return Err(invalid_key(other)),
    };
    let by_default = if key == "Path" { "OneLevel" } else { "Equals" };
    let option = optional_text(item, "Option")?.unwrap_or(by_default);
    if !options.contains(&option) {
        return Err(ServiceError::new(
            "InvalidFilterOption",
            400,
            format!(
                "The following filter option is not valid: {option}. Valid options include: {options:?}."
            ),
        ));
    }
    let values = read_values(item)?;
    if values.is_empty() && !key.starts_with("tag:") {
        return Err(ServiceError::new(
            "InvalidFilterValue",
            400,
            format!("The following filter values are missing: null for filter key {key}"),
        ));
    }
    if key == "Path" && values.iter().any(|value| !value.starts_with('/')) {
        return Err(validation(
            "The parameter doesn't meet the parameter name requirements.",
        ));
    }
    Ok(Filter {
        key: key.to_owned(),
        option: option.to_owned(),
        values,
    })
}

impl Filter {
    fn matches(&self, parameter: &Parameter) -> bool {
        let newest = parameter.newest();
        if let Some(tag) = self.key.strip_prefix("tag:") {
            let held = parameter.tags.get(tag);
            return held.is_some_and(|held| self.values.is_empty() || self.values.contains(held));
        }
        let any = |test: &dyn Fn(&str) -> bool| self.values.iter().any(|value| test(value));
        let text = match self.key.as_str() {
            "Path" => return any(&|path| self.lies_below(&parameter.name, path)),
            "Label" => return any(&|label| parameter.labelled(label).is_some()),
            "Name" => parameter.name.as_str(),
            "Type" => newest.kind.name(),
            "KeyId" => newest.key_id.as_deref().unwrap_or(""),
            "Tier" => newest.tier,
            _ => newest.data_type.as_str(),
        };
        match self.option.as_str() {
            "BeginsWith" => any(&|value| {
                text.starts_with(value)
                    || text
                        .strip_prefix('/')
                        .is_some_and(|text| text.starts_with(value))
            }),
            "Contains" => any(&|value| text.contains(value)),
            _ => any(&|value| text == value),
        }
    }

    fn lies_below(&self, name: &str, path: &str) -> bool {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        name.strip_prefix(&prefix)
            .is_some_and(|rest| self.option == "Recursive" || !rest.contains('/'))
    }
}
