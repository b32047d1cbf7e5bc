//! Owns reading the state's bucket and the parameters. Reads no secret's value.

use std::collections::BTreeMap;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_ssm::types::ParameterType;
use vmimage_plan::definition::Fleet;
use vmimage_plan::fleet::inventory::{BucketInventory, ParameterInventory};
use vmimage_plan::fleet::names;

use super::text;
use crate::account::Clients;
use crate::error::{CallError, CloudError, refused, s3, ssm};

/// As many parameters as one call reads.
const PARAMETERS_AT_ONCE: usize = 10;

/// The parameters that the fleet names, as far as they exist.
pub(super) async fn observe_parameters(
    clients: &Clients,
    fleet: &Fleet,
) -> Result<BTreeMap<String, ParameterInventory>, CallError> {
    let mut wanted = vec![
        names::image_parameter(&fleet.cluster, &fleet.image),
        names::networks_parameter(&fleet.cluster),
    ];
    let secrets = fleet.secrets.iter();
    wanted.extend(secrets.map(|secret| names::secret_parameter(&fleet.cluster, secret)));
    let mut found = BTreeMap::new();
    for names in wanted.chunks(PARAMETERS_AT_ONCE) {
        let answer = clients
            .ssm
            .get_parameters()
            .set_names(Some(names.to_vec()))
            .with_decryption(false)
            .send()
            .await
            .map_err(refused(ssm("GetParameters")))?;
        for parameter in answer.parameters() {
            let secret = parameter.r#type() == Some(&ParameterType::SecureString);
            let value = parameter.value().filter(|_| !secret).map(str::to_owned);
            let data_type = text(parameter.data_type());
            let found_parameter = ParameterInventory { value, data_type };
            found.insert(text(parameter.name()), found_parameter);
        }
    }
    Ok(found)
}

/// The bucket of the state, if there is one.
pub(super) async fn observe_bucket(
    clients: &Clients,
    bucket: &str,
) -> Result<Option<BucketInventory>, CloudError> {
    let doing = |error: CallError| error.doing(format!("read bucket `{bucket}`"), &clients.region);
    let Some(region) = bucket_region(clients, bucket).await.map_err(doing)? else {
        return Ok(None);
    };
    if region != clients.region {
        // What it says is not looked at: the plan refuses it.
        let (public_access_block, encryption) = (true, true);
        return Ok(Some(BucketInventory {
            region,
            public_access_block,
            encryption,
        }));
    }
    let public_access_block = has_public_access_block(clients, bucket)
        .await
        .map_err(doing)?;
    let encryption = has_encryption(clients, bucket).await.map_err(doing)?;
    Ok(Some(BucketInventory {
        region,
        public_access_block,
        encryption,
    }))
}

/// Where the bucket is; `None` where there is none. HEAD has no body, so its errors have no codes.
async fn bucket_region(clients: &Clients, bucket: &str) -> Result<Option<String>, CallError> {
    let answer = clients.s3.head_bucket().bucket(bucket).send().await;
    let error = match answer {
        Ok(answer) => {
            let region = answer.bucket_region().unwrap_or(&clients.region);
            return Ok(Some(region.to_owned()));
        }
        Err(error) => error,
    };
    let response = error.raw_response();
    let status = response.map(|response| response.status().as_u16());
    let elsewhere = response.and_then(|response| response.headers().get("x-amz-bucket-region"));
    match (status, elsewhere) {
        (Some(404), _) => Ok(None),
        (Some(301 | 400), Some(region)) => Ok(Some(region.to_owned())),
        (Some(403), _) => Err(CallError::Refused {
            operation: s3("HeadBucket"),
            code: "AccessDenied".to_owned(),
            message: "the bucket is another account's, or these credentials may not list it"
                .to_owned(),
            request: text(error.meta().extra("aws_request_id")),
        }),
        _ => Err(refused(s3("HeadBucket"))(error)),
    }
}

async fn has_public_access_block(clients: &Clients, bucket: &str) -> Result<bool, CallError> {
    let answer = clients
        .s3
        .get_public_access_block()
        .bucket(bucket)
        .send()
        .await;
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("NoSuchPublicAccessBlockConfiguration") => Ok(false),
        Err(error) => Err(refused(s3("GetBucketPublicAccessBlock"))(error)),
    }
}

async fn has_encryption(clients: &Clients, bucket: &str) -> Result<bool, CallError> {
    let answer = clients
        .s3
        .get_bucket_encryption()
        .bucket(bucket)
        .send()
        .await;
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ServerSideEncryptionConfigurationNotFoundError") => {
            Ok(false)
        }
        Err(error) => Err(refused(s3("GetEncryptionConfiguration"))(error)),
    }
}
