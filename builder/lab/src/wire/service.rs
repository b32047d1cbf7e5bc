//! Owns which services there are and which protocol each speaks.

use http::request::Parts;

use crate::aws;

/// A simulated service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// EC2.
    Ec2,
    /// Auto Scaling.
    AutoScaling,
    /// Elastic Load Balancing, version 2.
    ElbV2,
    /// The Security Token Service.
    Sts,
    /// Systems Manager's Parameter Store.
    Ssm,
    /// S3.
    S3,
}

/// How a service is spoken to, which decides what its errors look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// EC2's own form of the query protocol.
    Ec2,
    /// The query protocol.
    Query,
    /// JSON 1.1.
    Json,
    /// S3's REST with XML.
    Rest,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ec2,
        Self::AutoScaling,
        Self::ElbV2,
        Self::Sts,
        Self::Ssm,
        Self::S3,
    ];

    /// The name in signatures' scopes, endpoints and faults.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::AutoScaling => "autoscaling",
            Self::ElbV2 => "elasticloadbalancing",
            Self::Sts => "sts",
            Self::Ssm => "ssm",
            Self::S3 => "s3",
        }
    }

    /// The service of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Ec2 => Protocol::Ec2,
            Self::AutoScaling | Self::ElbV2 | Self::Sts => Protocol::Query,
            Self::Ssm => Protocol::Json,
            Self::S3 => Protocol::Rest,
        }
    }

    /// The namespace of its documents.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Ec2 => aws::Service::Ec2.namespace(),
            Self::AutoScaling => aws::Service::AutoScaling.namespace(),
            Self::ElbV2 => aws::Service::ElbV2.namespace(),
            Self::Sts => aws::Service::Sts.namespace(),
            Self::Ssm => "http://ssm.amazonaws.com/doc/2014-11-06/",
            Self::S3 => "http://s3.amazonaws.com/doc/2006-03-01/",
        }
    }

    /// The service that a request without a signature seems to be for, so that the refusal has the
    /// shape its client can read.
    pub(crate) fn guess(head: &Parts, form: &str) -> Self {
        if head.headers.contains_key("x-amz-target") {
            return Self::Ssm;
        }
        if let Some(service) = host_service(head) {
            return service;
        }
        let query = head.uri.query().unwrap_or("");
        let is = |version: &str| {
            let version = format!("Version={version}");
            query.contains(&version) || form.contains(&version)
        };
        if is("2016-11-15") {
            Self::Ec2
        } else if is("2011-01-01") {
            Self::AutoScaling
        } else if is("2015-12-01") {
            Self::ElbV2
        } else if is("2011-06-15") {
            Self::Sts
        } else if query.contains("Action=") || is_form(head) {
            Self::Ec2
        } else {
            Self::S3
        }
    }
}

fn is_form(head: &Parts) -> bool {
    let kind = head.headers.get("content-type");
    kind.is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    })
}

/// The host that a request names, without its port, in lower case.
pub(crate) fn host(head: &Parts) -> String {
    let header = head
        .headers
        .get("host")
        .and_then(|value| value.to_str().ok());
    let host = header.or_else(|| head.uri.host()).unwrap_or("");
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    without_port.to_ascii_lowercase()
}

fn host_service(head: &Parts) -> Option<Service> {
    let host = host(head);
    let name = host.strip_suffix(".amazonaws.com")?;
    name.split('.').find_map(Service::parse)
}

/// The region in a host name like `ssm.eu-west-1.amazonaws.com`; `None` for global and other names.
pub(crate) fn host_region(head: &Parts) -> Option<String> {
    let host = host(head);
    let name = host.strip_suffix(".amazonaws.com")?;
    let region = name.rsplit('.').next()?;
    (name.contains('.') && Service::parse(region).is_none()).then(|| region.to_owned())
}
