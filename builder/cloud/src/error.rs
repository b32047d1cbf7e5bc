//! Owns why something could not be done in AWS, and what to do about it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use vmimage_plan::fleet::inventory::Unreadable;

/// Something that could not be done, with its object and its region.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} in `{region}`")]
pub struct CloudError {
    /// What, with its object.
    pub doing: String,
    /// Where.
    pub region: String,
    /// Why.
    #[source]
    pub source: Box<CallError>,
}

/// Why one call of an API did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// AWS said no.
    #[error("{operation} was refused: {code}: {message} (request {request})")]
    Refused {
        /// The operation, as AWS names it.
        operation: Operation,
        /// AWS's code.
        code: String,
        /// AWS's message.
        message: String,
        /// The request's id, for AWS's support.
        request: String,
    },
    /// Nobody answered, also not the last of several tries.
    #[error("{operation} got no answer: {message}")]
    Unanswered {
        /// The operation.
        operation: Operation,
        /// Why.
        message: String,
    },
    /// There was an answer that means nothing.
    #[error("the answer to {operation} cannot be read: {message}")]
    Garbled {
        /// The operation.
        operation: Operation,
        /// Why.
        message: String,
    },
    /// There was an answer, and it is not what was asked for.
    #[error("{operation} answered without {missing}")]
    Incomplete {
        /// The operation.
        operation: Operation,
        /// What is missing.
        missing: &'static str,
    },
    /// What was made does not stay: an idempotent call returned something that was deleted.
    #[error("{operation} answered with `{id}`, which is {state}")]
    Gone {
        /// The operation.
        operation: Operation,
        /// What.
        id: String,
        /// Its state.
        state: String,
    },
    /// The name belongs to something else.
    #[error("{operation} was refused: {code}, and what is there is not this fleet's")]
    Foreign {
        /// The operation.
        operation: Operation,
        /// AWS's code.
        code: String,
    },
    /// The machine has no credentials of AWS.
    #[error("the AWS credentials cannot be loaded")]
    Credentials(#[source] CredentialsError),
    /// A step needs what an earlier one made, and that one was not done.
    #[error("{0} was not made")]
    NotMade(String),
    /// The machine gives this program no way to wait for the network.
    #[error("cannot wait for the network")]
    Runtime(#[source] std::io::Error),
    /// The machine's own random source failed.
    #[error("cannot read `/dev/urandom`")]
    Random(#[source] std::io::Error),
}

/// An operation of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The prefix of its permission in IAM, for example `ec2`.
    pub service: &'static str,
    /// Its name, for example `CreateVolume`.
    pub name: &'static str,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// An operation of EC2.
pub(crate) const fn ec2(name: &'static str) -> Operation {
    let service = "ec2";
    Operation { service, name }
}

/// An operation of Auto Scaling.
pub(crate) const fn autoscaling(name: &'static str) -> Operation {
    let service = "autoscaling";
    Operation { service, name }
}

/// An operation of Elastic Load Balancing.
pub(crate) const fn elbv2(name: &'static str) -> Operation {
    let service = "elasticloadbalancing";
    Operation { service, name }
}

/// An operation of Systems Manager.
pub(crate) const fn ssm(name: &'static str) -> Operation {
    let service = "ssm";
    Operation { service, name }
}

/// An operation of S3.
pub(crate) const fn s3(name: &'static str) -> Operation {
    let service = "s3";
    Operation { service, name }
}

/// An operation of the Security Token Service.
pub(crate) const fn sts(name: &'static str) -> Operation {
    let service = "sts";
    Operation { service, name }
}

/// Makes the SDK's error ours.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the SDK's errors are non-exhaustive; what is neither an answer nor half of one is none"
)]
pub(crate) fn refused<E, R>(operation: Operation) -> impl Fn(SdkError<E, R>) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    move |error| match &error {
        SdkError::ServiceError(_) => {
            let meta = error.meta();
            let or = |text: Option<&str>, other: &str| text.unwrap_or(other).to_owned();
            CallError::Refused {
                operation,
                code: or(meta.code(), "no code"),
                message: or(meta.message(), "no message"),
                request: or(meta.extra("aws_request_id"), "unknown"),
            }
        }
        SdkError::ResponseError(_) => CallError::Garbled {
            operation,
            message: innermost(&error),
        },
        _ => CallError::Unanswered {
            operation,
            message: innermost(&error),
        },
    }
}

