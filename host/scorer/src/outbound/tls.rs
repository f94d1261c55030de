//! Encryption of outgoing connections: TLS 1.2 and 1.3, certificates checked against the machine's authorities.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::rules::Target;

/// Encrypts connections. The authorities are read when the first connection needs them.
pub(crate) struct Tls {
    extra_roots: Vec<Vec<u8>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    pub(crate) fn new(extra_roots: Vec<Vec<u8>>) -> Self {
        Self { extra_roots, config: OnceLock::new() }
    }

    /// Encrypts `stream` and checks that its other end is the target.
    pub(crate) async fn connect(&self, target: &Target, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = match target.address {
            Some(address) => ServerName::from(address),
            None => ServerName::try_from(target.host.clone())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?,
        };
        TlsConnector::from(self.config()?).connect(name, stream).await
    }

    fn config(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "certificate authorities of this machine could not be read");
        }
        roots.add_parsable_certificates(found.certs);
        roots.add_parsable_certificates(self.extra_roots.iter().map(|root| CertificateDer::from(root.clone())));
        if roots.is_empty() {
            tracing::warn!("no certificate authorities on this machine: scorers cannot call https addresses");
        }
        roots
    }
}
