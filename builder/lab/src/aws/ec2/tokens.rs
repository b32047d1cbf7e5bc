//! Owns client tokens: a request that is sent again is answered as the first time.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::aws::error::ApiError;
use crate::aws::operation::Call;

/// The longest token that EC2 takes.
const LENGTH_AT_MOST: usize = 128;

/// What was created under which token.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    made: BTreeMap<(&'static str, String), (u64, String)>,
}

impl Tokens {
    /// What a request like this one created earlier. The same token with other parameters is an
    /// error.
    pub(crate) fn made_before(
        &self,
        operation: &'static str,
        call: &Call<'_>,
    ) -> Result<Option<String>, ApiError> {
        let Some(token) = call.params.filled("ClientToken") else {
            return Ok(None);
        };
        if token.len() > LENGTH_AT_MOST {
            return Err(ApiError::invalid(format!(
                "Client token length should be at most {LENGTH_AT_MOST}"
            )));
        }
        match self.made.get(&(operation, token.to_owned())) {
            None => Ok(None),
            Some((digest, made)) if *digest == digest_of(call) => Ok(Some(made.clone())),
            Some(_) => Err(ApiError::new(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in \
                 previous request(s).",
            )),
        }
    }

    /// Remembers what a request created.
    pub(crate) fn remember(&mut self, operation: &'static str, call: &Call<'_>, made: &str) {
        if let Some(token) = call.params.filled("ClientToken") {
            let entry = (digest_of(call), made.to_owned());
            self.made.insert((operation, token.to_owned()), entry);
        }
    }
}

/// Stands for all parameters: keeping them would keep the user data of every version.
fn digest_of(call: &Call<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    call.params.hash(&mut hasher);
    hasher.finish()
}
