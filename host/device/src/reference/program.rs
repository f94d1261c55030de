//! A graph made ready to run: kernels in order, and where each value comes from and dies.

use std::collections::HashMap;
use std::sync::Arc;

use scorehost_graph::{Graph, Initialiser, Node, ValueId};
use smallvec::SmallVec;

use super::array::{Array, memory};
use super::attributes::Attributes;
use super::operators::{self, Arguments, Kernel};
use crate::DeviceError;

/// Values of one run by slot.
pub(crate) type Values = SmallVec<[Option<Arc<Array>>; 24]>;

/// Where a kernel finds an input.
enum Source {
    Constant(Arc<Array>),
    /// A value of the run; the last reader takes it, so that its memory can be used again.
    Slot {
        slot: usize,
        last: bool,
    },
}

struct Step {
    name: Arc<str>,
    kernel: Kernel,
    /// The node's inputs, and behind them what its subgraphs capture, in the order of the subgraphs.
    inputs: SmallVec<[Option<Source>; 4]>,
    /// `None` for an output that nothing reads.
    outputs: SmallVec<[Option<usize>; 2]>,
}

/// A graph made ready to run by many threads at once.
pub(crate) struct Program {
    steps: Vec<Step>,
    slots: usize,
    inputs: Vec<usize>,
    outputs: Vec<Source>,
    weight_bytes: u64,
}

/// Constants by value.
type Constants = HashMap<ValueId, Arc<Array>>;

impl Program {
    /// Reads the graph's constants and builds a kernel for every node.
    ///
    /// # Errors
    /// Where a constant cannot be read, or a node has no kernel or wrong attributes.
    pub(crate) fn new(graph: &Graph) -> Result<Self, DeviceError> {
        let mut constants = Constants::new();
        for (id, initialiser) in &graph.initialisers {
            constants.insert(*id, Arc::new(constant(initialiser, &graph.values[id.0])?));
        }
        let weight_bytes = constants.values().map(|array| array.bytes()).sum();
        Builder { slots: HashMap::new(), last: last_uses(graph), constants, weight_bytes }.build(graph)
    }

    /// Bytes of constants.
    pub(crate) fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Runs all steps; `inputs` are in the graph's order, those that a subgraph captures behind its own.
    ///
    /// # Errors
    /// What a kernel finds wrong, with the node's name.
    pub(crate) fn run(&self, inputs: impl Iterator<Item = Arc<Array>>) -> Result<Values, String> {
        let mut values = Values::from_elem(None, self.slots);
        self.inputs.iter().zip(inputs).for_each(|(slot, input)| values[*slot] = Some(input));
        for step in &self.steps {
            step.run(&mut values).map_err(|problem| format!("node '{}': {problem}", step.name))?;
        }
        Ok(values)
    }

    /// Moves one output out of the values of a run, or shares it where it is wanted `again`.
    ///
    /// # Errors
    /// Where nothing computed it.
    pub(crate) fn output(&self, values: &mut Values, index: usize, again: bool) -> Result<Arc<Array>, String> {
        let value = match &self.outputs[index] {
            Source::Constant(array) => return Ok(array.clone()),
            Source::Slot { slot, last } if *last && !again => values[*slot].take(),
            Source::Slot { slot, .. } => values[*slot].clone(),
        };
        value.ok_or_else(|| "was not computed".to_owned())
    }

    /// Keeps the memory of values that are no longer needed for the next run.
    pub(crate) fn recycle(values: Values) {
        values.into_iter().flatten().for_each(give_back);
    }
}

fn give_back(value: Arc<Array>) {
    if let Ok(array) = Arc::try_unwrap(value) {
        memory::recycle_array(array);
    }
}

