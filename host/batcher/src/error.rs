//! What can go wrong between a call and its graph.

use std::time::Duration;

use scorehost_core::{ErrorKind, Failure, ModelId, SignatureError};

/// Why a call did not run, or did not return.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// The inputs or wanted outputs do not fit the model.
    #[error("model '{model}': {error}")]
    Signature {
        /// The model called.
        model: ModelId,
        /// What does not fit.
        error: SignatureError,
    },
    /// The inputs have more rows than the model's configuration allows.
    #[error("model '{model}': the request has {rows} rows, and max_batch_size of its configuration is {most}")]
    TooManyRows {
        /// The model called.
        model: ModelId,
        /// Rows of the request.
        rows: u64,
        /// Rows that one request may have.
        most: u64,
    },
    /// The graph's queue is at its bound.
    #[error("model '{model}' is overloaded: {queued} calls wait for it already")]
    QueueFull {
        /// The model called.
        model: ModelId,
        /// Calls in its queue.
        queued: usize,
    },
    /// The line is so long that the call would wait longer than it may.
    #[error("model '{model}' is overloaded: a worker would be free in about {} ms, and calls wait at most {} ms", expected.as_millis(), limit.as_millis())]
    LongQueue {
        /// The model called.
        model: ModelId,
        /// The wait that is expected.
        expected: Duration,
        /// The longest wait.
        limit: Duration,
    },
    /// The call would end after its deadline.
    #[error("model '{model}' is overloaded: an answer would take about {} ms, and the call has {} ms left", expected.as_millis(), left.as_millis())]
    Hopeless {
        /// The model called.
        model: ModelId,
        /// Wait and run together, as expected.
        expected: Duration,
        /// Time to the deadline.
        left: Duration,
    },
    /// The call waited as long as it may.
    #[error("model '{model}' is overloaded: the call waited {} ms for a worker", waited.as_millis())]
    QueueWait {
        /// The model called.
        model: ModelId,
        /// The longest wait.
        waited: Duration,
    },
    /// The deadline passed before the graph was done.
    #[error("the deadline passed before model '{model}' answered")]
    Deadline {
        /// The model called.
        model: ModelId,
    },
    /// The worker threads could not be started.
    #[error("the worker threads for models did not start: {0}")]
    Workers(String),
}

impl From<DispatchError> for Failure {
    fn from(error: DispatchError) -> Self {
        let kind = match &error {
            DispatchError::Signature { .. } | DispatchError::TooManyRows { .. } => ErrorKind::InvalidInput,
            DispatchError::QueueFull { .. }
            | DispatchError::QueueWait { .. }
            | DispatchError::LongQueue { .. }
            | DispatchError::Hopeless { .. } => ErrorKind::Overloaded,
            DispatchError::Deadline { .. } => ErrorKind::Deadline,
            DispatchError::Workers(_) => return Self::internal(error),
        };
        Self::new(kind, error.to_string())
    }
}
