//! Owns asking one target once, as Elastic Load Balancing asks. Must not judge what several answers
//! mean, and must not wait longer than it is told.

use std::future::{Future as _, poll_fn};
use std::net::{IpAddr, SocketAddrV4};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
};

use crate::aws::{Question, TargetCheck, TargetFailure};

/// As load balancers name themselves.
const USER_AGENT: &str = "ELB-HealthChecker/2.0";

/// Asks a target; `from` is the address that it sees.
pub(super) async fn ask(
    check: &TargetCheck,
    from: IpAddr,
    tls: &TlsConnector,
) -> Result<(), TargetFailure> {
    let answer = tokio::time::timeout(check.timeout, answer(check, from, tls));
    answer.await.unwrap_or(Err(TargetFailure::Timeout))
}

async fn answer(
    check: &TargetCheck,
    from: IpAddr,
    tls: &TlsConnector,
) -> Result<(), TargetFailure> {
    let refused = |_| TargetFailure::Refused;
    let stream = connect(check.address, from).await.map_err(refused)?;
    let (over_tls, path, codes) = match &check.question {
        Question::Tcp => return Ok(()),
        Question::Http { tls, path, codes } => (*tls, path, codes),
    };
    let status = if over_tls {
        let name = ServerName::from(IpAddr::V4(*check.address.ip()));
        let stream = tls.connect(name, stream).await.map_err(refused)?;
        get(stream, path, check.address).await
    } else {
        get(stream, path, check.address).await
    };
    let code = status.ok_or(TargetFailure::Refused)?.as_u16();
    if codes.contain(code) {
        Ok(())
    } else {
        Err(TargetFailure::Code(code))
    }
}

async fn connect(to: SocketAddrV4, from: IpAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to.into()).await
}

/// Asks for a page; `None`: what came is no answer. The page itself is not read.
async fn get<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    path: &str,
    host: SocketAddrV4,
) -> Option<StatusCode> {
    let request = Request::get(path)
        .header("host", host.to_string())
        .header("user-agent", USER_AGENT)
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let mut connection = pin!(connection);
    let mut response = pin!(sender.send_request(request));
    let mut is_over = false;
    // The connection moves only while somebody polls it, and nobody does when this is given up.
    poll_fn(|context| {
        if !is_over {
            is_over = connection.as_mut().poll(context).is_ready();
        }
        match response.as_mut().poll(context) {
            Poll::Ready(response) => Poll::Ready(response.ok().map(|response| response.status())),
            Poll::Pending if is_over => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Load balancers do not verify targets: most have certificates that they made themselves.
pub(super) fn trusting() -> Result<TlsConnector, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let trusting = Arc::new(Trusting(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(trusting)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
