//! Owns the HTTP/1.1 that the metadata service speaks: one request head, one response. Must not do I/O.

use std::fmt::Write as _;

/// The longest request head that is read, as in many servers.
pub(crate) const MAX_HEAD_BYTES: usize = 8_192;

/// A request's head; its body means nothing to this service.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// The path without its query.
    pub(crate) path: &'a str,
    /// How many bytes of body follow the head.
    pub(crate) body_bytes: u64,
    /// Whether the client wants the connection closed after the response.
    pub(crate) close: bool,
    headers: Vec<(&'a str, &'a str)>,
}

/// Where the head in `bytes` ends, just after its empty line.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|start| start + 4)
}

impl<'a> Request<'a> {
    /// Reads a request head; what follows it is ignored. The error is the status to answer with.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, u16> {
        let end = head_end(bytes).unwrap_or(bytes.len());
        if end > MAX_HEAD_BYTES {
            return Err(431);
        }
        let head = bytes
            .get(..end)
            .and_then(|head| head.strip_suffix(b"\r\n\r\n"))
            .ok_or(400_u16)?;
        let head = str::from_utf8(head).map_err(|_not_text| 400_u16)?;
        let mut lines = head.split("\r\n");
        let (method, path, close_by_default) = parse_request_line(lines.next().unwrap_or(""))?;
        let headers = lines.map(parse_header).collect::<Result<Vec<_>, u16>>()?;
        let mut request = Self {
            method,
            path,
            body_bytes: 0,
            close: close_by_default,
            headers,
        };
        request.body_bytes = request.parse_body_bytes()?;
        match request.header("connection") {
            Some(value) if value.eq_ignore_ascii_case("close") => request.close = true,
            Some(value) if value.eq_ignore_ascii_case("keep-alive") => request.close = false,
            Some(_) | None => {}
        }
        Ok(request)
    }

    /// The value of the first header of that name (given in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// Whether the response carries no body.
    pub(crate) fn head_only(&self) -> bool {
        self.method == "HEAD"
    }

    fn parse_body_bytes(&self) -> Result<u64, u16> {
        if self.header("transfer-encoding").is_some() {
            return Err(400);
        }
        match self.header("content-length") {
            None => Ok(0),
            Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_too_large| 413)
            }
            Some(_) => Err(400),
        }
    }
}

/// Method, path and whether this version of HTTP closes the connection by default.
fn parse_request_line(line: &str) -> Result<(&str, &str, bool), u16> {
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(400);
    };
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(400);
    }
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(400);
    }
    let close = match version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        _ if version.starts_with("HTTP/") => return Err(505),
        _ => return Err(400),
    };
    let path = target.split_once('?').map_or(target, |(path, _query)| path);
    Ok((method, path, close))
}

fn parse_header(line: &str) -> Result<(&str, &str), u16> {
    let (name, value) = line.split_once(':').ok_or(400_u16)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty()
        || !name.bytes().all(is_token)
        || value.bytes().any(|byte| byte < b' ' && byte != b'\t')
    {
        return Err(400);
    }
    Ok((name, value.trim_matches([' ', '\t'])))
}

/// What is sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    status: u16,
    content_type: &'static str,
    ttl_secs: Option<u64>,
    body: Vec<u8>,
}

impl Response {
    /// A text, as metadata is.
    pub(crate) fn text(body: impl Into<String>) -> Self {
        Self::new(200, "text/plain", body.into().into_bytes())
    }

    /// Bytes, as user data is.
    pub(crate) fn bytes(body: Vec<u8>) -> Self {
        Self::new(200, "application/octet-stream", body)
    }

    /// An error with the kind of body that EC2 sends: a page that must never be taken for data.
    pub(crate) fn error(status: u16) -> Self {
        let reason = reason(status);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html>\n <head>\n  <title>{status} - {reason}</title>\n \
             </head>\n <body>\n  <h1>{status} - {reason}</h1>\n </body>\n</html>\n"
        );
        Self::new(status, "text/html", body.into_bytes())
    }

    /// A page that looks like success and is not metadata.
    pub(crate) fn page() -> Self {
        let body = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Please log in.</body></html>\n";
        Self::new(200, "text/html", body.as_bytes().to_vec())
    }

    /// How long its body is.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body.len()
    }

    fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type,
            ttl_secs: None,
            body,
        }
    }

    /// Says for how long the token is valid.
    pub(crate) fn with_ttl(mut self, secs: u64) -> Self {
        self.ttl_secs = Some(secs);
        self
    }

    /// The bytes on the wire.
    pub(crate) fn to_bytes(&self, head_only: bool) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nServer: EC2ws\r\n",
            self.status,
            reason(self.status),
            self.content_type,
            self.body.len()
        );
        if let Some(secs) = self.ttl_secs {
            write!(head, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: {secs}\r\n")
                .expect("a String takes any text");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !head_only {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
