//! `Constant` nodes, in all their forms.

use bytes::Bytes;
use scorehost_core::{DType, Tensor, TensorError};

use super::Lowering;
use crate::check::label;
use crate::onnx::NodeProto;
use crate::{Attribute, GraphError, Initialiser};

impl<'a> Lowering<'a> {
    /// Turns a `Constant` node into a constant value.
    pub(super) fn constant_node(&mut self, proto: &'a NodeProto) -> Result<(), GraphError> {
        let malformed = |name: &str| GraphError::Attribute { node: label(proto), attribute: name.to_owned() };
        let attribute = proto.attribute.first().ok_or_else(|| malformed("value"))?;
        let output = proto.output.first().ok_or_else(|| malformed("output"))?;
        let content = match self.attribute(attribute)? {
            Some(value) => content(value).map_err(|error| GraphError::Tensor { name: output.clone(), error })?,
            None => return Err(malformed(&attribute.name)),
        };
        self.constant(output, content)
    }
}

fn content(value: Attribute) -> Result<Initialiser, TensorError> {
    let one: &[u64] = &[];
    let tensor = match value {
        Attribute::Tensor(content) => return Ok(content),
        Attribute::Float(value) => Tensor::from_f32(one, &[value])?,
        Attribute::Int(value) => ints(one, &[value])?,
        Attribute::String(value) => Tensor::from_byte_strings(one, [value])?,
        Attribute::Floats(values) => Tensor::from_f32([values.len() as u64].as_slice(), &values)?,
        Attribute::Ints(values) => ints(&[values.len() as u64], &values)?,
        Attribute::Strings(values) => Tensor::from_byte_strings([values.len() as u64].as_slice(), values)?,
        Attribute::Graph(_) | Attribute::Unsupported => {
            return Ok(Initialiser::Unsupported { what: "a sparse tensor" });
        }
    };
    Ok(Initialiser::Tensor(tensor))
}

fn ints(shape: &[u64], values: &[i64]) -> Result<Tensor, TensorError> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor::new(DType::I64, shape, Bytes::from(data))
}
