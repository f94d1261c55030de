//! Holding a request against a signature.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{DType, Described, Failure, Named, Signature, TensorSpec};

/// Why inputs or wanted outputs do not fit a [`Signature`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// An input that the signature does not have.
    #[error("there is no input '{name}'; the inputs are: [{}]", known.join(", "))]
    UnknownInput {
        /// The name in the request.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The same input twice.
    #[error("input '{name}' is given more than once")]
    DuplicateInput {
        /// The name.
        name: String,
    },
    /// An input of the signature that the request lacks.
    #[error("input '{name}' ({dtype} {shape:?}) is missing")]
    MissingInput {
        /// The name.
        name: String,
        /// Its dtype.
        dtype: DType,
        /// Its shape, -1 for any dimension.
        shape: Vec<i64>,
    },
    /// Another element type.
    #[error("input '{name}' is {actual}, expected {expected}")]
    DType {
        /// The input.
        name: String,
        /// Dtype of the signature.
        expected: DType,
        /// Dtype of the request.
        actual: DType,
    },
    /// Another rank, or another size of a fixed dimension.
    #[error("input '{name}' has shape {actual:?}, expected {expected:?} (-1 stands for any size)")]
    Shape {
        /// The input.
        name: String,
        /// Shape of the signature.
        expected: Vec<i64>,
        /// Shape of the request.
        actual: Vec<u64>,
    },
    /// An output that the signature does not have.
    #[error("there is no output '{name}'; the outputs are: [{}]", known.join(", "))]
    UnknownOutput {
        /// The name in the request.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
}

impl From<SignatureError> for Failure {
    fn from(error: SignatureError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Indices of outputs; up to eight without an allocation.
pub type OutputIndices = SmallVec<[usize; 8]>;

impl Signature {
    /// Checks that `inputs` are exactly the signature's, each of the right dtype, rank and fixed dimensions. Any order.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check_inputs(&self, inputs: &[impl Named]) -> Result<(), SignatureError> {
        let mut seen: SmallVec<[bool; 16]> = SmallVec::from_elem(false, self.inputs.len());
        for (position, input) in inputs.iter().enumerate() {
            let index = find(&self.inputs, position, input.name()).ok_or_else(|| SignatureError::UnknownInput {
                name: shortened(input.name()),
                known: names(&self.inputs),
            })?;
            if std::mem::replace(&mut seen[index], true) {
                return Err(SignatureError::DuplicateInput { name: input.name().to_string() });
            }
            self.inputs[index].check(input)?;
        }
        match seen.iter().position(|seen| !seen) {
            None => Ok(()),
            Some(missing) => Err(self.inputs[missing].missing()),
        }
    }

    /// Indices of the named outputs in the order of `names`; of all outputs when `names` is empty.
    ///
    /// # Errors
    /// The first name that is no output.
    pub fn output_indices(&self, wanted: &[Arc<str>]) -> Result<OutputIndices, SignatureError> {
        if wanted.is_empty() {
            return Ok((0..self.outputs.len()).collect());
        }
        let index = |(position, name): (usize, &Arc<str>)| {
            find(&self.outputs, position, name)
                .ok_or_else(|| SignatureError::UnknownOutput { name: shortened(name), known: names(&self.outputs) })
        };
        wanted.iter().enumerate().map(index).collect()
    }
}

impl TensorSpec {
    fn check(&self, input: &impl Named) -> Result<(), SignatureError> {
        let name = || input.name().to_string();
        let tensor = input.item();
        if tensor.dtype() != self.dtype {
            return Err(SignatureError::DType { name: name(), expected: self.dtype, actual: tensor.dtype() });
        }
        if !self.fits(tensor.shape()) {
            let (expected, actual) = (self.shape.clone(), tensor.shape().to_vec());
            return Err(SignatureError::Shape { name: name(), expected, actual });
        }
        Ok(())
    }

    /// Whether a tensor of `shape` has this rank and these fixed dimensions.
    #[must_use]
    pub fn fits(&self, shape: &[u64]) -> bool {
        let dimension = |(fixed, actual): (&i64, &u64)| *fixed < 0 || *fixed as u64 == *actual;
        self.shape.len() == shape.len() && self.shape.iter().zip(shape).all(dimension)
    }

    fn missing(&self) -> SignatureError {
        SignatureError::MissingInput { name: self.name.to_string(), dtype: self.dtype, shape: self.shape.clone() }
    }
}

/// The index of `name`. Requests mostly keep the signature's order, so `position` is tried first.
fn find(specs: &[TensorSpec], position: usize, name: &str) -> Option<usize> {
    if specs.get(position).is_some_and(|spec| *spec.name == *name) {
        return Some(position);
    }
    specs.iter().position(|spec| *spec.name == *name)
}

fn names(specs: &[TensorSpec]) -> Vec<String> {
    specs.iter().map(|spec| spec.name.to_string()).collect()
}

/// A name that a caller made up, cut so that an error stays readable.
fn shortened(name: &str) -> String {
    name.chars().take(128).collect()
}

#[cfg(test)]
mod tests;
