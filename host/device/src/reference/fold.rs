//! The executor's kernels for constant folding at load.

use std::sync::Arc;

use scorehost_core::Tensor;
use scorehost_graph::{Fold, Node};

use super::array::Array;
use super::attributes::Attributes;
use super::operators::{self, Arguments};

/// Evaluates nodes on constants with the kernels that would run them.
pub(crate) struct Kernels;

impl Fold for Kernels {
    fn fold(&self, node: &Node, inputs: &[Option<Tensor>]) -> Option<Vec<Tensor>> {
        let array = |input: &Option<Tensor>| match input {
            None => Some(None),
            Some(tensor) => Array::from_tensor(tensor).ok().map(|array| Some(Arc::new(array))),
        };
        let mut arrays: Vec<Option<Arc<Array>>> = inputs.iter().map(array).collect::<Option<_>>()?;
        let kernel = operators::find(node)?(&Attributes(node)).ok()?;
        let results = kernel(&mut Arguments(&mut arrays)).ok()?;
        results.into_iter().map(|result| result.into_tensor().ok()).collect()
    }
}
