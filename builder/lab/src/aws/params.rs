//! Owns the parameters of a request: a form body read into a tree, with AWS's lists in it. Must
//! not know any operation.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::error::ApiError;

/// More pairs than this are refused; AWS's largest requests (a page of filters) have some hundreds.
const PAIRS_AT_MOST: usize = 10_000;
/// More levels than this are refused; AWS's deepest structure has eight.
const DEPTH_AT_MOST: usize = 16;

/// Parameters as a tree: `Filter.1.Name=x` is `x` below `Filter`, `1`, `Name`.
///
/// ```
/// use vmimage_lab::aws::Params;
/// let params = Params::parse(b"Filter.1.Name=tag%3Arole&Filter.1.Value.1=web").unwrap();
/// assert_eq!(params.list("Filter")[0].strings("Value"), ["web"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params {
    value: Option<String>,
    below: BTreeMap<String, Params>,
}

impl Params {
    /// Reads an `application/x-www-form-urlencoded` body.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        Self::from_pairs(form_urlencoded::parse(body))
    }

    /// Makes the tree of names that are decoded already.
    pub fn from_pairs<N: AsRef<str>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ApiError> {
        let mut root = Self::default();
        for (number, (name, value)) in pairs.into_iter().enumerate() {
            let name = name.as_ref();
            if number == PAIRS_AT_MOST || name.split('.').count() > DEPTH_AT_MOST {
                return Err(ApiError::new(
                    "MalformedQueryString",
                    "The query string is too long or too deep",
                ));
            }
            let mut node = &mut root;
            for part in name.split('.') {
                node = node.below.entry(part.to_owned()).or_default();
            }
            node.value = Some(value.into());
        }
        Ok(root)
    }

    /// The structure called `name`; dots lead further down.
    pub fn node(&self, name: &str) -> Option<&Self> {
        name.split('.')
            .try_fold(self, |node, part| node.below.get(part))
    }

    /// The text called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.node(name)?.text()
    }

    /// The text called `name`, unless it is absent or empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|text| !text.is_empty())
    }

    /// The text of this very node.
    pub fn text(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// The text called `name`, which the operation cannot do without.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.filled(name).ok_or_else(|| ApiError::missing(name))
    }

    /// A number called `name`.
    pub fn integer<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.filled(name) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_not_a_number| {
            ApiError::invalid(format!("Value ({text}) for parameter {name} is invalid"))
        })?;
        Ok(Some(number))
    }

    /// A number called `name`, which the operation cannot do without.
    pub fn required_integer<T: FromStr>(&self, name: &str) -> Result<T, ApiError> {
        self.integer(name)?.ok_or_else(|| ApiError::missing(name))
    }

    /// A truth value called `name`.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.filled(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(ApiError::invalid(format!(
                "Value ({text}) for parameter {name} is invalid. Expected a boolean"
            ))),
        }
    }

    /// The entries of the list called `name` in their order: `name.1` or `name.member.1`.
    pub fn list(&self, name: &str) -> Vec<&Self> {
        self.node(name).map(Self::entries).unwrap_or_default()
    }

    /// The entries of the list that this is, in their order.
    pub(crate) fn entries(&self) -> Vec<&Self> {
        let node = self.below.get("member").unwrap_or(self);
        let mut entries: Vec<(u32, &Self)> = node
            .below
            .iter()
            .filter_map(|(index, entry)| Some((index.parse().ok()?, entry)))
            .collect();
        entries.sort_by_key(|(index, _)| *index);
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    /// The texts of the list called `name`, in their order.
    pub fn strings(&self, name: &str) -> Vec<&str> {
        let entries = self.list(name).into_iter();
        entries.filter_map(Self::text).collect()
    }

    /// Whether anything of that name was sent: also an empty list (`name=`).
    pub fn has(&self, name: &str) -> bool {
        self.node(name).is_some()
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.value.is_none() && self.below.is_empty()
    }

    /// What lies right below, by name.
    pub(crate) fn below(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.below.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// Only those of the top-level parameters that `wanted` accepts.
    pub(crate) fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let below = self.below.iter();
        let kept = below.filter(|(name, _)| wanted(name));
        Self {
            value: None,
            below: kept
                .map(|(name, node)| (name.clone(), node.clone()))
                .collect(),
        }
    }

    /// These, with each top-level parameter of `over` in the place of the one of that name.
    pub(crate) fn overlaid(mut self, over: Self) -> Self {
        self.below.extend(over.below);
        self
    }

    /// Calls `each` with the name of every text, list indexes written `#`: `Filter.#.Value.#`.
    pub(crate) fn names(&self, each: &mut dyn FnMut(&str)) {
        self.names_below(&mut String::new(), each);
    }

    fn names_below(&self, path: &mut String, each: &mut dyn FnMut(&str)) {
        if self.value.is_some() {
            each(path);
        }
        for (name, node) in &self.below {
            let length = path.len();
            if name != "member" {
                if length > 0 {
                    path.push('.');
                }
                let index = name.bytes().all(|byte| byte.is_ascii_digit());
                path.push_str(if index { "#" } else { name });
            }
            node.names_below(path, each);
            path.truncate(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(body: &str) -> Params {
        Params::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn lists_are_read_in_the_order_of_their_numbers() {
        for body in [
            "Id.10=c&Id.2=b&Id.1=a",
            "Id.member.2=b&Id.member.10=c&Id.member.1=a",
        ] {
            assert_eq!(params(body).strings("Id"), ["a", "b", "c"], "{body}");
        }
        assert_eq!(params("Id=").strings("Id"), [""; 0]);
        assert!(params("Id=").has("Id"));
        assert!(!params("").has("Id"));
    }

    #[test]
    fn structures_nest() {
        let params = params("A.B.1.C.member.1=x+y&A.B.2.C.member.1=%C3%A9&A.D=");
        assert_eq!(params.list("A.B")[0].strings("C"), ["x y"]);
        assert_eq!(params.list("A.B")[1].strings("C"), ["é"]);
        assert_eq!((params.get("A.D"), params.filled("A.D")), (Some(""), None));
    }

    #[test]
    fn names_are_those_of_the_documentation() {
        let mut seen = Vec::new();
        params("A.B.1.C.member.17=x&Z=1").names(&mut |name| seen.push(name.to_owned()));
        assert_eq!(seen, ["A.B.#.C.#", "Z"]);
    }

    #[test]
    fn what_is_no_number_or_truth_value_is_named() {
        let params = params("N=x&B=yes&T=True");
        let error = params.integer::<u32>("N").unwrap_err();
        assert_eq!(error.message, "Value (x) for parameter N is invalid");
        assert_eq!(error.code, "InvalidParameterValue");
        assert_eq!(params.integer::<u32>("M"), Ok(None));
        assert_eq!(
            params.boolean("B").unwrap_err().message,
            "Value (yes) for parameter B is invalid. Expected a boolean"
        );
        assert_eq!(params.boolean("T"), Ok(Some(true)));
        assert_eq!(params.required("Q").unwrap_err().code, "MissingParameter");
    }

    #[test]
    fn absurd_requests_are_refused() {
        let deep = format!("{}=1", "a.".repeat(DEPTH_AT_MOST));
        let long = "a=1&".repeat(PAIRS_AT_MOST + 1);
        for body in [deep, long] {
            let error = Params::parse(body.as_bytes()).unwrap_err();
            assert_eq!(error.code, "MalformedQueryString");
        }
    }
}
