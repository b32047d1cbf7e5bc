//! Owns paging: how many of a list are answered at once, and the token that says where to go on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::input::{invalid, number, optional_text};
use crate::wire::ServiceError;

/// Where the pages of one listing begin and end.
#[derive(Debug)]
pub(super) struct Page {
    start_after: Option<String>,
    most: usize,
}

impl Page {
    /// Reads `MaxResults` and `NextToken`.
    pub(super) fn read(input: &Value, most: i64, by_default: i64) -> Result<Self, ServiceError> {
        let asked = number(input, "MaxResults")?.unwrap_or(by_default);
        if asked < 1 {
            let constraint = "Member must have value greater than or equal to 1";
            return Err(invalid(&asked.to_string(), "maxResults", constraint));
        }
        if asked > most {
            let constraint = format!("Member must have value less than or equal to {most}");
            return Err(invalid(&asked.to_string(), "maxResults", &constraint));
        }
        let token = optional_text(input, "NextToken")?.filter(|token| !token.is_empty());
        let start_after = match token {
            None => None,
            Some(token) => Some(decode(token).ok_or_else(|| {
                ServiceError::new("InvalidNextToken", 400, "The specified token is not valid.")
            })?),
        };
        Ok(Self {
            start_after,
            most: usize::try_from(asked).unwrap_or(1),
        })
    }

    /// The page of `items`, which are in the order of their keys, under `member`.
    pub(super) fn answer(
        &self,
        member: &str,
        items: impl Iterator<Item = (String, Value)>,
    ) -> Value {
        let after = self.start_after.as_deref();
        let mut rest =
            items.skip_while(|(key, _)| after.is_some_and(|after| key.as_str() <= after));
        let page: Vec<(String, Value)> = rest.by_ref().take(self.most).collect();
        let more = rest.next().is_some();
        let last = page.last().map(|(key, _)| encode(key));
        let shown: Vec<Value> = page.into_iter().map(|(_, value)| value).collect();
        let mut answer = json!({});
        answer[member] = json!(shown);
        if let (true, Some(token)) = (more, last) {
            answer["NextToken"] = json!(token);
        }
        answer
    }
}

fn encode(key: &str) -> String {
    STANDARD.encode(format!("after:{key}"))
}

fn decode(token: &str) -> Option<String> {
    let bytes = STANDARD.decode(token).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.strip_prefix("after:").map(str::to_owned)
}
