//! Owns which simulated service answers a verified request.

use http::request::Parts;

use super::answer::Answer;
use super::clock::Moment;
use super::cloud::Cloud;
use super::credentials::AccessKey;
use super::error::ServiceError;
use super::identify::{Detail, Identified};
use super::service::{self, Service};
use crate::aws::{self, Aws, Caller, Params, QueryCall};
use crate::s3;
use crate::ssm::{self, Ssm};

/// A request whose signature holds.
#[derive(Debug)]
pub(super) struct Verified<'a> {
    pub(super) head: &'a Parts,
    pub(super) asked: &'a Identified,
    pub(super) region: &'a str,
    pub(super) key: &'a AccessKey,
    pub(super) body: &'a [u8],
    pub(super) trailers: &'a [(String, String)],
    pub(super) request_id: &'a str,
    pub(super) moment: Moment,
}

impl Cloud {
    pub(super) fn dispatch(&mut self, request: &Verified<'_>) -> Result<Answer, ServiceError> {
        let asked = request.asked;
        match &asked.detail {
            Detail::Query { params, version } => {
                let params = params.as_ref().map_err(|error| from_aws(error.clone()))?;
                self.query(request, params, version)
            }
            Detail::Json => self.parameter_store(request),
            Detail::Rest(route) => {
                let answer = self.s3.call(&s3::Call {
                    route,
                    region: request.region,
                    host_region: service::host_region(request.head).as_deref(),
                    account_id: &self.account_id,
                    regions: &self.regions,
                    head: request.head,
                    body: request.body,
                    trailers: request.trailers,
                    time: self.start.saturating_add(request.moment.now),
                });
                if answer.as_ref().is_err_and(|error| error.status == 501) {
                    self.note("s3", &route.asked_for(request.head), request.region);
                }
                answer
            }
        }
    }

    fn query(
        &mut self,
        request: &Verified<'_>,
        params: &Params,
        version: &str,
    ) -> Result<Answer, ServiceError> {
        let asked = request.asked;
        if asked.action.is_empty() {
            let message = "The request must contain the parameter Action";
            return Err(ServiceError::new("MissingAction", 400, message));
        }
        let service = match asked.service {
            Service::Ec2 => aws::Service::Ec2,
            Service::AutoScaling => aws::Service::AutoScaling,
            Service::ElbV2 => aws::Service::ElbV2,
            Service::Sts | Service::Ssm | Service::S3 => aws::Service::Sts,
        };
        if Aws::writes(service, &asked.action).is_none() {
            self.note(asked.service.name(), &asked.action, request.region);
        }
        let answer = self.aws.query(&QueryCall {
            service,
            region: request.region,
            action: &asked.action,
            version,
            params,
            caller: &caller(request.key),
            now: request.moment.now,
            request_id: request.request_id,
        });
        answer.map(Answer::xml).map_err(from_aws)
    }

    fn parameter_store(&mut self, request: &Verified<'_>) -> Result<Answer, ServiceError> {
        let action = request.asked.action.as_str();
        if !Ssm::knows(action) {
            self.note("ssm", action, request.region);
        }
        let (aws, region) = (&mut self.aws, request.region);
        let caller = caller(request.key);
        let mut image_available = |image_id: &str| image_available(aws, image_id, request, &caller);
        let value = self.ssm.call(
            action,
            request.body,
            &mut ssm::Context {
                region,
                account_id: &self.account_id,
                caller_arn: &request.key.arn,
                time: self.start.saturating_add(request.moment.now),
                image_available: &mut image_available,
            },
        )?;
        Ok(Answer::json(&value))
    }
}

fn caller(key: &AccessKey) -> Caller {
    Caller {
        access_key_id: key.access_key_id.clone(),
        arn: key.arn.clone(),
    }
}

/// Parameter Store asks EC2, as AWS's does.
fn image_available(aws: &mut Aws, image_id: &str, request: &Verified<'_>, caller: &Caller) -> bool {
    let Ok(params) = Params::from_pairs([("ImageId.1", image_id)]) else {
        return false;
    };
    let answer = aws.query(&QueryCall {
        service: aws::Service::Ec2,
        region: request.region,
        action: "DescribeImages",
        version: "2016-11-15",
        params: &params,
        caller,
        now: request.moment.now,
        request_id: request.request_id,
    });
    answer.is_ok_and(|text| text.contains("<imageState>available</imageState>"))
}

fn from_aws(error: aws::ApiError) -> ServiceError {
    ServiceError::new(error.code, error.status, error.message)
}
