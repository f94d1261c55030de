//! A certificate authority of a test, its certificates on disk, and clients that trust it.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use scorehost_ingress::{ClientCertificates, IngressConfig, TlsConfig};
use tempfile::TempDir;

pub(super) const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// An authority and the folder with what it issued.
pub(super) struct Authority {
    pub(super) folder: TempDir,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub(super) struct Issued {
    certificate: String,
    key: String,
}

impl Authority {
    /// An authority that has issued a certificate for `localhost` as `cert.pem` and `key.pem`.
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let authority = Self { folder: tempfile::tempdir().unwrap(), pem, issuer: Issuer::new(params, key) };
        std::fs::write(authority.path("ca.pem"), &authority.pem).unwrap();
        authority.renew();
        authority
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn issue(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Issued { certificate: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    /// Puts a new certificate into the place of the old one; returns it.
    pub(super) fn renew(&self) -> CertificateDer<'static> {
        let issued = self.issue("localhost");
        std::fs::write(self.path("cert.pem"), &issued.certificate).unwrap();
        std::fs::write(self.path("key.pem"), &issued.key).unwrap();
        CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()
    }

    pub(super) fn config(&self) -> TlsConfig {
        let reload_every = Duration::from_millis(5);
        TlsConfig { reload_every, ..TlsConfig::new(self.path("cert.pem"), self.path("key.pem")) }
    }

    pub(super) fn server(&self) -> crate::fakes::Server {
        self.server_with(|_| {})
    }

    pub(super) fn server_with(&self, adjust: impl FnOnce(&mut IngressConfig)) -> crate::fakes::Server {
        crate::fakes::Server::with(|config| {
            config.tls = Some(self.config());
            adjust(config);
        })
    }

    /// A server that asks its callers for certificates of this authority.
    pub(super) fn server_for_known_callers(&self, required: bool) -> crate::fakes::Server {
        let clients = Some(ClientCertificates { authorities: self.path("ca.pem"), required });
        self.server_with(|config| config.tls = Some(TlsConfig { clients, ..self.config() }))
    }

    /// A client's settings.
    pub(super) fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
        identity: Option<Issued>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A client of both versions that leaves the protocol open.
    pub(super) fn any_client(&self) -> Arc<ClientConfig> {
        self.client(BOTH, &[], None)
    }
}

pub(super) type Secured = StreamOwned<ClientConnection, TcpStream>;

/// Shakes hands; the error of the handshake, or of the first read after it, is the caller's.
pub(super) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Secured> {
    let mut tcp = TcpStream::connect(address)?;
    // Only so that a broken test fails instead of hanging.
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(connection, tcp))
}
