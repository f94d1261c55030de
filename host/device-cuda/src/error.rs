//! Why there is no CUDA device, or why it does not load or run a model.

use scorehost_core::{DType, ErrorKind, Failure, TensorError};
use scorehost_graph::GraphError;
use scorehost_plan::PlanError;

/// Why there is no CUDA device, or why it does not load or run a model.
#[derive(Debug, thiserror::Error)]
pub enum CudaError {
    /// A library that the device needs cannot be opened.
    #[error("{library} cannot be opened: {needed}")]
    Library {
        /// Name of the library.
        library: &'static str,
        /// What brings it.
        needed: &'static str,
    },
    /// The driver is here and finds no device.
    #[error("NVIDIA's driver is installed and finds no GPU")]
    NoDevice,
    /// A call of the driver or a library failed.
    #[error("{call} failed: {reason}")]
    Call {
        /// What was called.
        call: &'static str,
        /// What it says.
        reason: String,
    },
    /// An earlier call broke the device's context; nothing runs on it any more.
    #[error("GPU {ordinal} is lost: {reason}")]
    Lost {
        /// Number of the device.
        ordinal: usize,
        /// What broke it.
        reason: String,
    },
    /// The device's memory, or the part of it that may be used, is full.
    #[error("{wanted} bytes do not fit GPU {ordinal}: {used} of {limit} are in use")]
    Memory {
        /// Number of the device.
        ordinal: usize,
        /// Bytes asked for.
        wanted: u64,
        /// Bytes in use.
        used: u64,
        /// Bytes that may be used.
        limit: u64,
    },
    /// All execution contexts of a graph stayed busy.
    #[error("all {contexts} executions of the model on GPU {ordinal} are busy")]
    Busy {
        /// Number of the device.
        ordinal: usize,
        /// Executions at a time.
        contexts: usize,
    },
    /// Generated code that does not compile.
    #[error("kernel {entry} does not compile for sm_{architecture}: {log}")]
    Compile {
        /// Name of the kernel.
        entry: &'static str,
        /// Compute capability.
        architecture: u32,
        /// What the compiler says.
        log: String,
    },
    /// Operators without a kernel.
    #[error("the CUDA device has no implementation of {}", .0.join(", "))]
    Operators(Vec<String>),
    /// A graph that has no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Inputs other than the signature's.
    #[error("the model takes the inputs [{expected}], got [{actual}]")]
    Inputs {
        /// Names in the signature.
        expected: String,
        /// Names given.
        actual: String,
    },
    /// An input of another dtype.
    #[error("input '{name}' must be {expected}, got {actual}")]
    InputType {
        /// The input.
        name: String,
        /// The signature's dtype.
        expected: DType,
        /// The dtype given.
        actual: DType,
    },
    /// Bytes beyond the end of a value that stays on the device.
    #[error("{bytes} bytes from {offset} on are not within {length}")]
    Range {
        /// First byte.
        offset: u64,
        /// Bytes asked for.
        bytes: u64,
        /// Bytes there are.
        length: u64,
    },
    /// The model is unsound.
    #[error(transparent)]
    Model(#[from] GraphError),
    /// The device returned something that is no tensor.
    #[error("the device returned an invalid tensor: {0}")]
    Output(#[from] TensorError),
}

impl From<CudaError> for Failure {
    fn from(error: CudaError) -> Self {
        match error {
            CudaError::Model(error) => error.into(),
            CudaError::Operators(_) => Self::new(ErrorKind::Unsupported, error.to_string())
                .with_hint("start the host with --cpu-fallback, which lets the CPU take such models"),
            CudaError::Plan(error) => error.into(),
            CudaError::Inputs { .. } | CudaError::InputType { .. } => Self::invalid(error.to_string()),
            CudaError::Memory { .. } | CudaError::Busy { .. } => {
                Self::new(ErrorKind::Overloaded, "the GPU has not enough room for this call")
                    .with_detail(error.to_string())
            }
            CudaError::Library { .. } | CudaError::NoDevice | CudaError::Lost { .. } => {
                Self::new(ErrorKind::Unavailable, error.to_string())
            }
            CudaError::Call { .. } | CudaError::Compile { .. } | CudaError::Range { .. } | CudaError::Output(_) => {
                Self::internal(error)
            }
        }
    }
}
