//! Failures of host calls and of the scorer itself.

use std::fmt;

use crate::bindings::scorer::scorehost::scoring::failures::{Failure, FailureKind};

/// What kind of failure it is; it decides the status that the caller sees.
pub type ErrorKind = FailureKind;

/// The result of everything that can fail in a scorer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure with its kind. Any `std::error::Error` converts into one of kind `Internal`: a fault of the scorer.
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// A failure of `kind`.
    pub fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }

    /// The caller sent something that can never work.
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// A fault of the scorer.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What failed, what was expected, what to do next.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn from_host(failure: Failure) -> Self {
        Self { kind: failure.kind, message: failure.message }
    }

    pub(crate) fn into_host(self) -> Failure {
        Failure { kind: self.kind, message: self.message }
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self { kind: ErrorKind::Internal, message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}
