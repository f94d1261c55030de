//! What a model or a scorer takes and returns.

use std::sync::Arc;

use crate::{DType, ModelId};

mod check;

pub use check::{OutputIndices, SignatureError};

/// One input or output; -1 stands for a dimension that varies from call to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name, unique among inputs and among outputs.
    pub name: Arc<str>,
    /// Element type.
    pub dtype: DType,
    /// Dimensions, -1 for any.
    pub shape: Vec<i64>,
}

/// All inputs and outputs, in the model's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// Inputs in order.
    pub inputs: Vec<TensorSpec>,
    /// Outputs in order.
    pub outputs: Vec<TensorSpec>,
}

/// A loaded model as callers see it.
#[derive(Clone, Debug)]
pub struct ModelMetadata {
    /// Registered name and version.
    pub id: ModelId,
    /// The executor's platform name, such as `onnxruntime_onnx`.
    pub platform: &'static str,
    /// Inputs and outputs.
    pub signature: Signature,
}
