//! Owns how the simulated account is spoken to: HTTP, signatures, protocols, and which service answers
//! what. [`Cloud`] is the whole simulation and does no input or output; [`serve`] puts it on sockets.
//!
//! ```
//! use std::time::Duration;
//! use vmimage_lab::wire::{Cloud, Moment};
//!
//! let mut cloud = Cloud::example(1);
//! let (head, ()) = http::Request::get("/").body(()).unwrap().into_parts();
//! let moment = Moment { now: Duration::ZERO, wall: Duration::from_secs(1_700_000_000) };
//! let reply = cloud.respond(&head, b"", moment);
//! assert_eq!(reply.response.status(), 403, "it is not signed");
//! ```

mod answer;
mod clock;
mod cloud;
mod credentials;
mod dispatch;
mod error;
mod identify;
mod notice;
mod refusal;
mod role;
mod server;
pub(crate) mod service;
mod signature;
mod strike;
#[cfg(test)]
mod tests;
mod tls;
mod xml;

pub(crate) use answer::Answer;
pub use clock::{Clock, Moment};
pub use cloud::{Cloud, Delivery, Reply};
pub use credentials::{AccessKey, Credentials};
pub use error::ServiceError;
pub use notice::Notice;
pub use server::{Activity, Listener, ServeError, Server, serve};
pub use service::Service;
pub use tls::{CertificateAuthority, TlsError};
pub(crate) use xml::Xml;
