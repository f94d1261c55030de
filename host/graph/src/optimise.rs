//! From a model's graph to one that is cheaper to run: constants computed, unused nodes gone, patterns fused.

mod common;
mod constants;
mod dead;
mod fusion;
mod targets;
#[cfg(test)]
mod tests;

use scorehost_core::Tensor;

use crate::{Graph, GraphError, Node};

/// Evaluates one node on constants. An executor implements it; [`NoFold`] is the one that never can.
pub trait Fold: Sync {
    /// The node's outputs in order, or `None` where this node or these inputs cannot be evaluated. Optional inputs that are
    /// left out are `None`. Called for nodes without subgraphs only.
    fn fold(&self, node: &Node, inputs: &[Option<Tensor>]) -> Option<Vec<Tensor>>;
}

/// Evaluates nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFold;

impl Fold for NoFold {
    fn fold(&self, _: &Node, _: &[Option<Tensor>]) -> Option<Vec<Tensor>> {
        None
    }
}

/// What [`Graph::optimised`] may do for an executor.
pub struct Options<'a> {
    /// Evaluates nodes whose inputs are constants.
    pub fold: &'a dyn Fold,
    /// Whether the executor has this node. Asked for every node that a fusion would make, with all its attributes; a fusion
    /// that would make an unsupported node is left out, and the nodes stay as they are.
    pub supports: &'a dyn Fn(&Node) -> bool,
}

impl Graph {
    /// The same graph with constant subexpressions computed, what is computed twice computed once, nodes without use gone and patterns fused to the nodes that
    /// [`crate::fuse`] documents. Inputs, outputs and their order stay; subgraphs are optimised too. Values that are
    /// no longer used keep their numbers. Constants in files of their own stay there, but for small ones.
    ///
    /// # Errors
    /// Where a constant in a file of its own cannot be read.
    pub fn optimised(mut self, options: &Options<'_>) -> Result<Self, GraphError> {
        constants::load(&mut self)?;
        constants::fold(&mut self, options.fold);
        targets::settle(&mut self, options.fold);
        common::merge(&mut self);
        dead::remove(&mut self);
        fusion::fuse(&mut self, options);
        dead::remove(&mut self);
        Ok(self)
    }
}
