//! Whether calls of a graph may be merged into one.

use std::collections::HashSet;

use crate::infer::Dim;
use crate::infer::engine::Engine;
use crate::infer::flow::Flow;
use crate::{Fold, Graph};

/// Why calls of a graph must not be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{place}' {reason}")]
pub struct Unbatchable {
    /// The input, output or node that decides it.
    pub place: String,
    /// What about it, to be read after its name.
    pub reason: String,
}

impl Graph {
    /// Whether dimension 0 of every input and output is a batch whose rows do not influence one another: running rows
    /// together gives what running them alone gives, but for rounding. Calls may then be merged along dimension 0, where all
    /// their other dimensions
    /// are equal and each call's inputs have one number of rows. Says no when in doubt, and why.
    ///
    /// # Errors
    /// What stands against it.
    pub fn batch(&self, fold: &dyn Fold) -> Result<(), Unbatchable> {
        let refuse = |place: &str, reason: &str| Unbatchable { place: place.to_owned(), reason: reason.to_owned() };
        let mut engine = Engine::new(self, fold);
        engine.take_inputs(self, Some(&Dim::batch()));
        for (value, spec) in self.inputs.iter().zip(&self.signature.inputs) {
            if spec.shape.first() != Some(&-1) {
                return Err(refuse(&spec.name, "is an input whose first dimension is fixed"));
            }
            engine.flows[value.0] = Flow::Rows(0);
        }
        if self.inputs.is_empty() {
            return Err(refuse("the graph", "has no input"));
        }
        let first: HashSet<&str> = self.dimension_names.iter().filter_map(|names| names.first()?.as_deref()).collect();
        let mut others = self.dimension_names.iter().flat_map(|names| names.iter().skip(1)).flatten();
        if let Some(name) = others.find(|name| first.contains(&***name)) {
            return Err(refuse(name, "is the size of the batch and of another dimension"));
        }
        for node in &self.nodes {
            engine.learn(node).map_err(|error| refuse(&node.name, &error.to_string()))?;
            engine.follow(node)?;
        }
        for (value, spec) in self.outputs.iter().zip(&self.signature.outputs) {
            let dims = engine.facts[value.0].as_ref().and_then(|fact| fact.dims.as_ref());
            let first = dims.and_then(|dims| dims.first());
            if engine.flows[value.0] != Flow::Rows(0) || first != Some(&Dim::batch()) {
                return Err(refuse(&spec.name, "is an output that has no row for each row of the inputs"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
