//! Owns the connection to an account: credentials and endpoints as the SDK finds them, and a client
//! of each service for each region.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_http_client::Builder as HttpBuilder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::runtime::{Builder, Runtime};
use vmimage_plan::definition::Fleet;
use vmimage_plan::fleet::FleetInventory;

use crate::error::{CallError, CloudError, refused, sts};
use crate::observe;

/// Tries of one call. The SDK's own three are soon used up where a hundred machines start at once;
/// with the waits below they last about a quarter of a minute.
const ATTEMPTS: u32 = 7;
const FIRST_BACKOFF: Duration = Duration::from_millis(400);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// No call waits for ever: for a connection, for one answer, and with all tries.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
const OPERATION_TIMEOUT: Duration = Duration::from_mins(2);

/// An account of AWS, and the regions of a fleet in it.
#[derive(Debug)]
pub struct Account {
    pub(crate) runtime: Runtime,
    pub(crate) number: String,
    pub(crate) regions: BTreeMap<String, Clients>,
}

/// A client of each service in one region.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) region: String,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) autoscaling: aws_sdk_autoscaling::Client,
    pub(crate) elbv2: aws_sdk_elasticloadbalancingv2::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
    pub(crate) s3: aws_sdk_s3::Client,
}

impl Account {
    /// Connects with the credentials that the SDK finds, and asks whose they are.
    pub fn connect(fleet: &Fleet) -> Result<Self, CloudError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|error| CallError::Runtime(error).doing("reach AWS", &fleet.primary))?;
        let (number, regions) = runtime.block_on(connect(fleet))?;
        Ok(Self {
            runtime,
            number,
            regions,
        })
    }

    /// Reads what a fleet has, in all regions at once. A region that cannot be read is part of the
    /// answer.
    pub fn observe_fleet(&self, fleet: &Fleet) -> FleetInventory {
        self.runtime.block_on(observe::observe_fleet(self, fleet))
    }

    pub(crate) fn clients(&self, region: &str) -> &Clients {
        self.regions
            .get(region)
            .expect("plans name regions of the fleet that was connected to")
    }
}

async fn connect(fleet: &Fleet) -> Result<(String, BTreeMap<String, Clients>), CloudError> {
    let config = load(&fleet.primary).await;
    if let Some(provider) = config.credentials_provider() {
        provider.provide_credentials().await.map_err(|error| {
            CallError::Credentials(error).doing("sign in to AWS", &fleet.primary)
        })?;
    }
    let number = account_number(fleet, &config).await?;
    let regions = fleet
        .regions
        .iter()
        .map(|region| (region.name.clone(), Clients::new(&config, &region.name)))
        .collect();
    Ok((number, regions))
}

async fn load(region: &str) -> SdkConfig {
    let tls = Provider::Rustls(CryptoMode::Ring);
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LONGEST_BACKOFF);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .http_client(HttpBuilder::new().tls_provider(tls).build_https())
        .retry_config(retries)
        .timeout_config(timeouts)
        .load()
        .await
}

/// Whose credentials they are; any region of the fleet may say so, the primary one first.
async fn account_number(fleet: &Fleet, config: &SdkConfig) -> Result<String, CloudError> {
    let operation = sts("GetCallerIdentity");
    let others = fleet.regions.iter().map(|region| &region.name);
    let others = others.filter(|region| **region != fleet.primary);
    let mut first_error = None;
    for region in std::iter::once(&fleet.primary).chain(others) {
        let own = aws_sdk_sts::config::Builder::from(config)
            .region(Region::new(region.clone()))
            .build();
        let asked = aws_sdk_sts::Client::from_conf(own);
        let answer = asked.get_caller_identity().send().await;
        let answer = answer.map_err(refused(operation)).and_then(|identity| {
            let missing = "an account";
            identity
                .account
                .ok_or(CallError::Incomplete { operation, missing })
        });
        match answer {
            Ok(number) => return Ok(number),
            Err(error) => {
                let elsewhere = matches!(error, CallError::Unanswered { .. });
                let error = error.doing("ask whose credentials these are", region);
                first_error.get_or_insert(error);
                if !elsewhere {
                    break;
                }
            }
        }
    }
    Err(first_error.expect("there was at least one region, and none answered"))
}

impl Clients {
    fn new(config: &SdkConfig, name: &str) -> Self {
        let region = || Region::new(name.to_owned());
        // A bucket's own host name does not exist below an endpoint that somebody named.
        let path_style = config.endpoint_url().is_some();
        Self {
            region: name.to_owned(),
            ec2: aws_sdk_ec2::Client::from_conf(
                aws_sdk_ec2::config::Builder::from(config)
                    .region(region())
                    .build(),
            ),
            autoscaling: aws_sdk_autoscaling::Client::from_conf(
                aws_sdk_autoscaling::config::Builder::from(config)
                    .region(region())
                    .build(),
            ),
            elbv2: aws_sdk_elasticloadbalancingv2::Client::from_conf(
                aws_sdk_elasticloadbalancingv2::config::Builder::from(config)
                    .region(region())
                    .build(),
            ),
            ssm: aws_sdk_ssm::Client::from_conf(
                aws_sdk_ssm::config::Builder::from(config)
                    .region(region())
                    .build(),
            ),
            s3: aws_sdk_s3::Client::from_conf(
                aws_sdk_s3::config::Builder::from(config)
                    .region(region())
                    .force_path_style(path_style)
                    .build(),
            ),
        }
    }
}
