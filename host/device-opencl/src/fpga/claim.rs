//! Which nodes a program's kernels stand for, and what their arguments are in the graph.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use scorehost_core::{DType, Shape, Tensor};
use scorehost_device::folding;
use scorehost_graph::{Attribute, Graph, Initialiser, Node, ValueId};
use serde_json::Value;

use super::FpgaError;
use super::manifest::{Argument, Implements, KernelSpec, Layout, Manifest, Place};

/// Nodes that one launch of a kernel computes.
#[derive(Debug)]
pub(super) struct Claim {
    /// The kernel's place in the manifest.
    pub(super) kernel: usize,
    /// Places of the nodes in the graph, ascending.
    pub(super) nodes: Vec<usize>,
    /// The value of each argument that is a tensor.
    pub(super) values: Vec<Option<ValueId>>,
}

/// What is known of the graph's values before a call.
pub(super) struct Facts<'g> {
    graph: &'g Graph,
    /// Dtype, and the shape for a call of one row.
    known: Vec<Option<(DType, Option<Shape>)>>,
    constants: HashMap<ValueId, &'g Initialiser>,
    /// The node that makes a value.
    makers: HashMap<ValueId, usize>,
}

impl<'g> Facts<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        let smallest = |spec: &scorehost_core::TensorSpec| -> Option<Shape> {
            let size = |(place, size): (usize, &i64)| {
                if place == 0 && *size < 0 { Some(1) } else { u64::try_from(*size).ok() }
            };
            spec.shape.iter().enumerate().map(size).collect()
        };
        let inputs: Option<Vec<Shape>> = graph.signature.inputs.iter().map(smallest).collect();
        let shapes = inputs.and_then(|inputs| graph.shapes(&inputs, &*folding()).ok());
        let mut known: Vec<Option<(DType, Option<Shape>)>> = match shapes {
            Some(shapes) => {
                shapes.into_iter().map(|shape| shape.map(|shape| (shape.dtype, Some(shape.shape)))).collect()
            }
            None => vec![None; graph.values.len()],
        };
        for (value, spec) in graph.inputs.iter().zip(&graph.signature.inputs) {
            known[value.0].get_or_insert_with(|| (spec.dtype, smallest(spec)));
        }
        let makers = graph
            .nodes
            .iter()
            .enumerate()
            .flat_map(|(place, node)| node.outputs.iter().flatten().map(move |value| (*value, place)));
        let makers = makers.collect();
        let constants = graph.initialisers.iter().map(|(value, initialiser)| (*value, initialiser)).collect();
        Self { graph, known, constants, makers }
    }

    pub(super) fn name(&self, value: ValueId) -> &str {
        &self.graph.values[value.0]
    }

    pub(super) fn maker(&self, value: ValueId) -> Option<usize> {
        self.makers.get(&value).copied()
    }

    pub(super) fn is_constant(&self, value: ValueId) -> bool {
        self.constants.contains_key(&value)
    }

    /// The content of a constant.
    pub(super) fn constant(&self, value: ValueId) -> Result<Tensor, FpgaError> {
        let refused = |problem: String| FpgaError::Constant { name: self.name(value).to_owned(), problem };
        match self.constants.get(&value) {
            Some(Initialiser::Tensor(tensor)) => Ok(tensor.clone()),
            Some(Initialiser::External(external)) => {
                Ok(external.read().map_err(|error| refused(format!("cannot be read: {error}")))??)
            }
            Some(Initialiser::Unsupported { what }) => Err(refused(format!("is {what}"))),
            None => Err(refused("is no constant of the graph".to_owned())),
        }
    }

    /// Bytes of a value in a call of one row, where they are known.
    pub(super) fn bytes(&self, value: ValueId) -> Option<u64> {
        let (dtype, shape) = self.known[value.0].as_ref()?;
        shape.as_ref()?.iter().try_fold(dtype.size()? as u64, |bytes, dim| bytes.checked_mul(*dim))
    }

    /// Why a value is not of a layout, as far as that is known; its rows otherwise.
    fn check(&self, value: ValueId, layout: &Layout) -> Result<Option<u64>, String> {
        let shown = |dtype: &DType, shape: &dyn std::fmt::Debug| {
            Err(format!("'{}' is {dtype} {shape:?}, the kernel takes {layout}", self.name(value)))
        };
        if let Some(initialiser) = self.constants.get(&value) {
            let (dtype, shape) = match initialiser {
                Initialiser::Tensor(tensor) => (tensor.dtype(), tensor.shape()),
                Initialiser::External(external) => (external.dtype, external.shape.as_slice()),
                Initialiser::Unsupported { what } => return Err(format!("constant '{}' is {what}", self.name(value))),
            };
            let same = dtype == layout.dtype && layout.rows(shape).is_some();
            return if same { Ok(None) } else { shown(&dtype, &shape) };
        }
        match &self.known[value.0] {
            None => Ok(None),
            Some((dtype, Some(shape))) => match layout.rows(shape) {
                Some(rows) if *dtype == layout.dtype => Ok(layout.has_rows().then_some(rows)),
                _ => shown(dtype, shape),
            },
            Some((dtype, None)) if *dtype == layout.dtype => Ok(None),
            Some((dtype, None)) => shown(dtype, &"of unknown shape"),
        }
    }
}

