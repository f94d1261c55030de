//! Names and what they stand for while a graph is lowered.

use std::collections::HashMap;
use std::sync::Arc;

use scorehost_core::Signature;

use super::{Lowering, inlined};
use crate::{Attribute, Capture, Graph, GraphError, Initialiser, Node, ValueId};

/// A graph that is being built.
pub(super) struct Level {
    values: Vec<Arc<str>>,
    pub(super) initialisers: Vec<(ValueId, Initialiser)>,
    pub(super) nodes: Vec<Node>,
    captures: Vec<Capture>,
    /// Its own names, and on top those of the function whose body is being inlined.
    pub(super) frames: Vec<Frame>,
}

/// The names of one graph or of one call of a function.
#[derive(Clone)]
pub(super) struct Frame {
    /// `None` where a call leaves an optional input out.
    pub(super) names: HashMap<Arc<str>, Option<ValueId>>,
    pub(super) opsets: Arc<HashMap<String, i64>>,
    /// The attributes of the call.
    pub(super) attributes: Arc<HashMap<String, Attribute>>,
    /// The call, for messages; absent outside functions.
    pub(super) call: Option<Arc<str>>,
    /// Whether names that are not found here are those of the graph around.
    pub(super) open: bool,
}

impl Frame {
    pub(super) fn main(opsets: HashMap<String, i64>) -> Self {
        let (names, opsets, attributes) = (HashMap::new(), Arc::new(opsets), Arc::default());
        Self { names, opsets, attributes, call: None, open: false }
    }

    /// The frame of a subgraph inside this one.
    fn inside(&self) -> Self {
        let (opsets, attributes) = (self.opsets.clone(), self.attributes.clone());
        Self { names: HashMap::new(), opsets, attributes, call: self.call.clone(), open: true }
    }

    /// How a node of that name is called in the graph.
    pub(super) fn named(&self, name: &str) -> Arc<str> {
        self.call.as_ref().map_or_else(|| name.into(), |call| inlined(call, name))
    }
}

impl Level {
    pub(super) fn new(frame: Frame) -> Self {
        let (values, initialisers, nodes, captures) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { values, initialisers, nodes, captures, frames: vec![frame] }
    }

    pub(super) fn graph(self, inputs: Vec<ValueId>, outputs: Vec<ValueId>, signature: Signature) -> Graph {
        let Self { values, initialisers, nodes, captures, .. } = self;
        let dimension_names = Vec::new();
        Graph { values, inputs, outputs, initialisers, nodes, signature, dimension_names, captures }
    }

    fn fresh(&mut self, name: Arc<str>) -> ValueId {
        self.values.push(name);
        ValueId(self.values.len() - 1)
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn frame(&mut self) -> Result<&mut Frame, GraphError> {
        self.level()?.frames.last_mut().ok_or(GraphError::NoGraph)
    }

    /// A new value of that name in the graph at hand.
    pub(super) fn define(&mut self, name: &str) -> ValueId {
        let Some(level) = self.levels.last_mut() else { return ValueId(0) };
        let Some(frame) = level.frames.last() else { return ValueId(0) };
        let shown = frame.named(name);
        let value = level.fresh(shown);
        if let Some(frame) = level.frames.last_mut() {
            frame.names.insert(name.into(), Some(value));
        }
        value
    }

    /// The value of a name.
    pub(super) fn value(&mut self, name: &str) -> Result<ValueId, GraphError> {
        let missing = || GraphError::Undefined { user: "the graph".to_owned(), value: name.to_owned() };
        self.find(self.levels.len() - 1, name).flatten().ok_or_else(missing)
    }

    /// Values of names; an empty name is an optional value that is left out, and so is an input that a call left out.
    pub(super) fn optional(&mut self, names: &[String]) -> Result<Vec<Option<ValueId>>, GraphError> {
        let mut values = Vec::with_capacity(names.len());
        for name in names {
            let found = if name.is_empty() { Some(None) } else { self.find(self.levels.len() - 1, name) };
            let missing = || GraphError::Undefined { user: "a node".to_owned(), value: name.clone() };
            values.push(found.ok_or_else(missing)?);
        }
        Ok(values)
    }

    /// Looks a name up in a level, then in those around it, of which each level between captures the value.
    fn find(&mut self, index: usize, name: &str) -> Option<Option<ValueId>> {
        let frame = self.levels.get(index)?.frames.last()?;
        if let Some(found) = frame.names.get(name) {
            return Some(*found);
        }
        if !frame.open || index == 0 {
            return None;
        }
        let outer = self.find(index - 1, name)?;
        let level = self.levels.get_mut(index)?;
        let inner = outer.map(|outer| {
            let inner = level.fresh(name.into());
            level.captures.push(Capture { outer, inner });
            inner
        });
        level.frames.last_mut()?.names.insert(name.into(), inner);
        Some(inner)
    }

    /// Lowers a subgraph of the graph at hand.
    pub(super) fn subgraph(&mut self, proto: &'a crate::onnx::GraphProto) -> Result<Graph, GraphError> {
        let frame = self.frame()?.inside();
        self.nest()?;
        self.levels.push(Level::new(frame));
        let inputs = proto.input.iter().map(|input| self.define(&input.name)).collect();
        self.body(proto)?;
        let outputs = proto.output.iter().map(|output| self.value(&output.name)).collect::<Result<_, _>>()?;
        let level = self.levels.pop().ok_or(GraphError::NoGraph)?;
        Ok(level.graph(inputs, outputs, Signature::default()))
    }
}
