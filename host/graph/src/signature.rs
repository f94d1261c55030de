//! What a model takes and returns.

use std::collections::HashSet;
use std::sync::Arc;

use scorehost_core::{Signature, TensorSpec};

use crate::GraphError;
use crate::onnx::{Dimension, GraphProto, ShapeProto, TypeKind, ValueInfoProto};
use crate::tensor::dtype;

/// Inputs without those that have a default (initialisers), and outputs.
pub(crate) fn read(graph: &GraphProto) -> Result<Signature, GraphError> {
    let initialised: HashSet<&str> = graph.initializer.iter().map(|tensor| &*tensor.name).collect();
    let inputs = graph.input.iter().filter(|input| !initialised.contains(&*input.name));
    Ok(Signature {
        inputs: inputs.map(|input| spec(input, Side::Input)).collect::<Result<_, _>>()?,
        outputs: graph.output.iter().map(|output| spec(output, Side::Output)).collect::<Result<_, _>>()?,
    })
}

/// Names of an input's dimensions.
pub(crate) fn dimension_names(graph: &GraphProto, input: &str) -> Vec<Option<Arc<str>>> {
    let info = graph.input.iter().find(|info| info.name == input);
    let shape = match info.and_then(|info| info.value_type.as_ref()?.kind.as_ref()) {
        Some(TypeKind::Tensor(tensor)) => tensor.shape.as_ref(),
        _ => None,
    };
    let name = |kind: &Option<Dimension>| match kind {
        // A question mark is what some exporters call every dimension that they do not know.
        Some(Dimension::Parameter(name)) if !name.is_empty() && name != "?" => Some(Arc::from(name.as_str())),
        _ => None,
    };
    shape.map_or_else(Vec::new, |shape| shape.dim.iter().map(|dim| name(&dim.kind)).collect())
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Input,
    Output,
}

fn spec(info: &ValueInfoProto, side: Side) -> Result<TensorSpec, GraphError> {
    let not_a_tensor = |found| GraphError::NotATensor { name: info.name.clone(), found };
    let tensor = match info.value_type.as_ref().and_then(|value_type| value_type.kind.as_ref()) {
        Some(TypeKind::Tensor(tensor)) => tensor,
        Some(TypeKind::Sequence(_)) => return Err(not_a_tensor("sequence")),
        Some(TypeKind::Map(_)) => return Err(not_a_tensor("map")),
        Some(TypeKind::SparseTensor(_)) => return Err(not_a_tensor("sparse tensor")),
        Some(TypeKind::Optional(_)) => return Err(not_a_tensor("optional value")),
        None => return Err(not_a_tensor("value without a type")),
    };
    let shape = match (&tensor.shape, side) {
        (Some(declared), _) => shape(&info.name, declared)?,
        (None, Side::Input) => return Err(GraphError::NoShape(info.name.clone())),
        // The rank is unknown until the model has run; one free dimension says as little as can be said.
        (None, Side::Output) => vec![-1],
    };
    Ok(TensorSpec { name: info.name.as_str().into(), dtype: dtype(&info.name, tensor.elem_type)?, shape })
}

/// Declared dimensions, -1 for symbolic, missing and negative ones; refuses a product that no tensor can have.
fn shape(name: &str, declared: &ShapeProto) -> Result<Vec<i64>, GraphError> {
    let dims: Vec<i64> = declared
        .dim
        .iter()
        .map(|dim| match &dim.kind {
            Some(Dimension::Value(value)) => (*value).max(-1),
            Some(Dimension::Parameter(_)) | None => -1,
        })
        .collect();
    let fixed: Vec<i64> = dims.iter().copied().filter(|dim| *dim >= 0).collect();
    crate::tensor::dimensions(name, &fixed)
        .map_err(|_| GraphError::Dimensions { name: name.to_owned(), dims: dims.clone() })?;
    Ok(dims)
}