/// The nodes that a manifest's kernels stand for.
///
/// # Errors
/// `Kernel` where one fits nothing, or does not fit what it names.
pub(super) fn claims(facts: &Facts<'_>, manifest: &Manifest, file: &str) -> Result<Vec<Claim>, FpgaError> {
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for (kernel, spec) in manifest.kernels.iter().enumerate() {
        let claimed = claimed(facts, kernel, spec, &taken).map_err(|problem| FpgaError::Kernel {
            file: file.to_owned(),
            kernel: spec.name.clone(),
            problem,
        })?;
        for claim in claimed {
            same_dtypes(facts, &all, &claim, manifest).map_err(|problem| FpgaError::Kernel {
                file: file.to_owned(),
                kernel: spec.name.clone(),
                problem,
            })?;
            taken.extend(claim.nodes.iter().map(|node| (*node, kernel)));
            all.push(claim);
        }
    }
    Ok(all)
}

/// Whether a value that goes from one kernel to another has one dtype in both.
fn same_dtypes(facts: &Facts<'_>, others: &[Claim], claim: &Claim, manifest: &Manifest) -> Result<(), String> {
    let dtypes = |claim: &Claim| -> Vec<(ValueId, DType)> {
        let arguments = manifest.kernels[claim.kernel].arguments.iter().zip(&claim.values);
        arguments.filter_map(|(argument, value)| Some(((*value)?, argument.layout()?.dtype))).collect()
    };
    let known: HashMap<ValueId, DType> = others.iter().flat_map(dtypes).collect();
    match dtypes(claim).into_iter().find(|(value, dtype)| known.get(value).is_some_and(|other| other != dtype)) {
        Some((value, dtype)) => {
            Err(format!("'{}' is {dtype} here and {} in another kernel", facts.name(value), known[&value]))
        }
        None => Ok(()),
    }
}

fn claimed(
    facts: &Facts<'_>,
    kernel: usize,
    spec: &KernelSpec,
    taken: &BTreeMap<usize, usize>,
) -> Result<Vec<Claim>, String> {
    let nodes = &facts.graph.nodes;
    match &spec.implements {
        Implements::Model => group(facts, kernel, spec, (0..nodes.len()).collect(), taken).map(|claim| vec![claim]),
        Implements::Nodes(names) => {
            let wanted = names.iter().map(|name| node_named(nodes, name)).collect::<Result<BTreeSet<_>, _>>()?;
            group(facts, kernel, spec, wanted, taken).map(|claim| vec![claim])
        }
        Implements::Operator { name, domain, attributes } => {
            let is = |node: &Node| *node.operator == **name && *node.domain == **domain;
            let places = (0..nodes.len()).filter(|place| is(&nodes[*place]) && !taken.contains_key(place));
            let mut fitting = Vec::new();
            let mut reason = format!("the graph has no '{name}' that no other kernel stands for");
            for place in places {
                let node = &nodes[place];
                match same_attributes(node, attributes).and_then(|()| single(facts, kernel, spec, place)) {
                    Ok(claim) => fitting.push(claim),
                    Err(problem) => {
                        reason = format!("no '{name}' of the graph fits it; node '{}': {problem}", node.name)
                    }
                }
            }
            if fitting.is_empty() { Err(reason) } else { Ok(fitting) }
        }
    }
}

