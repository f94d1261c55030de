//! Values that are computed twice.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{DType, Shape, Tensor};

use crate::infer::engine::is_random;
use crate::infer::table;
use crate::{Attribute, Graph, Initialiser, Node, ValueId};

/// Bytes of a constant that is compared with others: sizes, axes, the numbers of patterns.
const SMALL: usize = 1024;

/// Values and those that stand for them.
type Same = HashMap<ValueId, ValueId>;

/// Lets readers of a value that an earlier node of the same operator, attributes and inputs also gives read that one's, and
/// the same for small constants and for what a subgraph captures twice; in subgraphs, each by itself. Outputs of a
/// graph keep their values. Only operators that are known, and not random, are taken to give the same twice.
pub(super) fn merge(graph: &mut Graph) {
    let kept: HashSet<ValueId> = graph.outputs.iter().copied().collect();
    let mut same = constants(graph, &kept);
    let mut captured: HashMap<ValueId, ValueId> = HashMap::new();
    for capture in &graph.captures {
        match captured.get(&capture.outer) {
            Some(first) if !kept.contains(&capture.inner) => _ = same.insert(capture.inner, *first),
            Some(_) => {}
            None => _ = captured.insert(capture.outer, capture.inner),
        }
    }
    let mut known: HashMap<Key, Vec<Option<ValueId>>> = HashMap::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        let now = |value: ValueId| same.get(&value).copied().unwrap_or(value);
        node.inputs.iter_mut().flatten().for_each(|value| *value = now(*value));
        for attribute in node.attributes.values_mut() {
            if let Attribute::Graph(inner) = attribute {
                let inner = Arc::make_mut(inner);
                inner.captures.iter_mut().for_each(|capture| capture.outer = now(capture.outer));
                merge(inner);
            }
        }
        let free = !node.outputs.iter().flatten().any(|value| kept.contains(value));
        if let Some(key) = Key::of(&node) {
            match known.get(&key) {
                Some(first) if free => {
                    let pairs = node.outputs.iter().flatten().zip(first.iter().flatten());
                    same.extend(pairs.map(|(again, first)| (*again, *first)));
                    continue;
                }
                Some(_) => {}
                None => _ = known.insert(key, node.outputs.clone()),
            }
        }
        graph.nodes.push(node);
    }
}

/// Small constants of the same content.
fn constants(graph: &Graph, kept: &HashSet<ValueId>) -> Same {
    let (mut first, mut same): (HashMap<Constant, ValueId>, _) = (HashMap::new(), Same::new());
    for (value, initialiser) in &graph.initialisers {
        let Some(content) = constant(initialiser) else { continue };
        match first.get(&content) {
            Some(first) if !kept.contains(value) => _ = same.insert(*value, *first),
            Some(_) => {}
            None => _ = first.insert(content, *value),
        }
    }
    same
}

type Constant = (DType, Shape, Bytes);

fn constant(initialiser: &Initialiser) -> Option<Constant> {
    let content = |tensor: &Tensor| (tensor.dtype(), Shape::from_slice(tensor.shape()), tensor.data().clone());
    match initialiser {
        Initialiser::Tensor(tensor) if tensor.data().len() <= SMALL => Some(content(tensor)),
        _ => None,
    }
}

/// All that decides what a node gives.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    domain: Arc<str>,
    operator: Arc<str>,
    opset: i64,
    inputs: Vec<Option<ValueId>>,
    /// Which outputs are wanted, as their number may decide what they are.
    wanted: Vec<bool>,
    attributes: Vec<(Arc<str>, Content)>,
}

/// An attribute's content; floats by their bits.
#[derive(PartialEq, Eq, Hash)]
enum Content {
    Float(u32),
    Int(i64),
    String(Bytes),
    Floats(Vec<u32>),
    Ints(Vec<i64>),
    Strings(Vec<Bytes>),
    Tensor(Constant),
}

impl Key {
    /// `None` for what may give something else the second time, or cannot be compared.
    fn of(node: &Node) -> Option<Self> {
        if is_random(node) || table::find(node).is_none() {
            return None;
        }
        let mut inputs = node.inputs.clone();
        while inputs.last() == Some(&None) {
            inputs.pop();
        }
        let content = |(name, attribute): (&Arc<str>, &Attribute)| {
            let content = match attribute {
                Attribute::Float(value) => Content::Float(value.to_bits()),
                Attribute::Int(value) => Content::Int(*value),
                Attribute::String(value) => Content::String(value.clone()),
                Attribute::Floats(values) => Content::Floats(values.iter().map(|value| value.to_bits()).collect()),
                Attribute::Ints(values) => Content::Ints(values.clone()),
                Attribute::Strings(values) => Content::Strings(values.clone()),
                Attribute::Tensor(initialiser) => Content::Tensor(constant(initialiser)?),
                Attribute::Graph(_) | Attribute::Unsupported => return None,
            };
            Some((name.clone(), content))
        };
        Some(Self {
            domain: node.domain.clone(),
            operator: node.operator.clone(),
            opset: node.opset,
            inputs,
            wanted: node.outputs.iter().map(Option::is_some).collect(),
            attributes: node.attributes.iter().map(content).collect::<Option<_>>()?,
        })
    }
}