/// What the innermost error says: the outer ones of the SDK say `dispatch failure`.
fn innermost<E, R>(error: &SdkError<E, R>) -> String
where
    E: Error + 'static,
    R: std::fmt::Debug,
{
    let mut last: Option<&dyn Error> = error.source();
    while let Some(next) = last.and_then(Error::source) {
        last = Some(next);
    }
    last.map_or_else(
        || DisplayErrorContext(error).to_string(),
        ToString::to_string,
    )
}

impl CallError {
    /// AWS's refusal of an operation: what a stand-in for AWS says in tests.
    pub fn refused(
        service: &'static str,
        name: &'static str,
        code: &str,
        message: &str,
        request: &str,
    ) -> Self {
        Self::Refused {
            operation: Operation { service, name },
            code: code.to_owned(),
            message: message.to_owned(),
            request: request.to_owned(),
        }
    }

    /// AWS's code, where it refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } | Self::Foreign { code, .. } => Some(code),
            Self::Unanswered { .. }
            | Self::Garbled { .. }
            | Self::Incomplete { .. }
            | Self::Gone { .. }
            | Self::Credentials(_)
            | Self::NotMade(_)
            | Self::Runtime(_)
            | Self::Random(_) => None,
        }
    }

    /// Adds what was being done, and where.
    pub(crate) fn doing(self, doing: impl Into<String>, region: &str) -> CloudError {
        CloudError {
            doing: doing.into(),
            region: region.to_owned(),
            source: Box::new(self),
        }
    }

    fn hint(&self, region: &str) -> Option<String> {
        match self {
            Self::Refused {
                operation, code, ..
            } => refusal_hint(*operation, code, region),
            Self::Unanswered { .. } => Some(format!(
                "check that `{region}` is a region of AWS and that this machine reaches it, then run this again"
            )),
            Self::Gone { .. } => {
                Some("AWS remembers the deleted one for a while: run this again later".to_owned())
            }
            Self::Foreign { .. } => {
                Some("rename the cluster, or hand it over by tagging it".to_owned())
            }
            Self::Credentials(_) => Some(
                "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in with `aws sso login`"
                    .to_owned(),
            ),
            Self::Garbled { .. }
            | Self::Incomplete { .. }
            | Self::NotMade(_)
            | Self::Runtime(_)
            | Self::Random(_) => None,
        }
    }
}

/// A hint only where the code leaves no doubt.
fn refusal_hint(operation: Operation, code: &str, region: &str) -> Option<String> {
    let text = match code {
        "AuthFailure"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => {
            format!(
                "check AWS_PROFILE or the access key, and that `{region}` is enabled for the account"
            )
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            "the credentials have expired: sign in again".to_owned()
        }
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => format!(
            "allow `{}:{}` for these credentials",
            operation.service, operation.name
        ),
        "OptInRequired" => format!("enable `{region}` for the account"),
        "RequestLimitExceeded" | "SlowDown" | "Throttling" | "ThrottlingException" => {
            "AWS takes no more calls for now: run this again later".to_owned()
        }
        "BucketAlreadyExists" => {
            "bucket names are taken world-wide: name another bucket in `state`".to_owned()
        }
        _ => return None,
    };
    Some(text)
}

impl CloudError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        self.source.hint(&self.region)
    }

    /// What it says and every cause, for a report.
    pub fn to_unreadable(&self) -> Unreadable {
        let mut causes = Vec::new();
        let mut source = self.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Unreadable {
            message: self.to_string(),
            causes,
            hint: self.hint(),
        }
    }
}
