//! Walks a graph and collects what is known of its values.

use std::collections::HashMap;

use scorehost_core::Tensor;

use super::context::{Content, Context, Fact, Stop};
use super::dim::{Dim, Dims, Symbols};
use super::flow::{Flow, Flows};
use super::{integers, table};
use crate::{Fold, Graph, GraphError, Initialiser, Node, Unbatchable, ValueId};

/// Dimensions that a value may have; of others nothing is told.
pub(crate) const RANK: usize = 64;
/// Elements of constants that are computed to learn shapes.
const SMALL: u64 = 4096;
/// Values and nodes of subgraphs that are looked at in one walk of a graph.
const INSIDE: u64 = 1 << 18;

/// What is known while a graph is walked.
pub(crate) struct Engine<'a> {
    pub(super) fold: &'a dyn Fold,
    /// Values and nodes of subgraphs that may still be looked at, once for each round of a loop.
    pub(super) left: u64,
    pub(crate) symbols: Symbols,
    pub(crate) facts: Vec<Option<Fact>>,
    /// By value; all [`Flow::Same`] where rows are not followed.
    pub(crate) flows: Vec<Flow>,
}

impl<'a> Engine<'a> {
    /// An engine that knows the graph's constants.
    pub(crate) fn new(graph: &Graph, fold: &'a dyn Fold) -> Self {
        let mut facts = vec![None; graph.values.len()];
        for (value, initialiser) in &graph.initialisers {
            facts[value.0] = match initialiser {
                Initialiser::Tensor(tensor) => Some(Fact::constant(tensor.clone())),
                Initialiser::External(external) => {
                    let dims = external.shape.iter().map(|dim| Dim::size(*dim)).collect();
                    Some(Fact::new(external.dtype, Some(dims)))
                }
                Initialiser::Unsupported { .. } => None,
            };
            facts[value.0] = facts[value.0].take().and_then(limited);
        }
        Self { fold, left: INSIDE, symbols: Symbols::default(), flows: vec![Flow::Same; facts.len()], facts }
    }

    /// Takes the inputs as the signature has them, free dimensions as sizes that are not known; the first one is `first`'s.
    pub(crate) fn take_inputs(&mut self, graph: &Graph, first: Option<&Dim>) {
        let mut named: HashMap<&str, Dim> = HashMap::new();
        for (index, (value, spec)) in graph.inputs.iter().zip(&graph.signature.inputs).enumerate() {
            let names = graph.dimension_names.get(index).map_or(&[][..], |names| names);
            let mut dims = Dims::new();
            for (at, dim) in spec.shape.iter().enumerate() {
                let name = names.get(at).and_then(Option::as_deref);
                dims.push(match (dim, first, name) {
                    (0.., ..) => Dim::known(*dim),
                    (_, Some(first), _) if at == 0 => first.clone(),
                    (_, _, Some(name)) => named.entry(name).or_insert_with(|| self.symbols.size()).clone(),
                    (_, _, None) => self.symbols.size(),
                });
            }
            self.facts[value.0] = limited(Fact::new(spec.dtype, Some(dims)));
        }
    }

    /// Learns what a node's outputs are.
    pub(crate) fn learn(&mut self, node: &Node) -> Result<(), GraphError> {
        let outputs = self.outputs(node).map_err(|problem| GraphError::Shapes {
            node: node.name.to_string(),
            operator: node.id().to_string(),
            problem,
        })?;
        for (value, fact) in node.outputs.iter().zip(outputs) {
            if let Some(value) = value {
                self.facts[value.0] = fact;
            }
        }
        Ok(())
    }

    fn outputs(&mut self, node: &Node) -> Result<Vec<Option<Fact>>, String> {
        if node.subgraphs().next().is_some() {
            return Ok(self.inside(node).into_iter().map(|fact| fact.and_then(limited)).collect());
        }
        let Self { fold, symbols, facts, .. } = self;
        let inputs: Vec<Option<&Fact>> = node.inputs.iter().map(|value| facts[(*value)?.0].as_ref()).collect();
        let mut context = Context { node, inputs: &inputs, symbols };
        if let Some(fact) = integers::evaluate(&mut context) {
            return Ok(vec![Some(fact)]);
        }
        let operator = table::find(node);
        let answer = operator.map_or(Err(Stop::Unknown), |operator| (operator.infer)(&mut context));
        let outputs = match answer {
            Ok(outputs) => outputs.into_iter().map(|fact| fact.and_then(limited)).collect(),
            Err(Stop::Unknown) => Vec::new(),
            Err(Stop::Wrong(problem)) => return Err(problem),
        };
        if operator.is_some_and(|operator| operator.folds)
            && let Some(results) = computed(*fold, node, &inputs, &outputs)
        {
            return Ok(results.into_iter().map(|tensor| limited(Fact::constant(tensor))).collect());
        }
        Ok(outputs)
    }

