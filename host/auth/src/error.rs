//! What keeps authentication from starting, and what management of credentials refuses.

use std::io;
use std::path::PathBuf;

use scorehost_core::{ErrorKind, Failure};

/// Why something was not done. Requests that are refused have a [`Failure`] of their own.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A file could not be used.
    #[error("could not {action} '{}': {cause}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file is not what this version wrote.
    #[error("'{}' cannot be read: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A setting outside its range.
    #[error("{name} is {value}, expected {expected}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What was given.
        value: u64,
        /// The range.
        expected: &'static str,
    },
    /// An issuer that cannot be used.
    #[error("issuer '{given}': {reason}")]
    Issuer {
        /// As it was given.
        given: String,
        /// Why not.
        reason: String,
    },
    /// A name outside the rule.
    #[error("credential name '{0}' must be 1-64 characters of A-Z, a-z, 0-9, '-', '_', '.' and '@'")]
    CredentialName(String),
    /// A name that is taken.
    #[error("there is a credential '{0}' already")]
    CredentialExists(String),
    /// A name that does not exist.
    #[error("there is no credential '{name}'; there are: {known}")]
    NoCredential {
        /// Name asked for.
        name: String,
        /// Names there are.
        known: String,
    },
    /// A credential that lives as long as the process or a file does.
    #[error("credential '{name}' cannot be revoked here: {reason}")]
    NotRevocable {
        /// Which.
        name: String,
        /// What it belongs to.
        reason: &'static str,
    },
    /// More credentials than fit.
    #[error("there are {limit} credentials already, which is the limit")]
    TooManyCredentials {
        /// The bound.
        limit: usize,
    },
    /// A role that is none.
    #[error("role '{0}' is none of reader, deployer, admin")]
    Role(String),
    /// The file of an administrator's credential holds something else.
    #[error("'{}' holds no credential: {reason}", path.display())]
    AdminToken {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// The system gave no random numbers.
    #[error("the system gave no random numbers: {reason}")]
    Entropy {
        /// What it said.
        reason: String,
    },
    /// A token could not be signed, or a key not be made.
    #[error("could not sign: {reason}")]
    Signing {
        /// What the library said.
        reason: String,
    },
}

impl AuthError {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Setting { .. }
            | Self::Issuer { .. }
            | Self::CredentialName(_)
            | Self::Role(_)
            | Self::NotRevocable { .. }
            | Self::AdminToken { .. } => ErrorKind::InvalidInput,
            Self::CredentialExists(_) => ErrorKind::Conflict,
            Self::NoCredential { .. } => ErrorKind::NotFound,
            Self::TooManyCredentials { .. } => ErrorKind::TooLarge,
            Self::File { .. } | Self::Damaged { .. } => ErrorKind::Unavailable,
            Self::Entropy { .. } | Self::Signing { .. } => ErrorKind::Internal,
        }
    }

    const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Issuer { .. } => {
                "give URL[,AUDIENCE…][,jwks=URL], such as https://login.example/tenant,api://scoring"
            }
            Self::CredentialExists(_) => "choose another name, or revoke it first: scorehost credential revoke NAME",
            Self::TooManyCredentials { .. } => "revoke one: scorehost credential list",
            Self::Damaged { .. } => {
                "restore it from a backup; without it all credentials are forgotten and a new administrator is made"
            }
            Self::AdminToken { .. } => "make one with: head -c 32 /dev/urandom | base64 > FILE",
            Self::File { .. } => "the folder must belong to the user that runs the server",
            _ => return None,
        })
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let failure = Self::new(error.kind(), error.to_string());
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
