//! Owns what a service answers when it refuses: AWS's code and message, in the XML of its
//! protocol.

use std::borrow::Cow;

use super::Service;
use super::xml::escape;

/// A refusal, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// AWS's code, for example `InvalidInstanceID.NotFound`.
    pub code: Cow<'static, str>,
    /// AWS's text.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Whose fault it is.
    pub fault: Fault,
}

/// Whose fault an error is. Clients retry what is the receiver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's.
    Sender,
    /// The service's.
    Receiver,
}

impl ApiError {
    /// A refusal that is the caller's fault.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: 400,
            fault: Fault::Sender,
        }
    }

    /// The same with another HTTP status; from 500 on it is the service's fault.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        if status >= 500 {
            self.fault = Fault::Receiver;
        }
        self
    }

    /// A parameter is missing.
    pub(crate) fn missing(name: &str) -> Self {
        Self::new(
            "MissingParameter",
            format!("The request must contain the parameter {name}"),
        )
    }

    /// A parameter's value makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// The services but EC2 answer most wrong input with one code.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", message)
    }

    /// The service does not know the action.
    pub(crate) fn unknown_action(service: Service, action: &str, version: &str) -> Self {
        let message = match service {
            Service::Ec2 => {
                format!("The action {action} is not valid for this web service.")
            }
            Service::AutoScaling | Service::ElbV2 | Service::Sts => {
                format!("Could not find operation {action} for version {version}")
            }
        };
        Self::new("InvalidAction", message)
    }

    /// What the parameters' own errors, which are in EC2's words, are called by `service`.
    pub(crate) fn in_words_of(mut self, service: Service) -> Self {
        let general = self.code == "MissingParameter" || self.code == "InvalidParameterValue";
        if service != Service::Ec2 && general {
            self.code = Cow::Borrowed("ValidationError");
        }
        self
    }

    /// The body of the answer.
    pub fn render(&self, service: Service, request_id: &str) -> String {
        let (code, message) = (escape(&self.code), escape(&self.message));
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let fault = match self.fault {
            Fault::Sender => "Sender",
            Fault::Receiver => "Receiver",
        };
        match service {
            Service::Ec2 => format!(
                "{head}<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message>\
                 </Error></Errors><RequestID>{request_id}</RequestID></Response>"
            ),
            Service::AutoScaling | Service::ElbV2 | Service::Sts => format!(
                "{head}<ErrorResponse xmlns=\"{}\"><Error><Type>{fault}</Type>\
                 <Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>",
                service.namespace()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_own_shape() {
        let error = ApiError::new("Code.A", "a < b");
        assert_eq!(
            error.render(Service::Ec2, "r-1"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>\
             <Code>Code.A</Code><Message>a &lt; b</Message></Error></Errors>\
             <RequestID>r-1</RequestID></Response>"
        );
        assert_eq!(
            error.with_status(503).render(Service::AutoScaling, "r-1"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ErrorResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><Error>\
             <Type>Receiver</Type><Code>Code.A</Code><Message>a &lt; b</Message></Error>\
             <RequestId>r-1</RequestId></ErrorResponse>"
        );
    }

    #[test]
    fn general_errors_are_called_as_each_service_does() {
        for (service, code) in [
            (Service::Ec2, "MissingParameter"),
            (Service::AutoScaling, "ValidationError"),
            (Service::ElbV2, "ValidationError"),
        ] {
            assert_eq!(ApiError::missing("X").in_words_of(service).code, code);
        }
        let own = ApiError::new("AlreadyExists", "").in_words_of(Service::AutoScaling);
        assert_eq!(own.code, "AlreadyExists");
    }
}
