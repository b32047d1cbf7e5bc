//! Owns opening a URL (`http`, `https`, `file`) at an offset. Must not retry or verify.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{RootCerts, TlsConfig};

use vmimage_plan::userinfo::mask_text;

use super::CONNECTIONS;
use super::url::Url;

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

/// What the HTTP client says, without the passwords of a proxy or of a redirect that it may name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConnectionError(String);

/// Why a URL could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each variant and field means"
)]
pub enum TransportError {
    #[error("`{url}` does not exist")]
    NotFound { url: Url },
    #[error("the server refused `{url}` with status {status}")]
    Refused { url: Url, status: u16 },
    #[error("the server cannot resume `{url}`")]
    CannotResume { url: Url },
    #[error("cannot reach `{url}`")]
    Unreachable {
        url: Url,
        #[source]
        source: ConnectionError,
    },
    #[error("the transfer of `{url}` broke off")]
    Interrupted {
        url: Url,
        #[source]
        source: io::Error,
    },
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge { url: Url, limit: u64 },
    #[error("cannot read `{url}`")]
    Local {
        url: Url,
        #[source]
        source: io::Error,
    },
    #[error("`{url}` is not an http, https or file URL")]
    Scheme { url: Url },
}

impl TransportError {
    /// Whether the server has nothing under this name, or does not say: some answer 401 or 403 to
    /// requests for what they do not have.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Refused { status, .. } => (400..500).contains(status) && !self.is_transient(),
            Self::CannotResume { .. }
            | Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::TooLarge { .. }
            | Self::Local { .. }
            | Self::Scheme { .. } => false,
        }
    }

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
    pub(crate) fn new(proxy: Option<&Url>) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("vmimage/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_recv_body(Some(WHOLE_FILE))
            .max_idle_connections_per_host(CONNECTIONS)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .tls_config(
                TlsConfig::builder()
                    .root_certs(RootCerts::PlatformVerifier)
                    .build(),
            );
        if ureq::Proxy::try_from_env().is_none()
            && let Some(proxy) = proxy.and_then(|proxy| ureq::Proxy::new(proxy.secret()).ok())
        {
            config = config.proxy(Some(proxy));
        }
        Self {
            agent: config.build().new_agent(),
        }
    }

    /// Opens `url` at `from`.
    pub(crate) fn open(&self, url: &Url, from: u64) -> Result<Opened, TransportError> {
        if let Some(path) = url.file_path() {
            return open_file(url, path, from);
        }
        let Some((address, authorization)) = url.http_request() else {
            return Err(TransportError::Scheme { url: url.clone() });
        };
        let mut request = self.agent.get(address);
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let response = request
            .call()
            .map_err(|source| TransportError::Unreachable {
                url: url.clone(),
                source: ConnectionError(mask_text(&source.to_string())),
            })?;
        let start = match response.status().as_u16() {
            200 => 0,
            206 => {
                let range = response
                    .headers()
                    .get("Content-Range")
                    .map(ureq::http::HeaderValue::as_bytes);
                if !range.is_some_and(|r| r.starts_with(format!("bytes {from}-").as_bytes())) {
                    return Err(TransportError::CannotResume { url: url.clone() });
                }
                from
            }
            404 | 410 => {
                return Err(TransportError::NotFound { url: url.clone() });
            }
            416 => {
                return Err(TransportError::CannotResume { url: url.clone() });
            }
            status => {
                return Err(TransportError::Refused {
                    url: url.clone(),
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
    pub(crate) fn get(&self, url: &Url, limit: u64) -> Result<Vec<u8>, TransportError> {
        let mut bytes = Vec::new();
        self.open(url, 0)?
            .reader
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| TransportError::Interrupted {
                url: url.clone(),
                source,
            })?;
        if bytes.len() as u64 > limit {
            return Err(TransportError::TooLarge {
                url: url.clone(),
                limit,
            });
        }
        Ok(bytes)
    }
}

fn open_file(url: &Url, path: &str, from: u64) -> Result<Opened, TransportError> {
    let local = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            TransportError::NotFound { url: url.clone() }
        } else {
            TransportError::Local {
                url: url.clone(),
                source,
            }
        }
    };
    let path = OsString::from_vec(percent_decode_str(path).collect());
    let mut file = File::open(path).map_err(local)?;
    file.seek(SeekFrom::Start(from)).map_err(local)?;
    Ok(Opened {
        reader: Box::new(file),
        start: from,
    })
}
