//! What a service's caller is told when it is not answered.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{ErrorKind, Failure, ServiceName, SignatureError};
use scorehost_pool::PoolError;

/// Why a service did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RouteError {
    /// Nothing of that name is deployed.
    #[error("no service named '{service}' is deployed")]
    NoService {
        /// The name asked for, at most 64 characters of it.
        service: String,
    },
    /// The service has no such version.
    #[error("service '{service}' has no version '{version}'; it has: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NoVersion {
        /// The service.
        service: ServiceName,
        /// The version asked for, at most 64 characters of it.
        version: String,
        /// Its live versions.
        known: Vec<Arc<str>>,
    },
    /// The version that is to answer does not run (yet).
    #[error("service '{service}' cannot answer: its version '{version}' is not ready")]
    NotReady {
        /// The service.
        service: ServiceName,
        /// The version.
        version: Arc<str>,
    },
    /// As many requests are being handled as may.
    #[error("service '{service}' is overloaded: {in_flight} requests are being handled already")]
    TooMany {
        /// The service.
        service: ServiceName,
        /// Requests being handled.
        in_flight: usize,
    },
    /// More requests came than may come in a second.
    #[error("service '{service}' takes {limit} requests per second")]
    TooFast {
        /// The service.
        service: ServiceName,
        /// Its limit.
        limit: f64,
        /// When the next may come.
        after: Duration,
    },
    /// The call would end after its deadline, so it is not begun.
    #[error("service '{service}' is overloaded: it cannot answer before the request's deadline any more")]
    Hopeless {
        /// The service.
        service: ServiceName,
    },
    /// No replica was lent.
    #[error("service '{service}' {}: {error}", if error.kind() == ErrorKind::Overloaded { "is overloaded" } else { "cannot answer" })]
    Pool {
        /// The service.
        service: ServiceName,
        /// Why.
        error: PoolError,
    },
    /// The model's queue is full.
    #[error("service '{service}' is overloaded: {failure}")]
    Model {
        /// The service.
        service: ServiceName,
        /// What the model said.
        failure: Failure,
    },
    /// The caller's deadline passed.
    #[error("the deadline of the request to service '{service}' passed")]
    Deadline {
        /// The service.
        service: ServiceName,
    },
    /// The service's own limit passed.
    #[error("service '{service}' did not answer within its scoring timeout of {} ms", timeout.as_millis())]
    Timeout {
        /// The service.
        service: ServiceName,
        /// The limit.
        timeout: Duration,
    },
    /// Inputs or wanted outputs that do not fit what the scorer declares.
    #[error("service '{service}': {error}")]
    Signature {
        /// The service.
        service: ServiceName,
        /// What does not fit.
        error: SignatureError,
    },
    /// The scorer did not return an output that it declares.
    #[error("the scorer of service '{service}' did not return its output '{output}'")]
    NoOutput {
        /// The service.
        service: ServiceName,
        /// The output wanted.
        output: String,
    },
    /// Tensors for a service that takes bodies.
    #[error("service '{service}' runs an entry script, which takes a request body, not tensors")]
    NotTensors {
        /// The service.
        service: ServiceName,
    },
    /// A body for a service that takes tensors.
    #[error("service '{service}' takes tensors, not a request body")]
    NotBody {
        /// The service.
        service: ServiceName,
    },
}

impl RouteError {
    pub(crate) fn no_service(name: &str) -> Self {
        Self::NoService { service: shown(name) }
    }

    pub(crate) fn no_version(service: &ServiceName, version: &str, known: Vec<Arc<str>>) -> Self {
        Self::NoVersion { service: service.clone(), version: shown(version), known }
    }

    const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoService { .. } | Self::NoVersion { .. } => ErrorKind::NotFound,
            Self::NotReady { .. } => ErrorKind::Unavailable,
            Self::TooMany { .. } | Self::Model { .. } | Self::TooFast { .. } | Self::Hopeless { .. } => {
                ErrorKind::Overloaded
            }
            Self::Pool { error, .. } => error.kind(),
            Self::Deadline { .. } | Self::Timeout { .. } => ErrorKind::Deadline,
            Self::Signature { .. } => ErrorKind::InvalidInput,
            Self::NoOutput { .. } => ErrorKind::ScorerFault,
            Self::NotTensors { .. } | Self::NotBody { .. } => ErrorKind::Unsupported,
        }
    }
}

/// A name as a message shows it: names may come from anywhere and be of any length.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

impl From<RouteError> for Failure {
    fn from(error: RouteError) -> Self {
        let failure = Self::new(error.kind(), error.to_string());
        match error {
            RouteError::NotTensors { .. } => failure.with_hint("send the body to the service's scoring URI"),
            RouteError::NotBody { .. } => failure.with_hint("send an inference request of the Open Inference Protocol"),
            RouteError::TooFast { after, .. } => failure.with_retry_after(after),
            RouteError::Pool { error: PoolError::Create { cause }, .. } => match cause.detail {
                Some(detail) => failure.with_detail(detail),
                None => failure,
            },
            _ => failure,
        }
    }
}
