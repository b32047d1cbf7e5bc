//! Owns why a lab cannot be hosted or spoken to.

use std::io;
use std::path::PathBuf;

use crate::node::LabError;
use crate::wire::{ServeError, TlsError};

/// Why the host of a lab cannot go on, or a command to it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Network, image or nodes.
    #[error(transparent)]
    Lab(Box<LabError>),
    /// The lab's own certificate authority.
    #[error("cannot make the lab's certificate authority")]
    Certificates(#[source] TlsError),
    /// The simulated account is not served.
    #[error("cannot serve the simulated account")]
    Serve(#[source] ServeError),
    /// No port.
    #[error("cannot listen on 127.0.0.1")]
    Listen(#[source] io::Error),
    /// Targets of load balancers cannot be checked.
    #[error("cannot start checking targets")]
    Probe(#[source] io::Error),
    /// Targets of load balancers cannot be checked over TLS.
    #[error("cannot start checking targets over TLS")]
    ProbeTls(#[source] tokio_rustls::rustls::Error),
    /// The image cannot be offered.
    #[error("cannot offer the image `{image}` in `{region}`: the lab has no such region")]
    Region {
        /// The image.
        image: String,
        /// The region.
        region: String,
    },
    /// The socket for commands.
    #[error("cannot {verb} `{path}`")]
    Control {
        /// What was tried.
        verb: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No such lab.
    #[error("there is no lab `{name}`")]
    NoLab {
        /// Its name.
        name: String,
    },
    /// The host said no.
    #[error("{message}")]
    Refused {
        /// Why, in the host's words.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The host answered something else.
    #[error("cannot understand what the host of lab `{name}` answered")]
    Protocol {
        /// The lab.
        name: String,
    },
    /// A thread of the host still works.
    #[error("cannot end the lab in order: a part of it is still at work")]
    Busy,
}

impl HostError {
    pub(super) fn lab(error: LabError) -> Self {
        Self::Lab(Box::new(error))
    }

    /// What to do, where that is certain.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Lab(error) => error.hint(),
            Self::NoLab { .. } => Some("start one with `vmimage lab up`".to_owned()),
            Self::Refused { hint, .. } => hint.clone(),
            Self::Certificates(_)
            | Self::Serve(_)
            | Self::Listen(_)
            | Self::Probe(_)
            | Self::ProbeTls(_)
            | Self::Region { .. }
            | Self::Control { .. }
            | Self::Protocol { .. }
            | Self::Busy => None,
        }
    }
}
