//! From a graph and concrete input shapes to a list of launches over one arena. Nothing here needs a device.

pub(crate) mod arena;
pub(crate) mod constants;
pub(crate) mod expression;
mod integers;
pub(crate) mod launch;
mod lower;
mod planner;
#[cfg(test)]
mod tests;
pub(crate) mod view;

pub use launch::Cost;
pub(crate) use lower::supports;
pub(crate) use planner::{Planner, Target};

use scorehost_core::{DType, Shape};

use launch::Launch;

/// An input or output of a plan: a row-major tensor at a place in the arena.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) dtype: DType,
    pub(crate) shape: Shape,
    /// Bytes from the start of the arena; meaningless for a constant.
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// The value of an output that depends on shapes and constants only.
    pub(crate) constant: Option<scorehost_core::Tensor>,
}

/// Everything a device needs to run a graph for one set of input shapes.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) launches: Vec<Launch>,
    /// Byte offsets of buffers in the arena.
    pub(crate) offsets: Vec<u64>,
    pub(crate) arena_bytes: u64,
}

impl Plan {
    /// What the launches must move and compute at least.
    pub(crate) fn cost(&self) -> Cost {
        let mut cost = Cost::default();
        for launch in &self.launches {
            cost.bytes += launch.cost.bytes;
            cost.operations += launch.cost.operations;
        }
        cost
    }
}
