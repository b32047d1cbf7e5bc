//! Owns cutting a long answer into pages.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::ApiError;
use super::params::Params;

/// Which part of a long answer is asked for. The objects are sorted by a key, and a token is the
/// last key that was told, so that objects that come and go between two pages harm nobody.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    after: Option<String>,
    size: usize,
}

impl Page {
    /// EC2: `MaxResults` within `sizes`; everything at once if it is absent.
    pub(crate) fn of_ec2(params: &Params, sizes: &RangeInclusive<usize>) -> Result<Self, ApiError> {
        let size: Option<usize> = params.integer("MaxResults")?;
        if let Some(size) = size.filter(|size| !sizes.contains(size)) {
            return Err(ApiError::invalid(format!(
                "Value ( {size} ) for parameter maxResults is invalid. Expecting a value between \
                 {} and {}.",
                sizes.start(),
                sizes.end()
            )));
        }
        let token = params.filled("NextToken").map(decode).transpose();
        Ok(Self {
            after: token.map_err(|text| ApiError::new("InvalidNextToken", text))?,
            size: size.unwrap_or(usize::MAX),
        })
    }

    /// Auto Scaling: `MaxRecords`, by default 50, at most 100.
    pub(crate) fn of_autoscaling(params: &Params) -> Result<Self, ApiError> {
        let size: usize = params.integer("MaxRecords")?.unwrap_or(50);
        if !(1..=100).contains(&size) {
            let bound = if size == 0 {
                "greater than or equal to 1"
            } else {
                "less than or equal to 100"
            };
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{size}' at 'maxRecords' failed to satisfy \
                 constraint: Member must have value {bound}"
            )));
        }
        let token = params.filled("NextToken").map(decode).transpose();
        Ok(Self {
            after: token.map_err(|text| ApiError::new("InvalidNextToken", text))?,
            size,
        })
    }

    /// Load balancing: `PageSize`, at most 400, and `Marker`.
    pub(crate) fn of_elbv2(params: &Params) -> Result<Self, ApiError> {
        let size: usize = params.integer("PageSize")?.unwrap_or(400);
        if !(1..=400).contains(&size) {
            return Err(ApiError::validation(format!(
                "Page size '{size}' must be between 1 and 400"
            )));
        }
        let token = params.filled("Marker").map(decode).transpose();
        Ok(Self {
            after: token.map_err(ApiError::validation)?,
            size,
        })
    }

    /// Makes no page larger than `most`, also where no size was asked for.
    pub(crate) fn limit(&mut self, most: usize) {
        self.size = self.size.min(most);
    }

    /// The last key of the page before.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The page of `items`, which are sorted by their keys, and the next page's token.
    pub(crate) fn cut<K: AsRef<str>, T>(
        &self,
        items: impl IntoIterator<Item = (K, T)>,
    ) -> (Vec<T>, Option<String>) {
        let mut page = Vec::new();
        let mut last: Option<K> = None;
        for (key, item) in items {
            if self.after().is_some_and(|after| key.as_ref() <= after) {
                continue;
            }
            if page.len() == self.size {
                let token = last.map(|key| URL_SAFE_NO_PAD.encode(key.as_ref()));
                return (page, token);
            }
            page.push(item);
            last = Some(key);
        }
        (page, None)
    }
}

fn decode(token: &str) -> Result<String, String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| format!("The token '{token}' is invalid."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(size: usize) -> Vec<Vec<char>> {
        let items = [("a", 'a'), ("b", 'b'), ("c", 'c'), ("d", 'd')];
        let mut token = String::new();
        let mut pages = Vec::new();
        loop {
            let body = format!("MaxResults={size}&NextToken={token}");
            let params = Params::parse(body.as_bytes()).unwrap();
            let page = Page::of_ec2(&params, &(1..=1000)).unwrap();
            let (items, next) = page.cut(items);
            pages.push(items);
            match next {
                Some(next) => token = next,
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_hold_everything_once() {
        assert_eq!(pages(3), [vec!['a', 'b', 'c'], vec!['d']]);
        assert_eq!(pages(4), [vec!['a', 'b', 'c', 'd']]);
        assert_eq!(pages(2), [vec!['a', 'b'], vec!['c', 'd']]);
    }

    #[test]
    fn wrong_sizes_and_tokens_are_refused() {
        let check =
            |body: &str| Page::of_ec2(&Params::parse(body.as_bytes()).unwrap(), &(5..=1000));
        assert_eq!(
            check("MaxResults=4").unwrap_err().message,
            "Value ( 4 ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."
        );
        assert_eq!(check("NextToken=%21").unwrap_err().code, "InvalidNextToken");
        let many = Params::parse(b"MaxRecords=101").unwrap();
        assert_eq!(
            Page::of_autoscaling(&many).unwrap_err().code,
            "ValidationError"
        );
    }
}
