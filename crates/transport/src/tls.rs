//! TLS by rustls: whom a side trusts, and who it is.
//!
//! Certificates and keys are PEM. The crypto provider is ring; TLS 1.2 and 1.3 are spoken.
use std::{fmt, fs, io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
#[cfg(feature = "tokio")]
use rustls::{ServerConfig, server::WebPkiClientVerifier};

use crate::error::{Error, ErrorKind};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::io(ErrorKind::Tls, io::Error::new(io::ErrorKind::InvalidData, error))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::io(ErrorKind::Tls, error))
}

/// All certificates of a PEM text; none is an error.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() {
        return Err(failed("no certificate in the PEM text"));
    }
    Ok(found)
}

fn roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem)? {
        store.add(certificate).map_err(failed)?;
    }
    Ok(store)
}

/// The TLS side of a listener.
#[cfg(feature = "tokio")]
#[derive(Clone)]
pub struct TlsServer {
    pub(crate) config: Arc<ServerConfig>,
}

#[cfg(feature = "tokio")]
impl TlsServer {
    /// A server with a certificate chain and its key. With `client_ca`, only clients that show a
    /// certificate of one of these authorities get in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`] if a text holds no PEM of the kind, or certificate and key do not fit.
    pub fn from_pem(certificate: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> Result<Self, Error> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(pem)?), provider)
                    .build()
                    .map_err(failed)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(key).map_err(failed)?;
        let config = builder.with_single_cert(certificates(certificate)?, key).map_err(failed)?;
        Ok(Self { config: Arc::new(config) })
    }

    /// The same from files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`], also if a file cannot be read.
    pub fn from_files(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, Error> {
        let client_ca = client_ca.map(read).transpose()?;
        Self::from_pem(&read(certificate)?, &read(key)?, client_ca.as_deref())
    }

    /// A server with a rustls configuration of the caller's own.
    pub const fn from_config(config: Arc<ServerConfig>) -> Self {
        Self { config }
    }
}

#[cfg(feature = "tokio")]
impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer")
    }
}

/// The TLS side of a sender.
#[derive(Clone)]
pub struct TlsClient {
    pub(crate) config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl TlsClient {
    /// A client that trusts these authorities, and shows a certificate if it has one (chain and key).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`] if a text holds no PEM of the kind, or certificate and key do not fit.
    pub fn from_pem(ca: &[u8], identity: Option<(&[u8], &[u8])>) -> Result<Self, Error> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(roots(ca)?);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key).map_err(failed)?;
                builder.with_client_auth_cert(certificates(certificate)?, key).map_err(failed)?
            }
        };
        Ok(Self { config: Arc::new(config), server_name: None })
    }

    /// The same from files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`], also if a file cannot be read.
    pub fn from_files(ca: &Path, identity: Option<(&Path, &Path)>) -> Result<Self, Error> {
        let identity = match identity {
            Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
            None => None,
        };
        let identity = identity.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
        Self::from_pem(&read(ca)?, identity)
    }

    /// A client with a rustls configuration of the caller's own.
    pub const fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config, server_name: None }
    }

    /// The name that the server's certificate must have, where it is not the endpoint's host.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`] if it is neither a DNS name nor an IP address.
    pub fn server_name(mut self, name: &str) -> Result<Self, Error> {
        self.server_name = Some(ServerName::try_from(name.to_owned()).map_err(failed)?);
        Ok(self)
    }

    pub(crate) fn name_for(&self, host: &str) -> Result<ServerName<'static>, Error> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => ServerName::try_from(host.to_owned()).map_err(failed),
        }
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}
