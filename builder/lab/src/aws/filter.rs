//! Owns EC2's filters: names, values with wildcards, tags. Must not know what is filtered.

use std::collections::BTreeMap;

use super::error::ApiError;
use super::params::Params;

/// Tags of an object.
pub(crate) type Tags = BTreeMap<String, String>;

/// AWS takes at most so many values in a filter.
const VALUES_AT_MOST: usize = 200;

/// What an object must match, all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    filters: Vec<Filter>,
}

#[derive(Clone, Debug)]
struct Filter {
    name: String,
    values: Vec<String>,
}

impl Filters {
    /// Reads the filters called `name` in the request. The object has fields called `known`;
    /// filters by tag are known where `tag` is among them.
    pub(crate) fn parse(params: &Params, known: &[&str]) -> Result<Self, ApiError> {
        let tagged = known.contains(&"tag");
        let mut filters = Vec::new();
        for entry in params.list("Filter") {
            let name = entry.required("Name")?;
            let is_known = if name.starts_with("tag:") || name == "tag-key" || name == "tag-value" {
                tagged
            } else {
                known.contains(&name)
            };
            if !is_known {
                return Err(ApiError::invalid(format!("The filter '{name}' is invalid")));
            }
            let values: Vec<String> = entry
                .strings("Value")
                .into_iter()
                .map(str::to_owned)
                .collect();
            if values.is_empty() {
                return Err(ApiError::invalid(format!(
                    "The filter '{name}' has no values"
                )));
            }
            if values.len() > VALUES_AT_MOST {
                let text = format!(
                    "The maximum number of filter values specified on a single call is {VALUES_AT_MOST}"
                );
                return Err(ApiError::new("FilterLimitExceeded", text));
            }
            filters.push(Filter {
                name: name.to_owned(),
                values,
            });
        }
        Ok(Self { filters })
    }

    /// Whether an object with these tags matches; `field` tells the values of a field by name.
    pub(crate) fn accept(&self, tags: &Tags, field: impl Fn(&str, &mut dyn FnMut(&str))) -> bool {
        self.filters.iter().all(|filter| {
            let mut found = false;
            let mut test = |value: &str| found |= filter.matches(value);
            match filter.name.as_str() {
                "tag-key" => tags.keys().for_each(|key| test(key)),
                "tag-value" => tags.values().for_each(|value| test(value)),
                name => match name.strip_prefix("tag:") {
                    Some(key) => tags.get(key).map(String::as_str).into_iter().for_each(test),
                    None => field(name, &mut test),
                },
            }
            found
        })
    }

    /// The tags that are asked for with exact values: an index can answer them.
    pub(crate) fn exact_tags(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.filters.iter().filter_map(|filter| {
            let key = filter.name.strip_prefix("tag:")?;
            let exact = |value: &String| !value.contains(['*', '?', '\\']);
            let all = filter.values.iter().all(exact);
            all.then_some((key, filter.values.as_slice()))
        })
    }

    /// The values of a filter that have no wildcards.
    pub(crate) fn exact(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self
            .filters
            .iter()
            .filter(move |filter| filter.name == name);
        let values = named.flat_map(|filter| &filter.values);
        values
            .filter(|value| !value.contains(['*', '?', '\\']))
            .map(String::as_str)
    }

    /// Whether a tag with this key is asked for, where filters name tags at all.
    pub(crate) fn names_tag(&self, key: &str) -> bool {
        let mut named = self
            .filters
            .iter()
            .filter_map(|filter| filter.name.strip_prefix("tag:"))
            .peekable();
        named.peek().is_none() || named.any(|name| name == key)
    }
}

impl Filter {
    fn matches(&self, value: &str) -> bool {
        let mut wanted = self.values.iter();
        wanted.any(|pattern| matches_pattern(pattern.as_bytes(), value.as_bytes()))
    }
}

/// Whether `text` matches `pattern`, in which `*` is any text, `?` any byte, and a backslash takes
/// the meaning from what follows.
pub(crate) fn matches_pattern(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    // Where to go on when what follows the last `*` did not match.
    let mut again: Option<(usize, usize)> = None;
    while position < text.len() {
        let step = match pattern.get(at) {
            Some(b'*') => {
                again = Some((at + 1, position));
                at += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'\\') if pattern.get(at + 1) == Some(&text[position]) => Some(2),
            Some(byte) if *byte == text[position] => Some(1),
            Some(_) | None => None,
        };
        match (step, &mut again) {
            (Some(length), _) => {
                at += length;
                position += 1;
            }
            (None, Some((after, from))) => {
                *from += 1;
                at = *after;
                position = *from;
            }
            (None, None) => return false,
        }
    }
    pattern[at.min(pattern.len())..]
        .iter()
        .all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_ec2() {
        for (pattern, text, matches) in [
            ("web", "web", true),
            ("web", "webs", false),
            ("*", "", true),
            ("w*b", "wheelb", true),
            ("w*b", "wheel", false),
            ("*a*b*", "xxaxxbxx", true),
            ("?", "", false),
            ("w?b", "web", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("", "", true),
            ("", "a", false),
        ] {
            let matched = matches_pattern(pattern.as_bytes(), text.as_bytes());
            assert_eq!(matched, matches, "{pattern} {text}");
        }
    }

    fn accepts(body: &str) -> bool {
        let params = Params::parse(body.as_bytes()).unwrap();
        let filters = Filters::parse(&params, &["state", "tag"]).unwrap();
        let tags = Tags::from([("role".to_owned(), "web".to_owned())]);
        filters.accept(&tags, |name, test| {
            assert_eq!(name, "state");
            test("running");
        })
    }

    #[test]
    fn values_are_alternatives_and_filters_are_not() {
        for (body, accepted) in [
            ("", true),
            (
                "Filter.1.Name=state&Filter.1.Value.1=x&Filter.1.Value.2=running",
                true,
            ),
            ("Filter.1.Name=tag:role&Filter.1.Value.1=w*", true),
            ("Filter.1.Name=tag:other&Filter.1.Value.1=*", false),
            ("Filter.1.Name=tag-key&Filter.1.Value.1=role", true),
            ("Filter.1.Name=tag-value&Filter.1.Value.1=role", false),
            (
                "Filter.1.Name=tag:role&Filter.1.Value.1=web&\
                 Filter.2.Name=state&Filter.2.Value.1=stopped",
                false,
            ),
        ] {
            assert_eq!(accepts(body), accepted, "{body}");
        }
    }

    #[test]
    fn unknown_filters_are_refused() {
        for (body, message) in [
            (
                "Filter.1.Name=x&Filter.1.Value.1=y",
                "The filter 'x' is invalid",
            ),
            (
                "Filter.1.Name=tag:x&Filter.1.Value.1=y",
                "The filter 'tag:x' is invalid",
            ),
            ("Filter.1.Name=state", "The filter 'state' has no values"),
            (
                "Filter.1.Value.1=y",
                "The request must contain the parameter Name",
            ),
        ] {
            let params = Params::parse(body.as_bytes()).unwrap();
            let error = Filters::parse(&params, &["state"]).unwrap_err();
            assert_eq!(error.message, message);
        }
    }
}
