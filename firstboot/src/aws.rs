//! Owns requests to AWS. They are sent by curl, which signs them; credentials and everything else
//! reach it by its standard input, so that no argument list shows them.

use crate::bytes::{Fault, Result, between, cut, find, last_line, parse_number};
use crate::child;
use crate::clock::Tries;
use crate::json;
use crate::node::Node;
use crate::phrase;
use crate::phrase::D;

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
write-out = \"<etag>%header{etag}<\\n%{http_code}\"
";

/// How long the instance's credentials may take to come, in seconds.
const PROFILE_SECS: u64 = 10;

const PROFILES: &[u8] = b"iam/security-credentials/";

/// Signs of a request that may succeed when it is made again.
const PASSING: &[u8] =
    b"Throttl RequestLimitExceeded SlowDown ExpiredToken RequestTimeTooSkewed RequestExpired";

impl Node {
    /// Begins `self.request`, to the service `{a}` in the region `{b}` at the path `{c}`; `more` is
    /// what curl is to send.
    pub fn begin(&mut self, more: &'static [u8]) -> Result<()> {
        // Before `{d}` is the endpoint: it may use that itself.
        self.expand(more)?;
        let begin = if self.endpoint.is_empty() {
            phrase!("url = \"https://{a}.{b}.{aws-domain}/{c}\"\naws-sigv4 = \"aws:amz:{b}:{a}\"\n")
        } else {
            self.facts.set(D, self.endpoint);
            phrase!("url = \"{d}/{c}\"\naws-sigv4 = \"aws:amz:{b}:{a}\"\n")
        };
        self.facts.expand(begin, b"", self.request.clear())?;
        self.request.push(self.text.get());
        Ok(())
    }

    /// Sends the request until it is answered with something that another try would not change;
    /// gives the status. The body is then in `self.output`.
    pub fn send(&mut self, tries: &mut Tries) -> Result<u32> {
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
                let mut signs = PASSING;
                while !signs.is_empty() {
                    is_passing |= find(self.output.get(), cut(&mut signs, b' ')).is_some();
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

    /// The fault of an answer that is none of those that are waited for.
    pub fn refused<T>(&mut self, status: u32) -> Result<T> {
        self.describe(status);
        Err(Fault::Refused)
    }

    /// Puts into words what was answered to what.
    fn describe(&mut self, status: u32) {
        let request = self.request.get();
        let url = between(request, b"url = \"", b"\"").unwrap_or_default();
        let action = between(request, b"Action=", b"\"").unwrap_or_default();
        let body = self.output.get();
        let code = between(body, b"<Code>", b"</Code>").or_else(|| json::raw(body, b"__type"));
        self.detail
            .clear()
            .push(url)
            .push(b" ")
            .push(action)
            .push(if action.is_empty() { b"" } else { b" " });
        let last = last_line(self.errors.get());
        // What curl complains of, or what AWS does.
        self.detail
            .number(status.into())
            .push(b" ")
            .push(code.unwrap_or(last));
    }

    /// Writes `self.config`: the request with credentials that are valid now. They may come a moment
    /// after the instance.
    fn sign(&mut self) -> Result<()> {
        let mut tries = Tries::for_secs(PROFILE_SECS);
        while self.profile.is_empty() {
            if self.imds.get(PROFILES)?.is_some() {
                let profile = cut(&mut self.imds.last(), b'\n');
                self.config.clear().push(PROFILES).push(profile);
                self.profile = self.facts.keep(self.config.get());
            } else if !tries.again() {
                return Err(Fault::NoProfile);
            }
        }
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

    /// Takes the status from the end of what curl wrote.
    fn take_status(&mut self) -> u32 {
        let last = last_line(self.output.get());
        let status = parse_number(last).unwrap_or(0);
        self.output.cut(self.output.get().len() - last.len());
        status
    }
}
