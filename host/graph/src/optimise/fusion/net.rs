//! A graph with the questions that patterns ask.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{DType, Tensor};

use crate::infer::Dims;
use crate::infer::context::Fact;
use crate::infer::engine::Engine;
use crate::optimise::Options;
use crate::{Attribute, Graph, Initialiser, Node, ValueId};

/// Bytes of new weights, beside as many as the model has.
const ALLOWANCE: u64 = 64 << 20;

pub(super) struct Net<'a> {
    /// `None` where a node became part of another.
    pub(super) nodes: Vec<Option<Node>>,
    producers: Vec<Option<usize>>,
    /// How many times each value is read; outputs of the graph count as two, so that nothing takes them for its own.
    uses: Vec<u32>,
    constants: HashMap<ValueId, Tensor>,
    facts: Vec<Option<Fact>>,
    values: Vec<Arc<str>>,
    added: Vec<(ValueId, Initialiser)>,
    options: &'a Options<'a>,
    /// Bytes that new weights may still take.
    left: u64,
}

impl<'a> Net<'a> {
    pub(super) fn of(graph: &mut Graph, options: &'a Options<'a>) -> Self {
        let mut engine = Engine::new(graph, options.fold);
        engine.take_inputs(graph, None);
        let (mut producers, mut uses) = (vec![None; graph.values.len()], vec![0; graph.values.len()]);
        for (index, node) in graph.nodes.iter().enumerate() {
            // What cannot be worked out is not fused.
            let _ = engine.learn(node);
            node.uses().for_each(|value| uses[value.0] += 1);
            node.outputs.iter().flatten().for_each(|value| producers[value.0] = Some(index));
        }
        graph.outputs.iter().for_each(|value| uses[value.0] += 2);
        let mut constants = HashMap::new();
        let mut own = 0u64;
        for (value, initialiser) in &graph.initialisers {
            if let Initialiser::Tensor(tensor) = initialiser {
                own += tensor.data().len() as u64;
                constants.insert(*value, tensor.clone());
            }
        }
        Self {
            nodes: std::mem::take(&mut graph.nodes).into_iter().map(Some).collect(),
            producers,
            uses,
            constants,
            facts: engine.facts,
            values: std::mem::take(&mut graph.values),
            added: Vec::new(),
            options,
            left: own.saturating_add(ALLOWANCE),
        }
    }

    pub(super) fn finish(self, graph: &mut Graph) {
        graph.nodes = self.nodes.into_iter().flatten().collect();
        graph.values = self.values;
        graph.initialisers.extend(self.added);
    }

