//! What keeps the doors from opening.

use std::io;
use std::net::SocketAddr;

use scorehost_core::{ErrorKind, Failure};

use crate::TlsError;

/// Why the doors do not open.
#[derive(Debug, thiserror::Error)]
pub enum IngressError {
    /// A limit that would refuse everything.
    #[error("limit '{0}' is 0, which would refuse every request")]
    ZeroLimit(&'static str),
    /// A header limit below what a request needs.
    #[error("limit 'header_bytes' is {0}; the smallest is 8192")]
    HeaderLimit(usize),
    /// TLS does not work with the files given.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system refuses the address.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Address asked for.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The system refuses a thread or its event queue.
    #[error("cannot start an acceptor thread: {0}")]
    Thread(io::Error),
    /// An acceptor thread ended by a panic.
    #[error("an acceptor thread ended by a panic")]
    Panic,
}

impl From<IngressError> for Failure {
    fn from(error: IngressError) -> Self {
        let kind = match error {
            IngressError::Tls(error) => return error.into(),
            IngressError::ZeroLimit(_) | IngressError::HeaderLimit(_) => ErrorKind::InvalidInput,
            IngressError::Listen { .. } => ErrorKind::Unavailable,
            IngressError::Thread(_) | IngressError::Panic => ErrorKind::Internal,
        };
        let failure = Self::new(kind, error.to_string());
        match error {
            IngressError::Listen { .. } => failure.with_hint("choose another port, or 0 for any free one"),
            _ => failure,
        }
    }
}
