//! Owns the simulated Parameter Store of Systems Manager: parameters with versions, labels and tags, in
//! every region. A state machine over JSON values; must not know HTTP, signatures or clocks.

mod delete;
mod describe;
mod filter;
mod get;
mod history;
mod input;
mod name;
mod page;
mod parameter;
mod put;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::wire::ServiceError;
use parameter::Parameter;

/// The parameters of one region, by name.
type Parameters = BTreeMap<String, Parameter>;

/// The Parameter Store of a whole account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ssm {
    regions: BTreeMap<String, Parameters>,
}

/// What a call is made in.
pub(crate) struct Context<'a> {
    pub(crate) region: &'a str,
    pub(crate) account_id: &'a str,
    pub(crate) caller_arn: &'a str,
    /// Since 1970.
    pub(crate) time: Duration,
    /// Whether an image of that id can be launched in this region.
    pub(crate) image_available: &'a mut dyn FnMut(&str) -> bool,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("region", &self.region)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

type Handle = fn(&mut Parameters, &Value, &mut Context<'_>) -> Result<Value, ServiceError>;

/// Every operation that is simulated: adding one is adding a line here and its function.
const OPERATIONS: [(&str, Handle); 13] = [
    ("AddTagsToResource", tags::add_tags_to_resource),
    ("DeleteParameter", delete::delete_parameter),
    ("DeleteParameters", delete::delete_parameters),
    ("DescribeParameters", describe::describe_parameters),
    ("GetParameter", get::get_parameter),
    ("GetParameterHistory", history::get_parameter_history),
    ("GetParameters", get::get_parameters),
    ("GetParametersByPath", get::get_parameters_by_path),
    ("LabelParameterVersion", history::label_parameter_version),
    ("ListTagsForResource", tags::list_tags_for_resource),
    ("PutParameter", put::put_parameter),
    ("RemoveTagsFromResource", tags::remove_tags_from_resource),
    (
        "UnlabelParameterVersion",
        history::unlabel_parameter_version,
    ),
];

impl Ssm {
    /// Answers one operation.
    pub(crate) fn call(
        &mut self,
        operation: &str,
        body: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Value, ServiceError> {
        let found = OPERATIONS.iter().find(|(name, _)| *name == operation);
        let (_, handle) = found.ok_or_else(|| {
            ServiceError::new(
                "UnknownOperationException",
                400,
                format!("Unknown operation {operation}"),
            )
        })?;
        let value: Value = serde_json::from_slice(body)
            .map_err(|_not_json| ServiceError::new("SerializationException", 400, ""))?;
        if !value.is_object() {
            return Err(ServiceError::new(
                "SerializationException",
                400,
                "Start of structure or map found where not expected.",
            ));
        }
        let parameters = self.regions.entry(context.region.to_owned()).or_default();
        handle(parameters, &value, context)
    }

    /// Whether there is an operation of that name.
    pub(crate) fn knows(operation: &str) -> bool {
        OPERATIONS.iter().any(|(name, _)| *name == operation)
    }
}