    /// Learns how rows flow through a node whose outputs have been learned.
    pub(crate) fn follow(&mut self, node: &Node) -> Result<(), Unbatchable> {
        let refuse = |reason: String| Unbatchable { place: format!("{} ({})", node.name, node.operator), reason };
        let outside = node.uses().any(|value| self.flows[value.0] != Flow::Same);
        let outputs: Vec<Option<Fact>> =
            node.outputs.iter().map(|value| value.and_then(|value| self.facts[value.0].clone())).collect();
        let integers = |fact: &Option<Fact>| match fact.as_ref().map(|fact| &fact.content) {
            Some(Content::Integers(values)) if values.iter().any(Dim::depends_on_batch) => Some(Flow::Count),
            Some(Content::Integers(_) | Content::Tensor(_)) => Some(Flow::Same),
            _ => None,
        };
        if let Some(first) = outputs.first().and_then(integers).filter(|_| node.outputs.len() == 1) {
            self.set(node, |_| first);
            return Ok(());
        }
        if !outside {
            return if is_random(node) { Err(refuse("is random".to_owned())) } else { Ok(()) };
        }
        let operator = table::find(node).ok_or_else(|| refuse("is not known to keep rows apart".to_owned()))?;
        let inputs: Vec<Option<&Fact>> = node.inputs.iter().map(|value| self.facts[(*value)?.0].as_ref()).collect();
        let flows: Vec<Flow> =
            node.inputs.iter().map(|value| value.map_or(Flow::Same, |value| self.flows[value.0])).collect();
        let sizes = inputs.iter().zip(&flows).filter_map(|(fact, flow)| match flow {
            Flow::Rows(axis) => fact.and_then(|fact| fact.dims.as_ref()?.get(*axis)),
            Flow::Same | Flow::Count => None,
        });
        let mut sizes: Vec<&Dim> = sizes.collect();
        sizes.dedup();
        if sizes.len() > 1 {
            return Err(refuse("takes rows of which one row of the batch has different numbers".to_owned()));
        }
        let axes =
            (operator.rows)(&Flows { node, inputs: &inputs, flows: &flows, outputs: &outputs }).map_err(refuse)?;
        let axis = |index: usize| axes.get(index).or(axes.last()).copied().unwrap_or(0);
        for (index, output) in outputs.iter().enumerate().filter(|(index, _)| node.output(*index).is_some()) {
            let dims = output.as_ref().and_then(|fact| fact.dims.as_ref());
            let dims = dims.ok_or_else(|| refuse("has an output whose rank is not known".to_owned()))?;
            let wrong =
                |(at, dim): (usize, &Dim)| if at == axis(index) { !dim.is_batches() } else { dim.depends_on_batch() };
            if axis(index) >= dims.len() || dims.iter().enumerate().any(wrong) {
                return Err(refuse(format!("has the output {}, in which the batch is lost", super::dim::shown(dims))));
            }
        }
        self.set(node, |index| Flow::Rows(axis(index)));
        Ok(())
    }

    fn set(&mut self, node: &Node, flow: impl Fn(usize) -> Flow) {
        for (index, value) in node.outputs.iter().enumerate() {
            if let Some(ValueId(value)) = value {
                self.flows[*value] = flow(index);
            }
        }
    }
}

/// Whether a node's result may be another one each time.
pub(crate) fn is_random(node: &Node) -> bool {
    let names = ["RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"];
    let draws = node.domain.is_empty() && names.contains(&&*node.operator);
    let trains = node.is("Dropout") && node.input(2).is_some();
    draws || trains || node.subgraphs().any(|graph| graph.nodes.iter().any(is_random))
}

/// A fact about dimensions that can be.
fn limited(fact: Fact) -> Option<Fact> {
    let possible = |dims: &Dims| dims.len() <= RANK && dims.iter().all(|dim| !dim.is_negative());
    fact.dims.as_ref().is_none_or(possible).then_some(fact)
}

/// The results of a small computation with constants.
fn computed(fold: &dyn Fold, node: &Node, inputs: &[Option<&Fact>], outputs: &[Option<Fact>]) -> Option<Vec<Tensor>> {
    let constant = |(fact, value): (&Option<&Fact>, &Option<ValueId>)| match (fact, value) {
        (_, None) => Some(None),
        (Some(Fact { content: Content::Tensor(tensor), .. }), Some(_)) if tensor.elements() <= SMALL => {
            Some(Some(tensor.clone()))
        }
        _ => None,
    };
    let inputs: Vec<Option<Tensor>> = inputs.iter().zip(&node.inputs).map(constant).collect::<Option<_>>()?;
    let small = |fact: &Option<Fact>| {
        let dims = fact.as_ref().and_then(|fact| fact.dims.as_ref());
        dims.and_then(|dims| super::dim::product(dims)?.value()).is_some_and(|count| count as u64 <= SMALL)
    };
    // What depends on data is no larger than its input, times its rank.
    if !outputs.iter().all(small) && !node.is("NonZero") || outputs.is_empty() {
        return None;
    }
    fold.fold(node, &inputs)
}
