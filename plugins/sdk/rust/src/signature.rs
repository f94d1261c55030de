//! What a scorer takes and returns.

use crate::DType;
use crate::bindings::scorer as host;
use crate::bindings::scorer::scorehost::scoring::tensors::TensorSpec as HostSpec;

/// Name, dtype and shape of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The name.
    pub name: String,
    /// The element type.
    pub dtype: DType,
    /// The dimensions; -1 for one that varies.
    pub shape: Vec<i64>,
}

impl TensorSpec {
    /// An input or output.
    pub fn new(name: impl Into<String>, dtype: DType, shape: impl Into<Vec<i64>>) -> Self {
        Self { name: name.into(), dtype, shape: shape.into() }
    }

    pub(crate) fn from_host(spec: HostSpec) -> Self {
        Self { name: spec.name, dtype: spec.dtype, shape: spec.shape }
    }

    fn into_host(self) -> HostSpec {
        HostSpec { name: self.name, dtype: self.dtype, shape: self.shape }
    }
}

/// Inputs and outputs, in the order in which clients see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// Inputs.
    pub inputs: Vec<TensorSpec>,
    /// Outputs.
    pub outputs: Vec<TensorSpec>,
}

impl Signature {
    /// A signature of inputs and outputs.
    pub fn new(inputs: impl Into<Vec<TensorSpec>>, outputs: impl Into<Vec<TensorSpec>>) -> Self {
        Self { inputs: inputs.into(), outputs: outputs.into() }
    }

    pub(crate) fn into_host(self) -> host::Signature {
        let specs = |specs: Vec<TensorSpec>| specs.into_iter().map(TensorSpec::into_host).collect();
        host::Signature { inputs: specs(self.inputs), outputs: specs(self.outputs) }
    }
}
