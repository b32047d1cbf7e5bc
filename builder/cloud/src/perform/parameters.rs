//! Owns writing parameters. A secret's value exists only between two calls: nothing prints it, and no
//! error holds it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;

use aws_sdk_ssm::types::{ParameterType, Tag};

use super::has_code;
use crate::account::Clients;
use crate::error::{CallError, refused, ssm};
use crate::execute::Outcome;

/// Random bytes of a secret that is made up: 256 bits, in hexadecimal so that it means nothing to a
/// shell, SQL or a URL.
const SECRET_BYTES: usize = 32;

/// Makes the parameter with `tags`, or changes one that exists.
pub(super) async fn put(
    clients: &Clients,
    parameter: &str,
    (value, data_type): (&str, &str),
    tags: Option<&BTreeMap<String, String>>,
) -> Result<Outcome, CallError> {
    let put = || {
        clients
            .ssm
            .put_parameter()
            .name(parameter)
            .value(value)
            .r#type(ParameterType::String)
            .data_type(data_type)
    };
    let operation = ssm("PutParameter");
    if let Some(tags) = tags {
        let answer = put().set_tags(Some(ssm_tags(tags))).send().await;
        match answer.map_err(refused(operation)) {
            Ok(_) => return Ok(Outcome::done("made")),
            // The reply to an earlier try was lost, or somebody was faster.
            Err(error) if has_code(&error, "ParameterAlreadyExists") => {}
            Err(error) => return Err(error),
        }
    }
    let answer = put().overwrite(true).send().await;
    answer.map_err(refused(operation))?;
    Ok(Outcome::done("changed"))
}

pub(super) async fn put_secret(
    clients: &Clients,
    from: Option<&Clients>,
    parameter: &str,
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, CallError> {
    let secret = match from {
        Some(from) => Secret::read(from, parameter).await?,
        None => Secret::make_up()?,
    };
    let answer = clients
        .ssm
        .put_parameter()
        .name(parameter)
        .value(secret.0)
        .r#type(ParameterType::SecureString)
        .set_tags(Some(ssm_tags(tags)))
        .send()
        .await;
    match answer.map_err(refused(ssm("PutParameter"))) {
        Ok(_) => Ok(Outcome::done("made")),
        // Nothing overwrites a secret: the one that is there counts.
        Err(error) if has_code(&error, "ParameterAlreadyExists") => {
            Ok(Outcome::done("was there already"))
        }
        Err(error) => Err(error),
    }
}

/// The value of a secret.
struct Secret(String);

/// Leaves the value out.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    fn make_up() -> Result<Self, CallError> {
        let mut bytes = [0; SECRET_BYTES];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut bytes))
            .map_err(CallError::Random)?;
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.map(|digit| char::from_digit(digit.into(), 16));
        Ok(Self(digits.flatten().collect()))
    }

    async fn read(from: &Clients, parameter: &str) -> Result<Self, CallError> {
        let operation = ssm("GetParameter");
        let asked = from.ssm.get_parameter().name(parameter);
        let answer = asked.with_decryption(true).send().await;
        let answer = answer.map_err(refused(operation))?;
        let value = answer.parameter.and_then(|parameter| parameter.value);
        let missing = "a value";
        value
            .map(Self)
            .ok_or(CallError::Incomplete { operation, missing })
    }
}

fn ssm_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| {
        let tag = Tag::builder().key(key).value(value).build();
        tag.expect("a tag has a key and a value")
    };
    tags.iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn secrets_are_long_different_and_not_shown() {
        let (one, other) = (Secret::make_up().unwrap(), Secret::make_up().unwrap());
        assert_eq!(one.0.len(), 64);
        assert!(one.0.bytes().all(|b| b.is_ascii_hexdigit()), "only digits");
        assert_ne!(one.0, other.0);
        assert_eq!(format!("{one:?}"), "Secret");
    }
}
