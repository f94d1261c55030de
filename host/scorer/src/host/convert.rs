//! Records of the WIT package to and from the words of `core`.

use scorehost_core::{DType, ErrorKind, Failure, TensorSpec};

use crate::bindings::scorer::scorehost::scoring::failures::{Failure as GuestFailure, FailureKind, Host};
use crate::bindings::scorer::scorehost::scoring::tensors::{Dtype, TensorSpec as GuestSpec};
use crate::state::State;

impl Host for State {}

/// A failure of the host as the guest sees it: kind and public message.
pub(crate) fn to_guest_failure(failure: &Failure) -> GuestFailure {
    let kind = match failure.kind {
        ErrorKind::InvalidInput | ErrorKind::TooLarge => FailureKind::InvalidInput,
        ErrorKind::NotFound => FailureKind::NotFound,
        ErrorKind::Unsupported => FailureKind::Unsupported,
        ErrorKind::Overloaded => FailureKind::Overloaded,
        ErrorKind::Deadline => FailureKind::Deadline,
        ErrorKind::Unavailable | ErrorKind::Conflict => FailureKind::Unavailable,
        ErrorKind::Unauthenticated | ErrorKind::Forbidden | ErrorKind::ScorerFault | ErrorKind::Internal => {
            FailureKind::Internal
        }
    };
    let message = match &failure.hint {
        Some(hint) => format!("{}; {hint}", failure.message),
        None => failure.message.to_string(),
    };
    GuestFailure { kind, message }
}

/// A failure that the guest returned from `run`; `internal` is what a plain exception becomes.
pub(crate) fn from_guest_failure(failure: GuestFailure) -> Failure {
    let kind = match failure.kind {
        FailureKind::InvalidInput => ErrorKind::InvalidInput,
        FailureKind::NotFound => ErrorKind::NotFound,
        FailureKind::Unsupported => ErrorKind::Unsupported,
        FailureKind::Overloaded => ErrorKind::Overloaded,
        FailureKind::Deadline => ErrorKind::Deadline,
        FailureKind::Unavailable => ErrorKind::Unavailable,
        FailureKind::Internal => ErrorKind::ScorerFault,
    };
    Failure::new(kind, failure.message)
}

pub(crate) const fn to_guest_dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::Bool => Dtype::Bool,
        DType::U8 => Dtype::U8,
        DType::U16 => Dtype::U16,
        DType::U32 => Dtype::U32,
        DType::U64 => Dtype::U64,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::F16 => Dtype::Fp16,
        DType::BF16 => Dtype::Bf16,
        DType::F32 => Dtype::Fp32,
        DType::F64 => Dtype::Fp64,
        DType::Bytes => Dtype::Bytes,
    }
}

pub(crate) const fn from_guest_dtype(dtype: Dtype) -> DType {
    match dtype {
        Dtype::Bool => DType::Bool,
        Dtype::U8 => DType::U8,
        Dtype::U16 => DType::U16,
        Dtype::U32 => DType::U32,
        Dtype::U64 => DType::U64,
        Dtype::I8 => DType::I8,
        Dtype::I16 => DType::I16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::Fp16 => DType::F16,
        Dtype::Bf16 => DType::BF16,
        Dtype::Fp32 => DType::F32,
        Dtype::Fp64 => DType::F64,
        Dtype::Bytes => DType::Bytes,
    }
}

/// Declared inputs or outputs of a guest.
pub(crate) fn specs(specs: Vec<GuestSpec>) -> Vec<TensorSpec> {
    let convert =
        |spec: GuestSpec| TensorSpec { name: spec.name.into(), dtype: from_guest_dtype(spec.dtype), shape: spec.shape };
    specs.into_iter().map(convert).collect()
}

/// Inputs or outputs of a model, for the guest.
pub(crate) fn to_guest_specs(specs: &[TensorSpec]) -> Vec<GuestSpec> {
    let convert = |spec: &TensorSpec| GuestSpec {
        name: spec.name.to_string(),
        dtype: to_guest_dtype(spec.dtype),
        shape: spec.shape.clone(),
    };
    specs.iter().map(convert).collect()
}
