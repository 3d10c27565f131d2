//! TLS by rustls: whom a side trusts, and who it is.
//!
//! Certificates and keys are PEM. The crypto provider is ring; TLS 1.2 and 1.3 are spoken.
#[cfg(feature = "tokio")]
use std::sync::{PoisonError, RwLock};
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

/// A PEM text, and the file that it comes from.
#[derive(Clone, Copy)]
struct Pem<'a> {
    text: &'a [u8],
    path: Option<&'a Path>,
}

impl<'a> Pem<'a> {
    const fn text(text: &'a [u8]) -> Self {
        Self { text, path: None }
    }

    const fn file(path: &'a Path, text: &'a [u8]) -> Self {
        Self { text, path: Some(path) }
    }

    /// What is wrong, and where.
    fn failed(self, what: &str, error: impl fmt::Display) -> Error {
        match self.path {
            Some(path) => failed(format!("{what} in {}: {error}", path.display())),
            None => failed(format!("{what}: {error}")),
        }
    }

    /// All certificates; none is an error.
    fn certificates(self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.text).collect();
        let found = found.map_err(|error| self.failed("certificate not read", error))?;
        if found.is_empty() {
            return Err(self.failed("certificate not read", "there is none"));
        }
        Ok(found)
    }

    /// The certificates as authorities to trust.
    fn roots(self) -> Result<RootCertStore, Error> {
        let mut store = RootCertStore::empty();
        for certificate in self.certificates()? {
            store.add(certificate).map_err(|error| self.failed("authority not usable", error))?;
        }
        Ok(store)
    }

    fn key(self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(self.text).map_err(|error| self.failed("private key not read", error))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| {
        let text = format!("{}: {error}", path.display());
        Error::io(ErrorKind::Tls, io::Error::new(error.kind(), text))
    })
}

/// The TLS side of a listener. A clone is the same one: what replaces the certificate of one does so for both.
#[cfg(feature = "tokio")]
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<RwLock<Arc<ServerConfig>>>,
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
        Self::new(Pem::text(certificate), Pem::text(key), client_ca.map(Pem::text))
    }

    /// The same from files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`], also if a file cannot be read; the source names the file.
    pub fn from_files(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, Error> {
        let ca = client_ca.map(read).transpose()?;
        let ca = client_ca.zip(ca.as_deref()).map(|(path, text)| Pem::file(path, text));
        Self::new(Pem::file(certificate, &read(certificate)?), Pem::file(key, &read(key)?), ca)
    }

    fn new(certificate: Pem<'_>, key: Pem<'_>, client_ca: Option<Pem<'_>>) -> Result<Self, Error> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(pem.roots()?), provider)
                    .build()
                    .map_err(|error| pem.failed("authority not usable", error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder
            .with_single_cert(certificate.certificates()?, key.key()?)
            .map_err(|error| key.failed("private key does not suit its certificate", error))?;
        Ok(Self::from_config(Arc::new(config)))
    }

    /// A server with a rustls configuration of the caller's own.
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self { config: Arc::new(RwLock::new(config)) }
    }

    /// Takes what another one has, for connections that are made from now on: a certificate that was renewed needs no
    /// new listener.
    pub fn replace(&self, other: &Self) {
        let fresh = other.current();
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// The TLS side of a connection that was accepted.
    ///
    /// # Errors
    ///
    /// What the handshake ended with.
    pub async fn accept<S>(&self, stream: S) -> io::Result<tokio_rustls::server::TlsStream<S>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        tokio_rustls::TlsAcceptor::from(self.current()).accept(stream).await
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
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
        let identity = identity.map(|(certificate, key)| (Pem::text(certificate), Pem::text(key)));
        Self::new(Pem::text(ca), identity)
    }

    /// The same from files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`], also if a file cannot be read; the source names the file.
    pub fn from_files(ca: &Path, identity: Option<(&Path, &Path)>) -> Result<Self, Error> {
        let authority = read(ca)?;
        let texts = match identity {
            Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
            None => None,
        };
        let identity = identity
            .zip(texts.as_ref())
            .map(|((certificate, key), texts)| (Pem::file(certificate, &texts.0), Pem::file(key, &texts.1)));
        Self::new(Pem::file(ca, &authority), identity)
    }

    fn new(ca: Pem<'_>, identity: Option<(Pem<'_>, Pem<'_>)>) -> Result<Self, Error> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(ca.roots()?);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificate.certificates()?, key.key()?)
                .map_err(|error| key.failed("private key does not suit its certificate", error))?,
        };
        Ok(Self { config: Arc::new(config), server_name: None })
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
