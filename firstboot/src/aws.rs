//! Owns requests to AWS. They are sent by curl, which signs them; credentials and everything else
//! reach it by its standard input, so that no argument list shows them.

use crate::bytes::{Fault, Result, between, find, parse_number, split};
use crate::child;
use crate::clock::Tries;
use crate::console::Line;
use crate::json;
use crate::node::{Node, fact};

/// How long a request may take as a whole, in milliseconds; curl ends by itself after 20 s.
const REQUEST_MS: u64 = 30_000;

/// Access that is denied may be granted a moment later, when a new role has reached every place that
/// decides: so often it is asked again.
const DENIED_AT_MOST: u32 = 6;

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

impl Node {
    /// Begins `self.request`: a service in a region, at a path.
    pub fn begin(&mut self, service: &[u8], region: &[u8], path: &[u8]) {
        let domain = self.facts.get(fact::AWS_DOMAIN);
        self.request.clear().push(b"url = \"");
        if self.endpoint.is_empty() {
            self.request
                .push_all(&[b"https://", service, b".", region, b".", domain]);
        } else {
            self.request.push(self.endpoint);
        }
        self.request.push_all(&[
            b"/",
            path,
            b"\"\naws-sigv4 = \"aws:amz:",
            region,
            b":",
            service,
            b"\"\n",
        ]);
    }

    /// Adds parameters of a query: name, value, name, value.
    pub fn parameters(&mut self, pairs: &[&[u8]]) {
        for pair in pairs.chunks_exact(2) {
            self.request
                .push_all(&[b"data-urlencode = \"", pair[0], b"=", pair[1], b"\"\n"]);
        }
    }

    /// Sends the request until it is answered with something that another try would not change;
    /// gives the status. The body is then in `self.output`.
    pub fn send(&mut self, tries: &mut Tries) -> Result<u64> {
        let mut denied = 0;
        loop {
            self.sign()?;
            let config = self.config.whole()?;
            let ended = child::run(
                b"curl\0-q\0--config\0-\0",
                config,
                &mut self.output,
                &mut self.errors,
                REQUEST_MS.min(tries.left_ms().max(1_000)),
            )?;
            self.output.whole()?;
            let status = if ended.is_success() {
                self.take_status()
            } else {
                0
            };
            let is_passing = status == 0
                || status == 429
                || status >= 500
                || PASSING
                    .iter()
                    .any(|sign| status >= 400 && find(self.output.get(), sign).is_some());
            if status == 403 {
                denied += 1;
            }
            if !is_passing && (status != 403 || denied == DENIED_AT_MOST) {
                return Ok(status);
            }
            self.describe(status);
            Line::new().text(self.detail.get()).text(b", trying again");
            if !tries.again() {
                return Err(Fault("AWS does not do what it is asked:"));
            }
        }
    }

    /// The fault of an answer that is none of those that are waited for.
    pub fn refused<T>(&mut self, status: u64) -> Result<T> {
        self.describe(status);
        Err(Fault("AWS refuses:"))
    }

    /// Puts into words what was answered to what.
    fn describe(&mut self, status: u64) {
        let url = between(self.request.get(), b"url = \"", b"\"").unwrap_or_default();
        let action = between(self.request.get(), b"Action=", b"\"");
        let action = action.or_else(|| between(self.request.get(), b"AmazonSSM.", b"\""));
        self.detail
            .clear()
            .push_all(&[action.unwrap_or(b"a request"), b" at ", url]);
        let body = self.output.get();
        if status == 0 {
            self.detail
                .push_all(&[b" was not answered: ", self.errors.get().trim_ascii_end()]);
        } else {
            self.detail.push(b" was answered with ").number(status);
            let code = between(body, b"<Code>", b"</Code>").or_else(|| json::raw(body, b"__type"));
            // Some services put a name space before the code.
            let code = code.unwrap_or_default().rsplit(|byte| *byte == b'#').next();
            self.detail.push_all(&[b" ", code.unwrap_or_default()]);
        }
    }

    /// Writes `self.config`: the request with credentials that are valid now.
    fn sign(&mut self) -> Result<()> {
        let mut path = [0; 256];
        let folder = b"meta-data/iam/security-credentials/";
        let length = folder.len() + self.profile.get().len();
        let place = path.get_mut(..length).ok_or(crate::bytes::TOO_LONG)?;
        place[..folder.len()].copy_from_slice(folder);
        place[folder.len()..].copy_from_slice(self.profile.get());
        let document = self.imds.must(place)?;
        let value = |key| json::raw(document, key).unwrap_or_default();
        self.config.clear().push_all(&[
            CONFIG,
            b"user = \"",
            value(b"AccessKeyId"),
            b":",
            value(b"SecretAccessKey"),
            b"\"\nheader = \"x-amz-security-token: ",
            value(b"Token"),
            b"\"\n",
            self.request.get(),
        ]);
        Ok(())
    }

    /// Takes the status and the entity tag from the end of what curl wrote.
    fn take_status(&mut self) -> u64 {
        let all = self.output.get();
        let end = all.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let (status, etag) = split(all[end..].trim_ascii(), b" ");
        self.etag.clear().push(etag);
        let status = parse_number(status).unwrap_or(0);
        self.output.cut(end);
        status
    }
}
