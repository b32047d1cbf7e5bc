//! Owns what each service says when a fault of the lab strikes it.

use super::error::ServiceError;
use super::service::Service;

/// There are too many requests.
pub(super) fn throttled(service: Service) -> ServiceError {
    match service {
        Service::Ec2 => ServiceError::new("RequestLimitExceeded", 503, "Request limit exceeded."),
        Service::AutoScaling | Service::ElbV2 | Service::Sts => {
            ServiceError::new("Throttling", 400, "Rate exceeded")
        }
        Service::Ssm => ServiceError::new("ThrottlingException", 400, "Rate exceeded"),
        Service::S3 => ServiceError::new("SlowDown", 503, "Please reduce your request rate."),
    }
}

/// Something inside broke.
pub(super) fn failed(service: Service) -> ServiceError {
    match service {
        Service::Ec2 => ServiceError::new("InternalError", 500, "An internal error has occurred"),
        Service::AutoScaling | Service::ElbV2 | Service::Sts => {
            ServiceError::new("InternalFailure", 500, "An internal error has occurred")
        }
        Service::Ssm => {
            ServiceError::new("InternalServerError", 500, "An internal error has occurred")
        }
        Service::S3 => ServiceError::new(
            "InternalError",
            500,
            "We encountered an internal error. Please try again.",
        ),
    }
}

/// Another conditional write is under way.
pub(super) fn conflict() -> ServiceError {
    ServiceError::new(
        "ConditionalRequestConflict",
        409,
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
    )
}
