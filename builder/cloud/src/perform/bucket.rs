//! Owns making the state's bucket.

use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule,
};

use super::has_code;
use crate::account::Clients;
use crate::error::{CallError, refused, s3};
use crate::execute::Outcome;

/// The region that a bucket is made in when no constraint is named; naming it is an error.
const DEFAULT_REGION: &str = "us-east-1";

pub(super) async fn create(clients: &Clients, bucket: &str) -> Result<Outcome, CallError> {
    let place = (clients.region != DEFAULT_REGION).then(|| {
        let constraint = BucketLocationConstraint::from(clients.region.as_str());
        CreateBucketConfiguration::builder()
            .location_constraint(constraint)
            .build()
    });
    let asked = clients.s3.create_bucket().bucket(bucket);
    let answer = asked.set_create_bucket_configuration(place).send().await;
    match answer.map_err(refused(s3("CreateBucket"))) {
        Ok(_) => Ok(Outcome::done("made")),
        // The reply to an earlier try was lost.
        Err(error) if has_code(&error, "BucketAlreadyOwnedByYou") => {
            Ok(Outcome::done("was made already"))
        }
        Err(error) => Err(error),
    }
}

pub(super) async fn block_public_access(
    clients: &Clients,
    bucket: &str,
) -> Result<Outcome, CallError> {
    let all = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let asked = clients.s3.put_public_access_block().bucket(bucket);
    asked
        .public_access_block_configuration(all)
        .send()
        .await
        .map_err(refused(s3("PutBucketPublicAccessBlock")))?;
    Ok(Outcome::done("blocked"))
}

pub(super) async fn encrypt(clients: &Clients, bucket: &str) -> Result<Outcome, CallError> {
    let operation = s3("PutEncryptionConfiguration");
    let by_default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::Aes256)
        .build()
        .expect("the algorithm is all that it needs");
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default)
        .build();
    let rules = ServerSideEncryptionConfiguration::builder()
        .rules(rule)
        .build()
        .expect("a rule is all that it needs");
    let asked = clients.s3.put_bucket_encryption().bucket(bucket);
    asked
        .server_side_encryption_configuration(rules)
        .send()
        .await
        .map_err(refused(operation))?;
    Ok(Outcome::done("encrypted"))
}
