//! Owns opening a URL (`http`, `https`, `file`) at an offset. Must not retry or verify.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::CONNECTIONS;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a mirror may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest a single file may take: the largest .deb known here (300 MB) at 200 kB/s.
const WHOLE_FILE: Duration = Duration::from_mins(25);

/// Opens URLs.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    agent: Agent,
}

/// An open URL.
pub(crate) struct Opened {
    /// The bytes from `start` on.
    pub(crate) reader: Box<dyn Read + Send>,
    /// The offset of the first byte; less than asked for when the mirror cannot resume.
    pub(crate) start: u64,
}

/// Why a URL could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each variant and field means"
)]
pub enum TransportError {
    #[error("`{url}` does not exist")]
    NotFound { url: String },
    #[error("the server refused `{url}` with status {status}")]
    Refused { url: String, status: u16 },
    #[error("the server cannot resume `{url}`")]
    CannotResume { url: String },
    #[error("cannot reach `{url}`")]
    Unreachable {
        url: String,
        #[source]
        source: Box<ureq::Error>,
    },
    #[error("the transfer of `{url}` broke off")]
    Interrupted {
        url: String,
        #[source]
        source: io::Error,
    },
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge { url: String, limit: u64 },
    #[error("cannot read `{url}`")]
    Local {
        url: String,
        #[source]
        source: io::Error,
    },
    #[error("`{url}` is not an http, https or file URL")]
    Scheme { url: String },
}

impl TransportError {
    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::CannotResume { .. } | Self::Unreachable { .. } | Self::Interrupted { .. } => true,
            Self::NotFound { .. }
            | Self::TooLarge { .. }
            | Self::Local { .. }
            | Self::Scheme { .. } => false,
        }
    }
}

impl Transport {
    /// A transport with the platform's trusted certificates, and the environment's proxy or else
    /// `proxy`.
    pub(crate) fn new(proxy: Option<&str>) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("vmimage/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_recv_body(Some(WHOLE_FILE))
            .max_idle_connections_per_host(CONNECTIONS)
            .tls_config(
                TlsConfig::builder()
                    .root_certs(RootCerts::PlatformVerifier)
                    .build(),
            );
        if ureq::Proxy::try_from_env().is_none()
            && let Some(proxy) = proxy.and_then(|proxy| ureq::Proxy::new(proxy).ok())
        {
            config = config.proxy(Some(proxy));
        }
        Self {
            agent: config.build().new_agent(),
        }
    }

    /// Opens `url` at `from`.
    pub(crate) fn open(&self, url: &str, from: u64) -> Result<Opened, TransportError> {
        if let Some(path) = url.strip_prefix("file://") {
            return open_file(url, path, from);
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(TransportError::Scheme {
                url: url.to_owned(),
            });
        }
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let response = request
            .call()
            .map_err(|source| TransportError::Unreachable {
                url: url.to_owned(),
                source: Box::new(source),
            })?;
        let start = match response.status().as_u16() {
            200 => 0,
            206 => {
                let range = response
                    .headers()
                    .get("Content-Range")
                    .map(ureq::http::HeaderValue::as_bytes);
                if !range.is_some_and(|r| r.starts_with(format!("bytes {from}-").as_bytes())) {
                    return Err(TransportError::CannotResume {
                        url: url.to_owned(),
                    });
                }
                from
            }
            404 | 410 => {
                return Err(TransportError::NotFound {
                    url: url.to_owned(),
                });
            }
            416 => {
                return Err(TransportError::CannotResume {
                    url: url.to_owned(),
                });
            }
            status => {
                return Err(TransportError::Refused {
                    url: url.to_owned(),
                    status,
                });
            }
        };
        Ok(Opened {
            reader: Box::new(response.into_body().into_reader()),
            start,
        })
    }

    /// All of `url`, which may have at most `limit` bytes.
    pub(crate) fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, TransportError> {
        let mut bytes = Vec::new();
        self.open(url, 0)?
            .reader
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| TransportError::Interrupted {
                url: url.to_owned(),
                source,
            })?;
        if bytes.len() as u64 > limit {
            return Err(TransportError::TooLarge {
                url: url.to_owned(),
                limit,
            });
        }
        Ok(bytes)
    }
}

fn open_file(url: &str, path: &str, from: u64) -> Result<Opened, TransportError> {
    let local = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            TransportError::NotFound {
                url: url.to_owned(),
            }
        } else {
            TransportError::Local {
                url: url.to_owned(),
                source,
            }
        }
    };
    let mut file = File::open(decode_path(path)).map_err(local)?;
    file.seek(SeekFrom::Start(from)).map_err(local)?;
    Ok(Opened {
        reader: Box::new(file),
        start: from,
    })
}

/// Percent-encodes what may not stand in a URL's path; `/` stays.
pub(crate) fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~+:@!$&'()*,;=".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

/// The local path of a `file:` URL's path.
fn decode_path(path: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| hex::decode(pair).ok());
        if let (b'%', Some(escaped)) = (byte, escaped) {
            decoded.extend(escaped);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    std::ffi::OsString::from_vec(decoded).into()
}
