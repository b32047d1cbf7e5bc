//! Owns requests to AWS. They are sent by curl, which signs them; credentials and everything else
//! reach it by its standard input, so that no argument list shows them.

use crate::bytes::{Fault, Result, between, find, parse_number, split};
use crate::child;
use crate::clock::Tries;
use crate::json;
use crate::node::Node;
use crate::phrase;
use crate::phrase::{A, B, C, F};

/// How long a request may take as a whole, in milliseconds; curl ends by itself after 20 s.
const REQUEST_MS: u64 = 30_000;

/// Access that is denied may be granted a moment later, when a new role has reached every place that
/// decides: so often it is asked again.
const DENIED_AT_MOST: u32 = 6;

/// How every request is made.
const CONFIG: &[u8] = b"silent
show-error
globoff
connect-timeout = 5
max-time = 20
write-out = \"\\n%{http_code} %header{etag}\"
";

/// Signs of a request that may succeed when it is made again.
const PASSING: [&[u8]; 6] = [
    b"Throttl",
    b"RequestLimitExceeded",
    b"SlowDown",
    b"ExpiredToken",
    b"RequestTimeTooSkewed",
    b"RequestExpired",
];

/// The beginning of a question to EC2 about what this cluster has.
macro_rules! describe {
    ($action:literal, $rest:literal) => {
        phrase!(concat!(
            "data = \"Version=2016-11-15&Action=",
            $action,
            "\"\ndata = \"Filter.1.Name=tag:vmimage:cluster&Filter.1.Value.1={cluster}&Filter.2.Name=tag:vmimage:role&Filter.2.Value.1=",
            $rest,
            "\"\n"
        ))
    };
}
pub(crate) use describe;

impl Node {
    /// Begins `self.request`: a service in a region, at a path; `more` is what curl is to send.
    pub fn begin(
        &mut self,
        service: &[u8],
        region: &[u8],
        path: &[u8],
        more: &'static [u8],
    ) -> Result<()> {
        for (number, value) in [(A, service), (B, region), (C, path)] {
            self.facts.set(number, value)?;
        }
        let begin = if self.endpoint.is_empty() {
            phrase!("url = \"https://{a}.{b}.{aws-domain}/{c}\"\naws-sigv4 = \"aws:amz:{b}:{a}\"\n")
        } else {
            self.facts.set(F, self.endpoint)?;
            phrase!("url = \"{f}/{c}\"\naws-sigv4 = \"aws:amz:{b}:{a}\"\n")
        };
        self.facts.expand(begin, b"", self.request.clear())?;
        self.facts.expand(more, b"", &mut self.request)
    }

    /// Sends the request until it is answered with something that another try would not change;
    /// gives the status. The body is then in `self.output`.
    pub fn send(&mut self, tries: &mut Tries) -> Result<u64> {
        let mut denied = 0;
        loop {
            self.sign()?;
            let ended = child::run(
                b"curl\0-q\0--config\0-\0",
                self.config.whole()?,
                &mut self.output,
                &mut self.errors,
                REQUEST_MS,
            )?;
            self.output.whole()?;
            let status = if ended == 0 { self.take_status() } else { 0 };
            let mut is_passing = status == 0 || status >= 500;
            if status >= 400 {
                for sign in PASSING {
                    is_passing |= find(self.output.get(), sign).is_some();
                }
            }
            denied += u32::from(status == 403);
            if !is_passing && (status != 403 || denied == DENIED_AT_MOST) {
                return Ok(status);
            }
            self.describe(status);
            if !tries.again() {
                return Err(Fault::Unanswered);
            }
            self.say_fault(b"trying again: ", Fault::Unanswered);
        }
    }

    /// Sends the request; everything but success is a fault.
    pub fn send_well(&mut self, tries: &mut Tries) -> Result<()> {
        match self.send(tries)? {
            200 => Ok(()),
            status => self.refused(status),
        }
    }

    /// The fault of an answer that is none of those that are waited for.
    pub fn refused<T>(&mut self, status: u64) -> Result<T> {
        self.describe(status);
        Err(Fault::Refused)
    }

    /// Puts into words what was answered to what.
    fn describe(&mut self, status: u64) {
        let request = self.request.get();
        let url = between(request, b"url = \"", b"\"").unwrap_or_default();
        let action = between(request, b"Action=", b"\"");
        let body = self.output.get();
        let code = between(body, b"<Code>", b"</Code>").or_else(|| json::raw(body, b"__type"));
        self.detail
            .clear()
            .push(url)
            .push(b" ")
            .push(action.unwrap_or_default());
        if status == 0 {
            self.detail
                .push(b" is not answered: ")
                .push(crate::bytes::last_line(self.errors.get()));
        } else {
            self.detail
                .push(b" is answered with ")
                .number(status)
                .push(b" ")
                .push(code.unwrap_or_default());
        }
    }

    /// Writes `self.config`: the request with credentials that are valid now.
    fn sign(&mut self) -> Result<()> {
        let document = self.imds.must(self.profile)?;
        let value = |key| json::raw(document, key).unwrap_or_default();
        self.config
            .clear()
            .push(CONFIG)
            .push(b"user = \"")
            .push(value(b"AccessKeyId"))
            .push(b":")
            .push(value(b"SecretAccessKey"))
            .push(b"\"\nheader = \"x-amz-security-token: ")
            .push(value(b"Token"))
            .push(b"\"\n")
            .push(self.request.get());
        Ok(())
    }

    /// Takes the status and the entity tag from the end of what curl wrote.
    fn take_status(&mut self) -> u64 {
        let last = crate::bytes::last_line(self.output.get());
        let (status, etag) = split(last, b" ");
        self.etag.clear().push(etag);
        let status = parse_number(status).unwrap_or(0);
        self.output.cut(self.output.get().len() - last.len());
        status
    }
}
