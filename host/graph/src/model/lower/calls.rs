//! Calls of a model's own functions, which are inlined.

use std::collections::HashMap;
use std::sync::Arc;

use super::Lowering;
use super::scope::Frame;
use crate::check::{label, normal};
use crate::onnx::{FunctionProto, ModelProto, NodeProto, OperatorSetId};
use crate::{Attribute, GraphError, Node};

/// Bytes that inlined nodes and their attributes may take together; [`crate::check`] bounds their number.
const COPIED: u64 = 256 << 20;

/// Calls and subgraphs inside one another.
const DEPTH: usize = 100;

type Key<'a> = (&'a str, &'a str, &'a str);

/// Functions by domain, name and overload.
pub(super) type Functions<'a> = HashMap<Key<'a>, &'a FunctionProto>;

pub(super) fn key<'a>(domain: &'a str, name: &'a str, overload: &'a str) -> Key<'a> {
    (normal(domain), name, overload)
}

pub(super) fn functions(model: &ModelProto) -> Functions<'_> {
    model
        .functions
        .iter()
        .map(|function| (key(&function.domain, &function.name, &function.overload), function))
        .collect()
}

pub(super) fn opsets(sets: &[OperatorSetId]) -> HashMap<String, i64> {
    sets.iter().map(|set| (normal(&set.domain).to_owned(), set.version)).collect()
}

impl<'a> Lowering<'a> {
    /// Puts a function's nodes in the place of a call.
    pub(super) fn call(&mut self, node: &'a NodeProto, function: &'a FunctionProto) -> Result<(), GraphError> {
        let mut attributes = HashMap::new();
        for attribute in node.attribute.iter().chain(&function.attribute_proto) {
            // The call's own come first, the function's defaults behind them.
            if attributes.contains_key(&attribute.name) {
                continue;
            }
            if let Some(value) = self.attribute(attribute)? {
                attributes.insert(attribute.name.clone(), value);
            }
        }
        let arguments = self.optional(&node.input)?;
        let all = arguments.into_iter().chain(std::iter::repeat(None));
        let names = function.input.iter().map(|name| name.as_str().into()).zip(all).collect();
        let call = self.frame()?.named(if node.name.is_empty() { &node.op_type } else { &node.name });
        let (opsets, attributes) = (Arc::new(opsets(&function.opset_import)), Arc::new(attributes));
        self.level()?.frames.push(Frame { names, opsets, attributes, call: Some(call), open: false });
        self.inlining += 1;
        self.nest()?;
        function.node.iter().try_for_each(|inner| self.node(inner))?;
        let results = self.optional(&function.output)?;
        self.inlining -= 1;
        self.level()?.frames.pop();
        for (name, result) in node.output.iter().zip(results).filter(|(name, _)| !name.is_empty()) {
            let missing = || GraphError::Undefined { user: format!("node '{}'", label(node)), value: name.clone() };
            let result = Some(result.ok_or_else(missing)?);
            self.frame()?.names.insert(name.as_str().into(), result);
        }
        Ok(())
    }

    /// Calls and subgraphs nest on this thread's stack, so their depth has a bound.
    pub(super) fn nest(&self) -> Result<(), GraphError> {
        if self.inlining as usize + self.levels.len() > DEPTH {
            return Err(GraphError::TooDeep { limit: DEPTH });
        }
        Ok(())
    }

    /// Counts what an inlined node takes.
    pub(super) fn account(&mut self, node: &Node) -> Result<(), GraphError> {
        if self.inlining == 0 {
            return Ok(());
        }
        let attributes: u64 = node.attributes.values().map(size).sum();
        self.copied += 512 + 16 * (node.inputs.len() + node.outputs.len()) as u64 + attributes;
        if self.copied > COPIED { Err(GraphError::Functions(node.name.to_string())) } else { Ok(()) }
    }
}

/// Bytes of an attribute, those that are shared not counted.
fn size(attribute: &Attribute) -> u64 {
    let elements = match attribute {
        Attribute::Floats(values) => values.len(),
        Attribute::Ints(values) => 2 * values.len(),
        Attribute::Strings(values) => 8 * values.len(),
        _ => 0,
    };
    64 + 4 * elements as u64
}