impl Step {
    fn run(&self, values: &mut Values) -> Result<(), String> {
        let argument = |source: &Option<Source>| match source {
            None => None,
            Some(Source::Constant(array)) => Some(array.clone()),
            Some(Source::Slot { slot, last: true }) => values[*slot].take(),
            Some(Source::Slot { slot, last: false }) => values[*slot].clone(),
        };
        let mut arguments: SmallVec<[Option<Arc<Array>>; 6]> = self.inputs.iter().map(argument).collect();
        let results = (self.kernel)(&mut Arguments(&mut arguments))?;
        arguments.into_iter().flatten().for_each(give_back);
        for (index, result) in results.into_iter().enumerate() {
            match self.outputs.get(index).copied().flatten() {
                Some(slot) => values[slot] = Some(Arc::new(result)),
                None => memory::recycle_array(result),
            }
        }
        Ok(())
    }
}

/// The node that reads each value last; outputs of the graph are read after all nodes.
fn last_uses(graph: &Graph) -> HashMap<ValueId, usize> {
    let mut last = HashMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        for id in node.uses() {
            last.insert(id, index);
        }
    }
    graph.outputs.iter().for_each(|id| _ = last.insert(*id, usize::MAX));
    last
}

struct Builder {
    slots: HashMap<ValueId, usize>,
    last: HashMap<ValueId, usize>,
    constants: Constants,
    weight_bytes: u64,
}

impl Builder {
    fn build(mut self, graph: &Graph) -> Result<Program, DeviceError> {
        let captured = graph.captures.iter().map(|capture| &capture.inner);
        let inputs = graph.inputs.iter().chain(captured).map(|id| self.slot(*id)).collect();
        let mut steps = Vec::with_capacity(graph.nodes.len());
        for (index, node) in graph.nodes.iter().enumerate() {
            steps.push(self.step(index, node).map_err(|problem| refused(&node.name, &problem))?);
        }
        let output = |(index, id): (usize, &ValueId)| self.source(*id, !graph.outputs[index + 1..].contains(id));
        let outputs = graph.outputs.iter().enumerate().map(output).collect();
        Ok(Program { steps, slots: self.slots.len(), inputs, outputs, weight_bytes: self.weight_bytes })
    }

    fn slot(&mut self, id: ValueId) -> usize {
        let next = self.slots.len();
        *self.slots.entry(id).or_insert(next)
    }

    fn source(&self, id: ValueId, last: bool) -> Source {
        match (self.constants.get(&id), self.slots.get(&id)) {
            (Some(array), _) => Source::Constant(array.clone()),
            // A value that nothing defines stays empty; the check of the model lets no such graph through.
            (None, slot) => Source::Slot { slot: slot.copied().unwrap_or(0), last },
        }
    }

    fn step(&mut self, index: usize, node: &Node) -> Result<Step, String> {
        let build = operators::find(node).ok_or("no such operator")?;
        let kernel = build(&Attributes(node))?;
        let captures = node.subgraphs().flat_map(|graph| &graph.captures).map(|capture| Some(capture.outer));
        let all: Vec<Option<ValueId>> = node.inputs.iter().copied().chain(captures).collect();
        let source = |(place, id): (usize, &Option<ValueId>)| {
            let id = (*id)?;
            let again = all[place + 1..].contains(&Some(id));
            Some(self.source(id, self.last.get(&id) == Some(&index) && !again))
        };
        let inputs = all.iter().enumerate().map(source).collect();
        let read = |id: ValueId| self.last.contains_key(&id);
        let wanted: Vec<Option<ValueId>> = node.outputs.iter().map(|id| id.filter(|id| read(*id))).collect();
        let outputs = wanted.into_iter().map(|id| id.map(|id| self.slot(id))).collect();
        Ok(Step { name: node.name.clone(), kernel, inputs, outputs })
    }
}

fn refused(name: &str, message: &str) -> DeviceError {
    DeviceError::Refused { device: "the reference executor", message: format!("'{name}': {message}") }
}

/// A constant in memory of its own: the bytes of the model's file are not kept for it.
fn constant(initialiser: &Initialiser, name: &str) -> Result<Array, DeviceError> {
    let read = |tensor| Array::from_tensor(tensor).map(Array::unshared).map_err(|problem| refused(name, &problem));
    match initialiser {
        Initialiser::Tensor(tensor) => read(tensor),
        Initialiser::External(external) => read(&external.read().map_err(DeviceError::Read)??),
        Initialiser::Unsupported { what } => Err(refused(name, &format!("its data is {what}"))),
    }
}
