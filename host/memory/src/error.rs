//! Why a graph is not in memory.

use std::time::Duration;

use scorehost_core::{ErrorKind, Failure, ModelId};

/// Why a graph was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// It is larger than what may ever be free for it.
    #[error("model '{model}' takes {} of memory when it is loaded, and the budget for models is {}{}", bytes(*.size), bytes(*.budget), of_pinned(*.pinned))]
    TooLarge {
        /// The model.
        model: ModelId,
        /// Bytes that it takes.
        size: u64,
        /// Bytes that all loaded models may take.
        budget: u64,
        /// Bytes that pinned models take of it for ever.
        pinned: u64,
    },
    /// The models that are to stay loaded do not fit together.
    #[error("model '{model}' cannot be pinned: it takes {}, pinned models take {} already, and the budget for models is {}", bytes(*.size), bytes(*.pinned), bytes(*.budget))]
    PinnedTooMuch {
        /// The model.
        model: ModelId,
        /// Bytes that it takes.
        size: u64,
        /// Bytes of the others.
        pinned: u64,
        /// Bytes that all loaded models may take.
        budget: u64,
    },
    /// Everything that is loaded is in use.
    #[error("model '{model}' cannot be loaded now: all {} of the memory for models was in use for {} ms", bytes(*.budget), waited.as_millis())]
    InUse {
        /// The model.
        model: ModelId,
        /// Bytes that all loaded models may take.
        budget: u64,
        /// How long room was waited for.
        waited: Duration,
    },
    /// The deadline passed while the model was loaded.
    #[error("the deadline passed while model '{model}' was loaded into memory")]
    Deadline {
        /// The model.
        model: ModelId,
    },
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Self {
        let (kind, hint) = match &error {
            MemoryError::TooLarge { .. } => (
                ErrorKind::TooLarge,
                "start the host with a larger --model-memory, or deploy the model to a larger host",
            ),
            MemoryError::PinnedTooMuch { .. } => (
                ErrorKind::TooLarge,
                "pin fewer models (scorehost.modelMemory.pin), or start the host with a larger --model-memory",
            ),
            MemoryError::InUse { .. } => {
                (ErrorKind::Overloaded, "try again later; more --model-memory lets more models run at once")
            }
            MemoryError::Deadline { .. } => (
                ErrorKind::Deadline,
                "the model is loaded soon: try again; scorehost.modelMemory.pin keeps a model loaded",
            ),
        };
        Self::new(kind, error.to_string()).with_hint(hint)
    }
}

fn of_pinned(pinned: u64) -> String {
    if pinned == 0 { String::new() } else { format!(", of which pinned models hold {}", bytes(pinned)) }
}

/// A number of bytes for people.
fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", count as f64 / *size as f64),
        None => format!("{count} bytes"),
    }
}