fn node_named(nodes: &[Node], name: &str) -> Result<usize, String> {
    let mut named = (0..nodes.len()).filter(|place| *nodes[*place].name == *name);
    match (named.next(), named.next()) {
        (Some(place), None) => Ok(place),
        (Some(_), Some(_)) => Err(format!("the graph has several nodes '{name}'")),
        (None, _) => Err(format!("the graph has no node '{name}'")),
    }
}

/// A kernel over nodes by name: its inputs and outputs are where values cross the group's border.
fn group(
    facts: &Facts<'_>,
    kernel: usize,
    spec: &KernelSpec,
    nodes: BTreeSet<usize>,
    taken: &BTreeMap<usize, usize>,
) -> Result<Claim, String> {
    let graph = facts.graph;
    if let Some(node) = nodes.iter().find(|node| taken.contains_key(node)) {
        return Err(format!("another kernel stands for node '{}' already", graph.nodes[*node].name));
    }
    let inside = |value: ValueId| facts.maker(value).is_some_and(|maker| nodes.contains(&maker));
    let read: BTreeSet<ValueId> = nodes
        .iter()
        .flat_map(|node| graph.nodes[*node].uses())
        .filter(|value| !inside(*value) && !facts.is_constant(*value))
        .collect();
    let outside = (0..graph.nodes.len()).filter(|node| !nodes.contains(node));
    let needed: BTreeSet<ValueId> = outside
        .flat_map(|node| graph.nodes[node].uses())
        .chain(graph.outputs.iter().copied())
        .filter(|value| inside(*value))
        .collect();
    let by_name: HashMap<&str, ValueId> = (0..graph.values.len()).map(|id| (&*graph.values[id], ValueId(id))).collect();
    let find = |name: &str| by_name.get(name).copied().ok_or_else(|| format!("the graph has no value '{name}'"));
    let mut values = Vec::new();
    for argument in &spec.arguments {
        let value = match argument {
            Argument::Input(Place::Name(name), _) => {
                let value = find(name)?;
                if facts.is_constant(value) {
                    return Err(format!("'{name}' is a constant; give it as {{\"constant\": \"{name}\"}}"));
                }
                if !read.contains(&value) {
                    return Err(format!("'{name}' is no input of its nodes; they read {}", listed(facts, &read)));
                }
                Some(value)
            }
            Argument::Output(Place::Name(name), _) => {
                let value = find(name)?;
                if !inside(value) {
                    return Err(format!("'{name}' is not computed by its nodes"));
                }
                Some(value)
            }
            Argument::Constant(name, _) => Some(constant(facts, find(name)?)?),
            _ => None,
        };
        values.push(value);
    }
    let given: BTreeSet<ValueId> = values.iter().flatten().copied().collect();
    let missing: BTreeSet<ValueId> = read.union(&needed).filter(|value| !given.contains(value)).copied().collect();
    if !missing.is_empty() {
        return Err(format!(
            "its arguments lack {}, which its nodes read from others or compute for them",
            listed(facts, &missing)
        ));
    }
    finish(facts, kernel, spec, nodes.into_iter().collect(), values)
}

fn constant(facts: &Facts<'_>, value: ValueId) -> Result<ValueId, String> {
    match facts.is_constant(value) {
        true => Ok(value),
        false => Err(format!("'{}' is no constant of the graph", facts.name(value))),
    }
}

