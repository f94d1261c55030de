//! TLS from the caller's side: whom it trusts, who it is, and what a failed handshake means.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, InvalidMessage, RootCertStore};
use scorehost_core::{ErrorKind, Failure};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// Files with which a client speaks TLS; all PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// Authorities to trust, or the server's own self-signed certificate. The system's and then Mozilla's authorities
    /// where it is `None`.
    pub authorities: Option<PathBuf>,
    /// The client's certificate chain and its private key, for a server that asks who is calling.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl ClientTls {
    /// The certificate (DER) that a server shows to callers of `host`, where these files make it trusted.
    ///
    /// # Errors
    /// Why it is not, or why there is no handshake.
    pub fn server_certificate(&self, host: &str, address: SocketAddr, within: Duration) -> Result<Vec<u8>, Failure> {
        let base = format!("https://{host}");
        let roots = match &self.authorities {
            Some(path) => certificates(path)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(|error| refused(&base, &error))?;
        let config = config.with_root_certificates(store).with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(Failure::internal)?;
        let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|error| refused(&base, &error))?;
        let broken = |error: std::io::Error| match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => refused(&base, error),
            None => Failure::new(ErrorKind::Unavailable, format!("no secure connection to {base}: {error}")),
        };
        let mut tcp = TcpStream::connect_timeout(&address, within).map_err(broken)?;
        tcp.set_read_timeout(Some(within)).and_then(|()| tcp.set_write_timeout(Some(within))).map_err(broken)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp).map_err(broken)?;
        }
        let shown = connection.peer_certificates().and_then(<[_]>::first);
        shown
            .map(|der| der.to_vec())
            .ok_or_else(|| Failure::new(ErrorKind::Unavailable, "the server shows no certificate"))
    }

    pub(super) fn config(&self) -> Result<TlsConfig, Failure> {
        let identity = self.identity.as_ref().map(|(certificate, key)| identity(certificate, key)).transpose()?;
        let roots = match &self.authorities {
            Some(path) => RootCerts::from(owned(certificates(path)?)),
            None => system_roots(),
        };
        let provider = Arc::new(ring::default_provider());
        let builder = TlsConfig::builder().root_certs(roots).client_cert(identity);
        Ok(builder.unversioned_rustls_crypto_provider(provider).build())
    }
}

/// The authorities of this system; Mozilla's where it has none.
fn system_roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() { RootCerts::WebPki } else { RootCerts::from(owned(found)) }
}

fn owned(certificates: Vec<CertificateDer<'static>>) -> Vec<Certificate<'static>> {
    certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(unusable(path, "it holds no certificate in PEM form")),
        Err(error) => Err(unusable(path, &error.to_string())),
    }
}

fn identity(certificate: &Path, key: &Path) -> Result<ClientCert, Failure> {
    let chain = certificates(certificate)?;
    let content = read(key)?;
    let parsed = PrivateKeyDer::from_pem_slice(&content);
    let parsed = parsed.map_err(|error| unusable(key, &format!("no private key in PEM form: {error}")))?;
    // ureq takes any pair and panics in its first handshake where they do not belong together.
    CertifiedKey::from_der(chain.clone(), parsed, &ring::default_provider())
        .map_err(|error| unusable(key, &format!("not the key of '{}': {error}", certificate.display())))?;
    let key = PrivateKey::from_pem(&content).map_err(|error| unusable(key, &error.to_string()))?;
    Ok(ClientCert::new_with_certs(&owned(chain), key))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| unusable(path, &error.to_string()))
}

fn unusable(path: &Path, reason: &str) -> Failure {
    Failure::invalid(format!("cannot use '{}': {reason}", path.display()))
        .with_hint("give PEM files with --ca, --client-cert and --client-key")
}

/// What a failed handshake with the server at `base` means; `None` where TLS is not what failed.
pub(super) fn broken(base: &str, error: &ureq::Error) -> Option<Failure> {
    let error = match error {
        ureq::Error::Rustls(error) => error,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref::<rustls::Error>()?,
        _ => return None,
    };
    Some(refused(base, error))
}

fn refused(base: &str, error: &rustls::Error) -> Failure {
    let failure = Failure::new(ErrorKind::Unavailable, format!("no secure connection to {base}: {error}"));
    match hint(error) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn hint(error: &rustls::Error) -> Option<&'static str> {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage as Message};

    Some(match error {
        InvalidCertificate(CertificateError::UnknownIssuer) => {
            "trust the authority with --ca FILE or SCOREHOST_CA; the certificate of 'serve --tls-self-signed' is tls/self-signed-cert.pem in its data directory"
        }
        InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            "call the server by a name that its certificate has"
        }
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "renew the server's certificate; it is taken over without a restart"
        }
        InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "compare the clocks of this machine and of the server"
        }
        Message(InvalidMessage::InvalidContentType) => "does the server speak plain HTTP? use http://",
        AlertReceived(AlertDescription::CertificateRequired) => {
            "the server asks for a client certificate: give --client-cert and --client-key"
        }
        AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateExpired,
        ) => {
            "the server does not accept the client certificate: it must be issued by an authority of its --tls-client-ca"
        }
        _ => return None,
    })
}
