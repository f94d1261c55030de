//! TLS at the doors.

use std::path::PathBuf;
use std::time::Duration;

/// Certificates and rules of TLS. All files are PEM and are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate chain, the host's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the first certificate: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
    /// Who issues client certificates, and whether callers must have one; nobody is asked for one when `None`.
    pub clients: Option<ClientCertificates>,
    /// The oldest version that is spoken.
    pub minimum: TlsVersion,
    /// Time between two looks at the files.
    pub reload_every: Duration,
}

impl TlsConfig {
    /// TLS 1.2 and 1.3, no client certificates, files looked at every second.
    #[must_use]
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        let reload_every = Duration::from_secs(1);
        Self { certificate, key, clients: None, minimum: TlsVersion::default(), reload_every }
    }
}

/// Rules for client certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities whose certificates are accepted.
    pub authorities: PathBuf,
    /// Whether a caller without a certificate is refused. One with a wrong certificate always is.
    pub required: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    V12,
    /// RFC 8446.
    V13,
}
