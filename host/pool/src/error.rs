//! Why a pool lends nothing.

use std::time::Duration;

use scorehost_core::{ErrorKind, Failure};

/// Why no replica was lent.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PoolError {
    /// As many callers wait as may.
    #[error("{queued} requests wait for a replica already")]
    QueueFull {
        /// Callers waiting.
        queued: usize,
    },
    /// The line is so long that the caller would wait longer than it may.
    #[error("a replica would be free in about {} ms, and requests wait at most {} ms", expected.as_millis(), limit.as_millis())]
    LongQueue {
        /// The wait that is expected.
        expected: Duration,
        /// The longest wait.
        limit: Duration,
    },
    /// The call would end after its deadline.
    #[error("an answer would take about {} ms, and the request has {} ms left", expected.as_millis(), left.as_millis())]
    Hopeless {
        /// Wait and call together, as expected.
        expected: Duration,
        /// Time to the deadline.
        left: Duration,
    },
    /// No replica became free in the longest time a caller may wait.
    #[error("no replica became free within {} ms", waited.as_millis())]
    QueueWait {
        /// How long the caller waited.
        waited: Duration,
    },
    /// The caller's deadline passed before a replica became free.
    #[error("the deadline passed before a replica became free")]
    Deadline,
    /// There is no replica, and none can be made.
    #[error("no replica can be made ready: {cause}")]
    Create {
        /// Why the last creation failed.
        cause: Failure,
    },
}

impl PoolError {
    /// The class of failure that it is for the caller.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::QueueFull { .. } | Self::QueueWait { .. } | Self::LongQueue { .. } | Self::Hopeless { .. } => {
                ErrorKind::Overloaded
            }
            Self::Deadline => ErrorKind::Deadline,
            Self::Create { .. } => ErrorKind::Unavailable,
        }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        let failure = Self::new(error.kind(), error.to_string());
        match error {
            PoolError::Create { cause: Failure { detail: Some(detail), .. } } => failure.with_detail(detail),
            _ => failure,
        }
    }
}
