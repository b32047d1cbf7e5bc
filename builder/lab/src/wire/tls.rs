//! Owns the lab's certificate authority and the certificates of AWS's names. One authority per lab; its
//! key never leaves the process.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A key or certificate could not be made.
    #[error("cannot make the certificates of the lab")]
    Certificate(#[source] rcgen::Error),
    /// They do not fit together.
    #[error("cannot set up TLS for the lab")]
    Config(#[source] tokio_rustls::rustls::Error),
}

/// A certificate authority that clients of a lab trust.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// Leaves the key out.
impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority")
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// A new one with a random key.
    pub fn new() -> Result<Self, TlsError> {
        let key = KeyPair::generate().map_err(TlsError::Certificate)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(TlsError::Certificate)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "vmimage lab");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(TlsError::Certificate)?;
        Ok(Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Its certificate, for trust stores and `AWS_CA_BUNDLE`.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// What a server needs to answer under every name of AWS in these regions, under `localhost`, and
    /// at `addresses`.
    pub(super) fn server_config(
        &self,
        regions: &[String],
        addresses: &[IpAddr],
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let mut names = vec![
            "localhost".to_owned(),
            "*.localhost".to_owned(),
            "*.amazonaws.com".to_owned(),
            "*.s3.amazonaws.com".to_owned(),
        ];
        for region in regions {
            names.push(format!("*.{region}.amazonaws.com"));
            names.push(format!("*.s3.{region}.amazonaws.com"));
            // As restic asks.
            names.push(format!("*.dualstack.{region}.amazonaws.com"));
            names.push(format!("*.s3.dualstack.{region}.amazonaws.com"));
        }
        names.extend(addresses.iter().map(ToString::to_string));
        let mut params = CertificateParams::new(names).map_err(TlsError::Certificate)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "amazonaws.com");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(TlsError::Certificate)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(TlsError::Certificate)?;
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .map_err(TlsError::Config)?;
        Ok(Arc::new(config))
    }
}
