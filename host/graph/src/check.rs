//! Structure of a model: names, order, tensors, and what would make a runtime compute for ever.

mod functions;
#[cfg(test)]
mod tests;
mod trees;

use std::collections::HashSet;

use crate::GraphError;
use crate::external::Folder;
use crate::onnx::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetId, TensorProto, attribute_kind,
};
use crate::tensor;

/// Refuses models that are not sound; returns the bytes of all their tensors.
pub(crate) fn model(proto: &ModelProto, folder: Folder<'_>) -> Result<u64, GraphError> {
    let graph = proto.graph.as_ref().ok_or(GraphError::NoGraph)?;
    if graph.output.is_empty() {
        return Err(GraphError::NoOutputs);
    }
    operator_sets(proto)?;
    functions::check(proto)?;
    let own: HashSet<&str> = proto.functions.iter().map(|function| &*function.domain).collect();
    let domains = |sets: &'_ [OperatorSetId]| -> HashSet<String> {
        sets.iter().map(|set| &*set.domain).chain(own.iter().copied()).map(|name| normal(name).to_owned()).collect()
    };
    let mut checker = Checker { folder, bytes: 0, domains: HashSet::new() };
    for function in &proto.functions {
        checker.domains = domains(&function.opset_import);
        checker.function(function)?;
    }
    checker.domains = domains(&proto.opset_import);
    checker.graph(graph, None)?;
    Ok(checker.bytes)
}

fn operator_sets(proto: &ModelProto) -> Result<(), GraphError> {
    if proto.opset_import.is_empty() {
        return Err(GraphError::NoOperatorSet { node: "graph".to_owned(), domain: String::new() });
    }
    let bad = proto.opset_import.iter().find(|set| set.version < 1);
    bad.map_or(Ok(()), |set| Err(GraphError::OperatorSetVersion { domain: set.domain.clone(), version: set.version }))
}

/// `ai.onnx` is another name of the standard domain.
pub(crate) fn normal(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// How messages call a node: its name, else its operator.
pub(crate) fn label(node: &NodeProto) -> String {
    if node.name.is_empty() { format!("of operator {}", node.op_type) } else { node.name.clone() }
}

/// Names defined in a graph, and those of the graphs around it.
struct Scope<'a> {
    defined: HashSet<&'a str>,
    outer: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    fn define(&mut self, name: &'a str, what: &'static str) -> Result<(), GraphError> {
        if name.is_empty() || name.contains('\0') {
            return Err(GraphError::Name(what));
        }
        if self.defined.insert(name) { Ok(()) } else { Err(GraphError::Duplicate(name.to_owned())) }
    }

    fn knows(&self, name: &str) -> bool {
        self.defined.contains(name) || self.outer.is_some_and(|outer| outer.knows(name))
    }
}

struct Checker<'f> {
    folder: Folder<'f>,
    bytes: u64,
    /// Domains that the nodes at hand may use.
    domains: HashSet<String>,
}

impl Checker<'_> {
    fn graph(&mut self, graph: &GraphProto, outer: Option<&Scope<'_>>) -> Result<(), GraphError> {
        let mut scope = Scope { defined: HashSet::new(), outer };
        self.initialisers(graph, &mut scope)?;
        let mut inputs = HashSet::new();
        for input in &graph.input {
            if !inputs.insert(&*input.name) {
                return Err(GraphError::Duplicate(input.name.clone()));
            }
            // An input with an initialiser is an input with a default.
            if !scope.defined.contains(&*input.name) {
                scope.define(&input.name, "an input")?;
            }
        }
        self.nodes(&graph.node, &mut scope)?;
        let mut outputs = HashSet::new();
        for output in &graph.output {
            if !outputs.insert(&*output.name) {
                return Err(GraphError::Duplicate(output.name.clone()));
            }
            if !scope.knows(&output.name) {
                return Err(undefined("the graph's output", &output.name));
            }
        }
        Ok(())
    }

    fn initialisers<'a>(&mut self, graph: &'a GraphProto, scope: &mut Scope<'a>) -> Result<(), GraphError> {
        for tensor in &graph.initializer {
            scope.define(&tensor.name, "an initialiser")?;
            self.tensor(tensor)?;
        }
        for sparse in &graph.sparse_initializer {
            let values = sparse.values.as_ref().ok_or(GraphError::Name("a sparse initialiser"))?;
            scope.define(&values.name, "a sparse initialiser")?;
            tensor::dimensions(&values.name, &sparse.dims)?;
            self.tensor(values)?;
            sparse.indices.as_ref().map_or(Ok(()), |indices| self.tensor(indices))?;
        }
        Ok(())
    }

    fn function(&mut self, function: &FunctionProto) -> Result<(), GraphError> {
        let mut scope = Scope { defined: HashSet::new(), outer: None };
        for input in &function.input {
            scope.define(input, "a function's input")?;
        }
        self.nodes(&function.node, &mut scope)?;
        function.attribute_proto.iter().try_for_each(|attribute| self.attribute(attribute, &function.name, &scope))?;
        let missing = function.output.iter().find(|output| !scope.knows(output));
        missing.map_or(Ok(()), |output| Err(undefined("a function's output", output)))
    }

    fn nodes<'a>(&mut self, nodes: &'a [NodeProto], scope: &mut Scope<'a>) -> Result<(), GraphError> {
        for (index, node) in nodes.iter().enumerate() {
            if !self.domains.contains(normal(&node.domain)) {
                return Err(GraphError::NoOperatorSet { node: label(node), domain: node.domain.clone() });
            }
            for input in node.input.iter().filter(|input| !input.is_empty()) {
                if !scope.knows(input) {
                    return Err(too_early(node, input, &nodes[index..]));
                }
            }
            for attribute in &node.attribute {
                self.attribute(attribute, &node.name, scope)?;
            }
            if node.domain == "ai.onnx.ml" {
                trees::check(node)?;
            }
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                scope.define(output, "a node's output")?;
            }
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: &AttributeProto, node: &str, scope: &Scope<'_>) -> Result<(), GraphError> {
        let missing = match attribute.kind {
            _ if !attribute.ref_attr_name.is_empty() => false,
            attribute_kind::TENSOR => attribute.t.is_none(),
            attribute_kind::GRAPH => attribute.g.is_none(),
            _ => false,
        };
        if missing || attribute.name.is_empty() {
            return Err(GraphError::Attribute { node: node.to_owned(), attribute: attribute.name.clone() });
        }
        let sparse = attribute.sparse_tensor.as_deref().into_iter().chain(&attribute.sparse_tensors);
        let parts = sparse.flat_map(|sparse| sparse.values.iter().chain(&sparse.indices));
        for tensor in attribute.t.as_deref().into_iter().chain(&attribute.tensors).chain(parts) {
            self.tensor(tensor)?;
        }
        for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
            self.graph(graph, Some(scope))?;
        }
        Ok(())
    }

    fn tensor(&mut self, proto: &TensorProto) -> Result<(), GraphError> {
        self.bytes = self.bytes.saturating_add(tensor::check(proto, self.folder)?);
        Ok(())
    }
}

fn undefined(user: &str, value: &str) -> GraphError {
    GraphError::Undefined { user: user.to_owned(), value: value.to_owned() }
}

/// Tells a value that comes later (or from the node itself) from one that never comes.
fn too_early(node: &NodeProto, value: &str, rest: &[NodeProto]) -> GraphError {
    if rest.iter().any(|later| later.output.iter().any(|output| output == value)) {
        return GraphError::UsedBeforeDefinition { node: label(node), value: value.to_owned() };
    }
    undefined(&format!("node '{}'", label(node)), value)
}
