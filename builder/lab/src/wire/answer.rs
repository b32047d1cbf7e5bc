//! Owns the shape of responses in each protocol. Must not decide what they say.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;

use super::error::ServiceError;
use super::service::{Protocol, Service};
use super::xml::Xml;

/// A response before it gets its request id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// An XML document, as the query protocol and S3 send.
    pub(crate) fn xml(document: String) -> Self {
        Self::new(200).with_body("text/xml;charset=UTF-8", document)
    }

    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self::new(200).with_body("application/x-amz-json-1.1", value.to_string())
    }

    #[must_use]
    pub(crate) fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.with("content-type", content_type)
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The error in the words of the service's protocol.
    pub(crate) fn error(service: Service, error: &ServiceError, request_id: &str) -> Self {
        let mut answer = match service.protocol() {
            Protocol::Ec2 => xml_error(error, ec2_document(error, request_id)),
            Protocol::Query => xml_error(error, query_document(service, error, request_id)),
            Protocol::Json => Self::new(error.status).with_body(
                "application/x-amz-json-1.1",
                json!({"__type": error.code, "message": error.message}).to_string(),
            ),
            Protocol::Rest => {
                Self::new(error.status).with_body("application/xml", s3_document(error, request_id))
            }
        };
        let headers = error.headers.iter();
        answer
            .headers
            .extend(headers.map(|(name, value)| ((*name).to_owned(), value.clone())));
        answer
    }

    /// The response on the wire. Names and values that HTTP cannot carry are left out.
    pub(crate) fn into_response(self, service: Service, request_id: &str) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let id_header = match service.protocol() {
            Protocol::Rest => "x-amz-request-id",
            Protocol::Ec2 | Protocol::Query | Protocol::Json => "x-amzn-requestid",
        };
        let own = [
            (id_header.to_owned(), request_id.to_owned()),
            ("server".to_owned(), "vmimage-lab".to_owned()),
        ];
        for (name, value) in self.headers.into_iter().chain(own) {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_bytes(value.as_bytes()),
            ) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

fn xml_error(error: &ServiceError, document: String) -> Answer {
    Answer::new(error.status).with_body("text/xml;charset=UTF-8", document)
}

fn ec2_document(error: &ServiceError, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.element("Response", |xml| {
        xml.element("Errors", |xml| {
            xml.element("Error", |xml| {
                xml.text("Code", &error.code);
                xml.text("Message", &error.message);
            });
        });
        xml.text("RequestID", request_id);
    });
    xml.finish()
}

fn query_document(service: Service, error: &ServiceError, request_id: &str) -> String {
    let fault = if error.status < 500 {
        "Sender"
    } else {
        "Receiver"
    };
    let mut xml = Xml::new();
    xml.element_of("ErrorResponse", service.namespace(), |xml| {
        xml.element("Error", |xml| {
            xml.text("Type", fault);
            xml.text("Code", &error.code);
            xml.text("Message", &error.message);
        });
        xml.text("RequestId", request_id);
    });
    xml.finish()
}

fn s3_document(error: &ServiceError, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.element("Error", |xml| {
        xml.text("Code", &error.code);
        xml.text("Message", &error.message);
        for (name, value) in &error.details {
            xml.text(name, value);
        }
        xml.text("RequestId", request_id);
        xml.text("HostId", "vmimage-lab");
    });
    xml.finish()
}
