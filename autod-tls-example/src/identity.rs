//! Certificates, keys and authorities from files, as what TLS needs.
//!
//! TLS 1.3 alone, both ends prove who they are, and no tickets: each connection shows its
//! certificate anew, and nothing is said behind the handshake but the protocol.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::Result;

/// What both ends speak inside of TLS; an end that expects something else is refused in the
/// handshake.
const PROTOCOL: &[u8] = b"autod/1";

/// Where somebody's identity is. The files are in PEM; what is secret is in them, and nowhere else.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities whose certificates the other end may show.
    pub authorities: PathBuf,
}

impl Files {
    /// For the accepting end.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or they do not belong together.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let provider = provider();
        let authorities = Arc::new(self.read_authorities()?);
        let verifier =
            WebPkiClientVerifier::builder_with_provider(authorities, Arc::clone(&provider))
                .build()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.read_certificates()?, self.read_key()?)?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// For the connecting end.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or they do not belong together.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(self.read_authorities()?)
            .with_client_auth_cert(self.read_certificates()?, self.read_key()?)?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Arc::new(config))
    }

    fn read_certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        certificates(&self.certificate)
    }

    fn read_key(&self) -> Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("cannot read the key {}: {error}", self.key.display()).into())
    }

    fn read_authorities(&self) -> Result<RootCertStore> {
        let mut authorities = RootCertStore::empty();
        for certificate in certificates(&self.authorities)? {
            authorities.add(certificate).map_err(|error| {
                format!("{} names no authority: {error}", self.authorities.display())
            })?;
        }
        Ok(authorities)
    }
}

/// Whom a certificate names, as in `CN=alice,O=Example`. It was verified before.
///
/// # Errors
///
/// There is no certificate, or it is malformed.
pub fn subject(chain: Option<&[CertificateDer<'_>]>) -> Result<String> {
    let certificate = chain.and_then(<[_]>::first).ok_or("the other end shows no certificate")?;
    let certificate = Certificate::from_der(certificate)
        .map_err(|error| format!("the certificate is malformed: {error}"))?;
    Ok(certificate.tbs_certificate.subject.to_string())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |error| format!("cannot read certificates of {}: {error}", path.display());
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(format!("there is no certificate in {}", path.display()).into());
    }
    Ok(certificates)
}