/// A kernel over one node: arguments are the node's inputs and outputs by place.
fn single(facts: &Facts<'_>, kernel: usize, spec: &KernelSpec, place: usize) -> Result<Claim, String> {
    let node = &facts.graph.nodes[place];
    let mut values = Vec::new();
    for argument in &spec.arguments {
        let value = match argument {
            Argument::Input(Place::Index(index), _) => {
                Some(node.input(*index).ok_or_else(|| format!("it has no input {index}"))?)
            }
            Argument::Output(Place::Index(index), _) => {
                Some(node.output(*index).ok_or_else(|| format!("it has no output {index}"))?)
            }
            Argument::Constant(name, _) => {
                let named = facts.graph.values.iter().position(|known| **known == **name);
                Some(constant(facts, named.map(ValueId).ok_or_else(|| format!("the graph has no value '{name}'"))?)?)
            }
            _ => None,
        };
        values.push(value);
    }
    let given: BTreeSet<ValueId> = values.iter().flatten().copied().collect();
    let all: BTreeSet<ValueId> = node.uses().chain(node.outputs.iter().flatten().copied()).collect();
    let missing: BTreeSet<ValueId> = all.difference(&given).copied().collect();
    if !missing.is_empty() {
        return Err(format!("the kernel's arguments lack {}", listed(facts, &missing)));
    }
    finish(facts, kernel, spec, vec![place], values)
}

/// Checks all tensors against what is known of the values, and that they agree in their rows.
fn finish(
    facts: &Facts<'_>,
    kernel: usize,
    spec: &KernelSpec,
    nodes: Vec<usize>,
    values: Vec<Option<ValueId>>,
) -> Result<Claim, String> {
    let mut rows: Option<u64> = None;
    for (argument, value) in spec.arguments.iter().zip(&values) {
        let (Some(layout), Some(value)) = (argument.layout(), value) else { continue };
        let its = facts.check(*value, layout)?;
        if facts.is_constant(*value) && layout.has_rows() {
            return Err(format!("'{}' is a constant, whose shape has no \"batch\"", facts.name(*value)));
        }
        match (rows, its) {
            (Some(first), Some(its)) if first != its => {
                return Err(format!("'{}' has {its} rows where another argument has {first}", facts.name(*value)));
            }
            (None, its) => rows = its,
            _ => {}
        }
    }
    let input_rows = spec.arguments.iter().zip(&values).any(|(argument, value)| {
        matches!(argument, Argument::Input(_, layout) if layout.has_rows())
            && value.is_some_and(|value| !facts.is_constant(value))
    });
    if spec.has_rows() && !input_rows {
        return Err("none of its inputs has \"batch\" as its first size, so a call would not tell the rows".to_owned());
    }
    Ok(Claim { kernel, nodes, values })
}

fn listed(facts: &Facts<'_>, values: &BTreeSet<ValueId>) -> String {
    values.iter().map(|value| format!("'{}'", facts.name(*value))).collect::<Vec<_>>().join(", ")
}

/// Whether a node has exactly these attributes: one that the manifest does not name may change what the node computes.
fn same_attributes(node: &Node, wanted: &BTreeMap<String, Value>) -> Result<(), String> {
    for (name, attribute) in &node.attributes {
        let Some(value) = wanted.get(&**name) else {
            return Err(format!("it has the attribute '{name}', which the kernel does not name"));
        };
        if !same(attribute, value) {
            return Err(format!("its attribute '{name}' is not {value}"));
        }
    }
    match wanted.keys().find(|name| !node.attributes.contains_key(name.as_str())) {
        Some(name) => Err(format!("it has no attribute '{name}'")),
        None => Ok(()),
    }
}

fn same(attribute: &Attribute, value: &Value) -> bool {
    match attribute {
        Attribute::Int(int) => value.as_i64() == Some(*int),
        Attribute::Float(float) => value.as_f64().is_some_and(|value| value as f32 == *float),
        Attribute::String(text) => value.as_str().is_some_and(|value| value.as_bytes() == &text[..]),
        Attribute::Ints(ints) => value.as_array().is_some_and(|list| {
            list.len() == ints.len() && list.iter().zip(ints).all(|(value, int)| value.as_i64() == Some(*int))
        }),
        Attribute::Floats(floats) => value.as_array().is_some_and(|list| {
            let equal = |(value, float): (&Value, &f32)| value.as_f64().is_some_and(|value| value as f32 == *float);
            list.len() == floats.len() && list.iter().zip(floats).all(equal)
        }),
        _ => false,
    }
}
