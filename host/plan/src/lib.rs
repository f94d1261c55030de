//! From a graph and concrete input shapes to a list of launches over one arena. Nothing here needs a device.
//!
//! In: an optimised graph, the shapes of one call, a [`Target`]. Out: a [`Plan`]: kernels as source text with their arguments, and
//! the places of buffers. Values are views, elementwise operators stay pending until something needs their bytes, constants are
//! laid out once as kernels want them. What differs between families of devices is a [`Dialect`]: the language of the kernels, who
//! computes matrix products, how work is cut. Deliberately not here: compiling, memory, queues; they are the rooms of the devices.

#![deny(missing_docs)]

mod arena;
pub mod constants;
mod expression;
mod integers;
pub mod kernels;
pub mod launch;
mod lower;
mod planner;
mod rows;
#[cfg(test)]
mod tests;
pub mod view;

pub use arena::ALIGN;
pub use launch::Cost;
pub use lower::supports;
pub use planner::{Dialect, OpenCl, Planner, Style, Target};
pub use rows::{common_rows, with_rows};

use scorehost_core::{DType, Failure, Shape};
use scorehost_graph::GraphError;

use launch::Launch;

/// Why a graph has no plan for some shapes.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A node that cannot run with these shapes or attributes.
    #[error("node '{node}' ({operator}): {problem}")]
    Node {
        /// Name of the node.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        problem: String,
    },
    /// A constant that no device can hold.
    #[error("constant '{name}' is {what}")]
    Constant {
        /// Name of the constant.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// A file of the model cannot be read.
    #[error("cannot read the model's data: {0}")]
    Read(std::io::Error),
    /// The model is unsound.
    #[error(transparent)]
    Model(#[from] GraphError),
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Model(error) => error.into(),
            PlanError::Node { .. } | PlanError::Constant { .. } => Self::invalid(error.to_string()),
            PlanError::Read(_) => Self::internal(error),
        }
    }
}

/// An input or output of a plan: a row-major tensor at a place in the arena.
#[derive(Clone, Debug)]
pub struct Port {
    /// Element type.
    pub dtype: DType,
    /// Elements of each dimension.
    pub shape: Shape,
    /// Bytes from the start of the arena; meaningless for a constant.
    pub offset: u64,
    /// Bytes of the tensor.
    pub bytes: u64,
    /// The value of an output that depends on shapes and constants only.
    pub constant: Option<scorehost_core::Tensor>,
}

/// Everything a device needs to run a graph for one set of input shapes.
#[derive(Debug)]
pub struct Plan {
    /// Inputs in the signature's order.
    pub inputs: Vec<Port>,
    /// Outputs in the signature's order.
    pub outputs: Vec<Port>,
    /// Work in the order in which it runs.
    pub launches: Vec<Launch>,
    /// Byte offsets of buffers in the arena.
    pub offsets: Vec<u64>,
    /// Bytes of the arena.
    pub arena_bytes: u64,
}

impl Plan {
    /// What the launches must move and compute at least.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let mut cost = Cost::default();
        for launch in &self.launches {
            cost.bytes += launch.cost.bytes;
            cost.operations += launch.cost.operations;
        }
        cost
    }
}
