//! What is wrong with an operation or its inputs.

use scorehost_core::{DType, Described, ErrorKind, Failure, TensorError};

/// Why an operation has no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OperationError {
    /// Another element type is needed.
    #[error("{operation}: elements are {dtype}, expected {expected}")]
    DType {
        /// Name of the operation.
        operation: &'static str,
        /// The dtype found.
        dtype: DType,
        /// Those that work.
        expected: &'static str,
    },
    /// Another shape is needed.
    #[error("{operation}: shape {shape:?}, expected {expected}")]
    Shape {
        /// Name of the operation.
        operation: &'static str,
        /// The shape found.
        shape: Vec<u64>,
        /// What works.
        expected: &'static str,
    },
    /// Two inputs do not go together.
    #[error("{operation}: {left_dtype} {left:?} and {right_dtype} {right:?} do not go together: {rule}")]
    Mismatch {
        /// Name of the operation.
        operation: &'static str,
        /// Dtype of the one.
        left_dtype: DType,
        /// Shape of the one.
        left: Vec<u64>,
        /// Dtype of the other.
        right_dtype: DType,
        /// Shape of the other.
        right: Vec<u64>,
        /// What holds for inputs that do.
        rule: &'static str,
    },
    /// An axis that the tensor does not have.
    #[error("{operation}: axis {axis} of a tensor with {rank} dimensions; expected {}", axes(*.rank))]
    Axis {
        /// Name of the operation.
        operation: &'static str,
        /// The axis asked for.
        axis: i64,
        /// Dimensions of the tensor.
        rank: usize,
    },
    /// An argument out of range.
    #[error("{operation}: {argument} is {value}, expected {expected}")]
    Argument {
        /// Name of the operation.
        operation: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// Its value.
        value: String,
        /// What works.
        expected: String,
    },
    /// Another number of inputs.
    #[error("{operation}: {given} tensors, expected {expected}")]
    Inputs {
        /// Name of the operation.
        operation: &'static str,
        /// Tensors given.
        given: usize,
        /// What works.
        expected: &'static str,
    },
    /// Bytes that are not a whole picture.
    #[error("the image cannot be decoded: {0}; expected a JPEG or PNG file")]
    Undecodable(String),
    /// More pixels than allowed; nothing was decoded.
    #[error("the image has {width} x {height} pixels, more than the {limit} allowed")]
    Pixels {
        /// Pixels from left to right.
        width: u64,
        /// Pixels from top to bottom.
        height: u64,
        /// Most pixels allowed.
        limit: u64,
    },
    /// The result is no tensor.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The watch said so.
    #[error("the time for the operation is up")]
    Stopped,
    /// The elements are needed here, and are in a device's memory.
    #[error("{operation}: the elements are on a device")]
    OnDevice {
        /// Name of the operation.
        operation: &'static str,
    },
    /// What a device said of values in its memory.
    #[error("{0}")]
    Device(Failure),
}

fn axes(rank: usize) -> String {
    if rank == 0 { "a tensor with dimensions".into() } else { format!("-{rank} to {}", rank - 1) }
}

impl OperationError {
    pub(crate) fn shape(operation: &'static str, shape: &[u64], expected: &'static str) -> Self {
        Self::Shape { operation, shape: shape.to_vec(), expected }
    }

    pub(crate) fn argument(
        operation: &'static str,
        argument: &'static str,
        value: impl std::fmt::Debug,
        expected: impl Into<String>,
    ) -> Self {
        Self::Argument { operation, argument, value: format!("{value:?}"), expected: expected.into() }
    }

    pub(crate) fn mismatch(
        operation: &'static str,
        left: &impl Described,
        right: &impl Described,
        rule: &'static str,
    ) -> Self {
        Self::Mismatch {
            operation,
            left_dtype: left.dtype(),
            left: left.shape().to_vec(),
            right_dtype: right.dtype(),
            right: right.shape().to_vec(),
            rule,
        }
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        let kind = match error {
            OperationError::Device(failure) => return failure,
            OperationError::Stopped => ErrorKind::Deadline,
            OperationError::Pixels { .. } | OperationError::Tensor(TensorError::Overflow(_)) => ErrorKind::TooLarge,
            _ => ErrorKind::InvalidInput,
        };
        Self::new(kind, error.to_string())
    }
}
