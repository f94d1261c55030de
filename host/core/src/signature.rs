//! What a model or a scorer takes and returns.

use std::sync::Arc;
use std::time::Duration;

use crate::{DType, ModelId, Priority};

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
    /// How calls are merged.
    pub batching: BatchTerms,
}

/// How calls of a model are merged, as its callers may know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchTerms {
    /// Rows of one run at most, where dimension 0 of every input and output is a batch; 0 where it is not, or calls are never merged.
    pub max_rows: u32,
    /// How calls are merged; `None` where each of them runs alone.
    pub dynamic: Option<DynamicTerms>,
}

/// How calls of a model are merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DynamicTerms {
    /// Sizes in rows that are preferred to others, ascending.
    pub preferred: Vec<u32>,
    /// How long a call waits for others although a worker is free.
    pub max_delay: Duration,
    /// The priority of calls that ask for none.
    pub default_priority: Priority,
    /// Longest wait for a run.
    pub max_wait: Duration,
    /// Calls of one service that may wait.
    pub max_queue: u32,
}
