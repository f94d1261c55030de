//! Why a device is missing, or does not load or run a model.

use std::path::PathBuf;

use scorehost_core::{DType, ErrorKind, Failure, TensorError};
use scorehost_graph::GraphError;

/// Why a device is missing, or does not load or run a model.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// A library that was asked for by path is not there.
    #[error("there is no ONNX Runtime library at {path} (from {origin})")]
    LibraryMissing {
        /// Where it should be.
        path: PathBuf,
        /// Who says so.
        origin: &'static str,
    },
    /// No library in any of the usual places.
    #[error("no ONNX Runtime library found; looked for {}", list(.0))]
    LibraryNotFound(Vec<PathBuf>),
    /// A file that is not a usable ONNX Runtime library.
    #[error("the ONNX Runtime library cannot be used: {0}")]
    Library(String),
    /// The model file cannot be read.
    #[error("cannot read the model file: {0}")]
    Read(std::io::Error),
    /// The model is unsound.
    #[error(transparent)]
    Model(#[from] GraphError),
    /// The device refuses the model.
    #[error("{device} refuses the model: {message}")]
    Refused {
        /// The device.
        device: &'static str,
        /// What it says, without paths of the host.
        message: String,
    },
    /// The model uses operators that the device has not.
    #[error("{device} has no implementation of {}", .operators.join(", "))]
    Operators {
        /// The device.
        device: &'static str,
        /// Domain, name and operator set version of each.
        operators: Vec<String>,
    },
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
    /// The graph cannot compute with inputs of these shapes or values.
    #[error("the model cannot run with these inputs: {0}")]
    Run(String),
    /// The run was told to stop because its time was up.
    #[error("the deadline passed while the model ran, and the run was stopped")]
    Stopped,
    /// The device has no memory left.
    #[error("the device has not enough memory for this call")]
    Memory(String),
    /// The device failed for a reason that is not the caller's.
    #[error("the device failed: {0}")]
    Device(String),
    /// The device returned something that is no tensor.
    #[error("the device returned an invalid tensor: {0}")]
    Output(#[from] TensorError),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Model(error) => error.into(),
            DeviceError::Operators { .. } => Self::new(ErrorKind::Unsupported, error.to_string()).with_hint(
                "install ONNX Runtime and set ORT_DYLIB_PATH to its shared library; \
                     docs/reference/operators.md lists what each device has",
            ),
            DeviceError::Refused { .. }
            | DeviceError::Inputs { .. }
            | DeviceError::InputType { .. }
            | DeviceError::Run(_) => Self::invalid(error.to_string()),
            DeviceError::Memory(detail) => {
                Self::new(ErrorKind::Unavailable, "the device has not enough memory for this call").with_detail(detail)
            }
            DeviceError::Stopped => Self::new(ErrorKind::Deadline, error.to_string()),
            DeviceError::LibraryMissing { .. } | DeviceError::LibraryNotFound(_) | DeviceError::Library(_) => {
                Self::new(ErrorKind::Unavailable, "ONNX Runtime is not available on this host")
                    .with_detail(error.to_string())
            }
            DeviceError::Read(_) | DeviceError::Device(_) | DeviceError::Output(_) => Self::internal(error),
        }
    }
}