    pub(super) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)?.as_ref()
    }

    /// The node at an index, where it is this operator.
    pub(super) fn operator(&self, index: usize, operator: &str) -> Option<&Node> {
        self.node(index).filter(|node| node.is(operator))
    }

    /// The node that computes a value.
    pub(super) fn producer(&self, value: ValueId) -> Option<(usize, &Node)> {
        let index = self.producers.get(value.0).copied().flatten()?;
        Some((index, self.node(index)?))
    }

    /// The node of this operator that computes a value, whoever reads it.
    pub(super) fn made_by(&self, value: ValueId, operator: &str) -> Option<(usize, &Node)> {
        self.producer(value).filter(|(_, node)| node.is(operator) && node.output(0) == Some(value))
    }

    /// The node of this operator that computes a value which is read once.
    pub(super) fn own(&self, value: ValueId, operator: &str) -> Option<(usize, &Node)> {
        self.made_by(value, operator).filter(|_| self.uses(value) == 1)
    }

    pub(super) fn uses(&self, value: ValueId) -> u32 {
        self.uses.get(value.0).copied().unwrap_or(0)
    }

    /// Whether a node between two others, near enough to look, reads a value.
    pub(super) fn read_between(&self, value: ValueId, from: usize, to: usize) -> bool {
        let between = self.nodes.get(from + 1..to).unwrap_or(&[]);
        between.len() > 256 || between.iter().flatten().any(|node| node.uses().any(|used| used == value))
    }

    pub(super) fn constant(&self, value: ValueId) -> Option<&Tensor> {
        self.constants.get(&value)
    }

    /// Elements of a constant of `F32`.
    pub(super) fn floats(&self, value: ValueId) -> Option<Vec<f32>> {
        let tensor = self.constant(value).filter(|tensor| tensor.dtype() == DType::F32)?;
        Some(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// The number of a constant with one element, whatever its shape.
    pub(super) fn number(&self, value: ValueId) -> Option<f32> {
        let tensor = self.constant(value).filter(|tensor| tensor.elements() == 1)?;
        match (tensor.dtype(), tensor.shape().len()) {
            (DType::F32, _) => self.floats(value)?.first().copied(),
            (DType::I64 | DType::I32, _) => crate::infer::context::values(tensor)?.first().map(|value| *value as f32),
            _ => None,
        }
    }

    /// Whether a constant has one element and close to this value, with no more dimensions than those it is combined with.
    pub(super) fn is_number(&self, value: ValueId, expected: f32) -> bool {
        self.number(value).is_some_and(|number| (number - expected).abs() <= 1e-4 * expected.abs())
    }

    pub(super) fn dims(&self, value: ValueId) -> Option<&Dims> {
        self.facts.get(value.0)?.as_ref()?.dims.as_ref()
    }

    pub(super) fn is_f32(&self, value: ValueId) -> bool {
        self.facts.get(value.0).and_then(Option::as_ref).is_some_and(|fact| fact.dtype == DType::F32)
    }

    /// Both inputs of a node, in each order.
    pub(super) fn both_ways(node: &Node) -> Option<[(ValueId, ValueId); 2]> {
        let (a, b) = (node.input(0)?, node.input(1)?);
        (node.inputs.len() == 2).then_some([(a, b), (b, a)])
    }

    /// The two inputs of a node as (variable, constant), where exactly one is a constant.
    pub(super) fn with_constant(&self, node: &Node) -> Option<(ValueId, ValueId)> {
        let [one, two] = Self::both_ways(node)?;
        let found = |pair: &(ValueId, ValueId)| self.constant(pair.1).is_some() && self.constant(pair.0).is_none();
        [one, two].into_iter().find(found)
    }

    /// A constant of these numbers under a name made from another value's.
    pub(super) fn add_constant(&mut self, like: ValueId, shape: &[u64], values: &[f32]) -> Option<ValueId> {
        self.left = self.left.checked_sub(4 * values.len() as u64)?;
        let tensor = Tensor::from_f32(shape, values).ok()?;
        let value = self.add_value(like, Some(Fact::constant(tensor.clone())));
        self.constants.insert(value, tensor.clone());
        self.added.push((value, Initialiser::Tensor(tensor)));
        Some(value)
    }

    fn add_value(&mut self, like: ValueId, fact: Option<Fact>) -> ValueId {
        let name = self.values.get(like.0).map_or("", |name| name);
        let name = name.char_indices().nth(64).map_or(name, |(end, _)| &name[..end]);
        self.values.push(format!("{name}/fused").into());
        self.producers.push(None);
        self.uses.push(0);
        self.facts.push(fact);
        ValueId(self.values.len() - 1)
    }

    /// Gives a transpose another order of axes; its output's dimensions follow.
    pub(super) fn turn(&mut self, index: usize, perm: Vec<i64>) {
        let Some(node) = self.nodes.get_mut(index).and_then(Option::as_mut) else { return };
        let dims = node.input(0).and_then(|value| self.facts[value.0].as_ref()?.dims.clone());
        let order = perm.iter().map(|axis| usize::try_from(*axis).ok());
        let turned = dims.and_then(|dims| order.map(|axis| dims.get(axis?).cloned()).collect::<Option<Dims>>());
        if let Some(fact) = node.output(0).and_then(|value| self.facts[value.0].as_mut()) {
            fact.dims = turned;
        }
        node.attributes.insert("perm".into(), Attribute::Ints(perm));
    }

    /// Puts a node in the place of a pattern's last node; the others are gone. Nothing happens where the executor lacks it.
    pub(super) fn replace(&mut self, last: usize, gone: &[usize], node: Node) -> Option<()> {
        let made = &*node.domain == crate::fuse::DOMAIN || self.node(last)?.operator != node.operator;
        if made && !(self.options.supports)(&node) {
            return None;
        }
        for index in gone.iter().chain([&last]) {
            let Some(old) = self.nodes.get_mut(*index).and_then(Option::take) else { continue };
            old.uses().for_each(|value| self.uses[value.0] = self.uses[value.0].saturating_sub(1));
            old.outputs.iter().flatten().for_each(|value| self.producers[value.0] = None);
        }
        node.uses().for_each(|value| self.uses[value.0] += 1);
        node.outputs.iter().flatten().for_each(|value| self.producers[value.0] = Some(last));
        self.nodes[last] = Some(node);
        Some(())
    }
}

/// A node in the place of another: its name and first output.
pub(super) fn instead(of: &Node, operator: &str, inputs: Vec<Option<ValueId>>) -> Node {
    let standard = match operator {
        "LayerNormalization" => Some(17),
        "Gelu" => Some(20),
        "HardSwish" => Some(14),
        _ => None,
    };
    Node {
        name: of.name.clone(),
        domain: if standard.is_some() { "".into() } else { crate::fuse::DOMAIN.into() },
        operator: operator.into(),
        opset: standard.unwrap_or(1),
        inputs,
        outputs: vec![of.output(0)],
        attributes: BTreeMap::new(),
    }
}

/// An attribute that is text.
pub(super) fn text(value: &'static str) -> Attribute {
    Attribute::String(Bytes::from_static(value.as_bytes()))
}
