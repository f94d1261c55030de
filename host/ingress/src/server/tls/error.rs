//! What is wrong with the files of TLS.

use std::io;
use std::path::PathBuf;

use scorehost_core::{ErrorKind, Failure};

/// Why TLS does not work with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("cannot read the {what} '{}': {cause}", path.display())]
    Read {
        /// What the file should be.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file without what it should hold.
    #[error("the {what} '{}' holds no {wanted}{}", path.display(), found.map(|found| format!(" but {found}")).unwrap_or_default())]
    Missing {
        /// What the file should be.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// What it holds instead.
        found: Option<&'static str>,
    },
    /// A private key behind a password.
    #[error("the private key '{}' is encrypted", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// A file that looks right and is not.
    #[error("the {what} '{}' is damaged: {reason}", path.display())]
    Damaged {
        /// What the file should be.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        reason: String,
    },
    /// A key of another certificate.
    #[error("the private key '{}' does not belong to the certificate '{}'", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate that is over.
    #[error("the certificate '{}' ({subject}) expired at {at}", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        subject: String,
        /// When.
        at: String,
    },
    /// A certificate that has not begun.
    #[error("the certificate '{}' ({subject}) is not valid before {from}", path.display())]
    NotYet {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        subject: String,
        /// When it begins.
        from: String,
    },
    /// Files that the protocol cannot be spoken with.
    #[error("TLS cannot be served with '{}': {reason}", path.display())]
    Unusable {
        /// The file at fault.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A certificate that could not be made.
    #[error("cannot make a self-signed certificate in '{}': {reason}", directory.display())]
    SelfSigned {
        /// Where it should be kept.
        directory: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl TlsError {
    /// What an operator does next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
                "let the user that runs the server read it".to_owned()
            }
            Self::Read { .. } => "check the path; it is relative to the folder in which the server is started".to_owned(),
            Self::Missing { found: Some("a private key"), .. } | Self::Missing { found: Some("a certificate"), .. } => {
                "are --tls-cert and --tls-key swapped?".to_owned()
            }
            Self::Missing { wanted: "private key", .. } => {
                "give a PEM file with 'BEGIN PRIVATE KEY', 'BEGIN RSA PRIVATE KEY' or 'BEGIN EC PRIVATE KEY'".to_owned()
            }
            Self::Missing { .. } => "give a PEM file with 'BEGIN CERTIFICATE'; DER becomes PEM by 'openssl x509 -inform der -in FILE -out FILE.pem'".to_owned(),
            Self::Encrypted { path } => {
                format!("the server cannot ask for a password: 'openssl pkey -in {} -out key.pem' and guard the file by its permissions", path.display())
            }
            Self::Damaged { .. } => "was the file cut off or edited? copy it again from whoever issued it".to_owned(),
            Self::Mismatch { certificate, .. } => {
                format!("'openssl x509 -noout -pubkey -in {}' must print the same as 'openssl pkey -pubout -in KEY'", certificate.display())
            }
            Self::Expired { .. } => "renew it; --tls-self-signed serves for development".to_owned(),
            Self::NotYet { .. } => "is the clock of this machine right?".to_owned(),
            Self::Unusable { .. } => "use an ECDSA P-256, P-384, Ed25519 or RSA key of 2048 bits or more".to_owned(),
            Self::SelfSigned { .. } => "check the permissions of the data directory".to_owned(),
        }
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        let kind = match &error {
            TlsError::SelfSigned { .. } => ErrorKind::Internal,
            _ => ErrorKind::InvalidInput,
        };
        Self::new(kind, error.to_string()).with_hint(error.hint())
    }
}
