//! What a service's caller is told when it is not answered.

use std::time::Duration;

use scorehost_core::{ErrorKind, Failure, ServiceName, SignatureError};
use scorehost_pool::PoolError;

/// Why a service did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RouteError {
    /// As many requests are being handled as may.
    #[error("service '{service}' is overloaded: {in_flight} requests are being handled already")]
    TooMany {
        /// The service.
        service: ServiceName,
        /// Requests being handled.
        in_flight: usize,
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
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::TooMany { .. } | Self::Model { .. } => ErrorKind::Overloaded,
            Self::Pool { error, .. } => error.kind(),
            Self::Deadline { .. } | Self::Timeout { .. } => ErrorKind::Deadline,
            Self::Signature { .. } => ErrorKind::InvalidInput,
            Self::NoOutput { .. } => ErrorKind::ScorerFault,
            Self::NotTensors { .. } | Self::NotBody { .. } => ErrorKind::Unsupported,
        }
    }
}

impl From<RouteError> for Failure {
    fn from(error: RouteError) -> Self {
        let failure = Self::new(error.kind(), error.to_string());
        match error {
            RouteError::NotTensors { .. } => failure.with_hint("send the body to the service's scoring URI"),
            RouteError::NotBody { .. } => failure.with_hint("send an inference request of the Open Inference Protocol"),
            RouteError::Pool { error: PoolError::Create { cause }, .. } => match cause.detail {
                Some(detail) => failure.with_detail(detail),
                None => failure,
            },
            _ => failure,
        }
    }
}
