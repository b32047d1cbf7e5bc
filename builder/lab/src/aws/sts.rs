//! Owns STS: who is calling.

use super::error::ApiError;
use super::operation::{Call, Operation};
use super::region::Region;
use super::xml::Xml;

pub(crate) const TABLES: &[&[Operation]] = &[OPERATIONS];

const OPERATIONS: &[Operation] = &[Operation {
    name: "GetCallerIdentity",
    takes: &[],
    writes: false,
    handle: get_caller_identity,
}];

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn get_caller_identity(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    // A role's caller id is that of the role and the session; a user's is that of the user.
    let session = call.caller.arn.rsplit(['/', ':']).next().unwrap_or("");
    let user_id = if call.caller.arn.contains(":assumed-role/") {
        format!("AROA{}:{session}", &tail(&call.caller.access_key_id))
    } else {
        format!("AIDA{}", tail(&call.caller.access_key_id))
    };
    xml.text("Arn", &call.caller.arn);
    xml.text("UserId", &user_id);
    xml.text("Account", &region.account_id);
    Ok(())
}

/// An access key id without its kind.
fn tail(access_key_id: &str) -> String {
    access_key_id.chars().skip(4).collect()
}
