//! Constant folding within bounds.

use std::collections::HashMap;
use std::sync::Arc;

use scorehost_core::Tensor;

use super::Fold;
use crate::infer::context::{Content, Fact};
use crate::infer::dim::product;
use crate::infer::engine::{Engine, is_random};
use crate::infer::table;
use crate::{Attribute, Graph, GraphError, Initialiser, Node, ValueId};

/// Bytes of one constant that folding makes, at most.
const LARGEST: u64 = 64 << 20;
/// Bytes that all constants made by folding may have together, beside twice the bytes of the model's own.
const ALLOWANCE: u64 = 128 << 20;
/// Bytes of a constant that is read from a file of its own.
const SMALL: u64 = 64 << 10;
/// Multiplications that one matrix product at load may take.
const WORK: f64 = 2e9;

/// Values that are known while a graph is folded.
type Known = HashMap<ValueId, Tensor>;

/// Reads constants in files of their own that are so small that they may decide shapes or be a pattern's numbers.
pub(super) fn load(graph: &mut Graph) -> Result<(), GraphError> {
    for (value, initialiser) in &mut graph.initialisers {
        if let Initialiser::External(external) = initialiser
            && external.length <= SMALL
        {
            let problem = |_| GraphError::External {
                tensor: graph.values[value.0].to_string(),
                location: external.path.display().to_string(),
                problem: "cannot be read",
            };
            *initialiser = Initialiser::Tensor(external.read().map_err(problem)??);
        }
    }
    Ok(())
}

/// Replaces nodes whose inputs are constants, or whose result follows from shapes alone, by their results; in subgraphs too.
pub(super) fn fold(graph: &mut Graph, fold: &dyn Fold) {
    let own: u64 = graph.initialisers.iter().map(|(_, initialiser)| bytes(initialiser)).sum();
    let mut folding = Folding { fold, left: ALLOWANCE.saturating_add(own.saturating_mul(2)) };
    folding.graph(graph, &HashMap::new());
}

fn bytes(initialiser: &Initialiser) -> u64 {
    match initialiser {
        Initialiser::Tensor(tensor) => tensor.data().len() as u64,
        Initialiser::External(external) => external.length,
        Initialiser::Unsupported { .. } => 0,
    }
}

struct Folding<'a> {
    fold: &'a dyn Fold,
    /// Bytes that new constants may still take.
    left: u64,
}

impl Folding<'_> {
    fn graph(&mut self, graph: &mut Graph, captured: &HashMap<ValueId, Fact>) {
        let mut engine = Engine::new(graph, self.fold);
        for (value, fact) in captured {
            engine.facts[value.0] = Some(fact.clone());
        }
        engine.take_inputs(graph, None);
        let nodes = std::mem::take(&mut graph.nodes);
        let mut known = Known::new();
        for mut node in nodes {
            // What cannot be worked out is left to the executor, which has shapes and a message.
            let _ = engine.learn(&node);
            let results = if is_random(&node) { None } else { self.node(&node, &engine, &known) };
            let Some(results) = results else {
                self.subgraphs(&mut node, &engine);
                graph.nodes.push(node);
                continue;
            };
            for (output, tensor) in node.outputs.iter().zip(results) {
                let Some(output) = *output else { continue };
                engine.facts[output.0] = Some(Fact::constant(tensor.clone()));
                known.insert(output, tensor.clone());
                graph.initialisers.push((output, Initialiser::Tensor(tensor)));
            }
        }
    }

    /// The results of a node that are known, where they may be kept.
    fn node(&mut self, node: &Node, engine: &Engine<'_>, known: &Known) -> Option<Vec<Tensor>> {
        let content = |value: ValueId| match engine.facts[value.0].as_ref().map(|fact| &fact.content) {
            Some(Content::Tensor(tensor)) => Some(tensor.clone()),
            _ => known.get(&value).cloned(),
        };
        let learned = node.outputs.iter().flatten().map(|value| content(*value)).collect::<Option<Vec<_>>>();
        if let Some(learned) = learned.filter(|_| node.outputs.iter().all(Option::is_some)) {
            return self.keep(learned);
        }
        if !table::find(node)?.folds {
            return None;
        }
        let input = |value: &Option<ValueId>| match value {
            None => Some(None),
            Some(value) => content(*value).map(Some),
        };
        let inputs: Vec<Option<Tensor>> = node.inputs.iter().map(input).collect::<Option<_>>()?;
        let size = |value: &ValueId| {
            let fact = engine.facts[value.0].as_ref()?;
            let count = product(fact.dims.as_ref()?)?.value()?;
            u64::try_from(count).ok()?.checked_mul(fact.dtype.size().unwrap_or(16) as u64)
        };
        let sizes: Vec<u64> = node.outputs.iter().flatten().map(size).collect::<Option<_>>()?;
        if sizes.iter().any(|size| *size > LARGEST.min(self.left)) || work(node, &inputs, &sizes) > WORK {
            return None;
        }
        let results = self.fold.fold(node, &inputs)?;
        let missing = node.outputs.iter().skip(results.len()).any(Option::is_some);
        if missing { None } else { self.keep(results) }
    }

    fn keep(&mut self, results: Vec<Tensor>) -> Option<Vec<Tensor>> {
        let size = results.iter().map(|tensor| tensor.data().len() as u64).sum::<u64>();
        self.left = self.left.checked_sub(size)?;
        Some(results)
    }

    fn subgraphs(&mut self, node: &mut Node, engine: &Engine<'_>) {
        for attribute in node.attributes.values_mut() {
            let Attribute::Graph(graph) = attribute else { continue };
            let graph = Arc::make_mut(graph);
            let constant = |value: ValueId| match &engine.facts[value.0] {
                Some(fact @ Fact { content: Content::Tensor(_), .. }) => Some(fact.clone()),
                _ => None,
            };
            let captured = graph.captures.iter().filter_map(|capture| Some((capture.inner, constant(capture.outer)?)));
            let captured = captured.collect();
            self.graph(graph, &captured);
        }
    }
}

/// Multiplications of a matrix product; nothing else that is folded takes more than its bytes say.
fn work(node: &Node, inputs: &[Option<Tensor>], sizes: &[u64]) -> f64 {
    if !matches!(&*node.operator, "MatMul" | "Gemm") {
        return 0.0;
    }
    let elements = |index: usize| inputs.get(index).and_then(Option::as_ref).map_or(1, Tensor::elements) as f64;
    (elements(0) * elements(1) * sizes.first().map_or(1.0, |size| *size as f64 / 4.0)).sqrt()
}
