//! Operators that are several others: nodes that the graph does not have are lowered one after the other, and what depends on
//! constants alone is computed while planning, as everywhere.

use std::sync::Arc;

use scorehost_core::{DType, Tensor};
use scorehost_graph::{Attribute, Node, ValueId};

use crate::planner::{Planner, Value};

/// The operator set whose meaning the parts have.
const OPSET: i64 = 23;

/// An attribute of a part.
pub(super) type Setting<'s> = (&'s str, Attribute);

pub(super) fn number(value: i64) -> Attribute {
    Attribute::Int(value)
}

pub(super) fn list(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// The attribute of a dimension.
pub(super) fn along(d: usize) -> Setting<'static> {
    ("axis", number(d as i64))
}

impl Planner<'_> {
    /// The first output of an operator of the standard domain.
    pub(super) fn apply(
        &mut self,
        operator: &str,
        inputs: &[ValueId],
        settings: &[Setting<'_>],
    ) -> Result<ValueId, String> {
        let inputs: Vec<Option<ValueId>> = inputs.iter().copied().map(Some).collect();
        self.apply_in("", operator, &inputs, settings)
    }

    /// The first output of an operator, some of whose inputs may be left out.
    pub(super) fn apply_in(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[Option<ValueId>],
        settings: &[Setting<'_>],
    ) -> Result<ValueId, String> {
        let output = self.fresh(None);
        let node = Node {
            name: self.current(),
            domain: Arc::from(domain),
            operator: Arc::from(operator),
            opset: OPSET,
            inputs: inputs.to_vec(),
            outputs: vec![Some(output)],
            attributes: settings.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect(),
        };
        self.lower_part(&node).map_err(|problem| format!("as {operator}: {problem}"))?;
        Ok(output)
    }

    /// A constant.
    pub(super) fn known(&mut self, tensor: Tensor) -> ValueId {
        self.fresh(Some(Value::Host(tensor)))
    }

    pub(super) fn known_ints(&mut self, shape: &[u64], values: &[i64]) -> Result<ValueId, String> {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let tensor = Tensor::new(DType::I64, shape, data.into()).map_err(|error| error.to_string())?;
        Ok(self.known(tensor))
    }

    /// Numbers as elements of any dtype.
    pub(super) fn known_numbers(&mut self, dtype: DType, shape: &[u64], values: &[f64]) -> Result<ValueId, String> {
        let tensor = tensor(dtype, shape, values)?;
        Ok(self.known(tensor))
    }

    /// A single number, which broadcasts to any shape.
    pub(super) fn scalar(&mut self, dtype: DType, value: f64) -> Result<ValueId, String> {
        self.known_numbers(dtype, &[], &[value])
    }

    pub(super) fn reshape_to(&mut self, id: ValueId, shape: &[u64]) -> Result<ValueId, String> {
        let target: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
        let target = self.known_ints(&[shape.len() as u64], &target)?;
        self.apply("Reshape", &[id, target], &[("allowzero", number(1))])
    }

    pub(super) fn transpose_to(&mut self, id: ValueId, order: &[usize]) -> Result<ValueId, String> {
        let order: Vec<i64> = order.iter().map(|d| *d as i64).collect();
        self.apply("Transpose", &[id], &[("perm", list(&order))])
    }

    /// Every `by`-th element of a dimension from `first` to `last`, the latter not included.
    pub(super) fn cut(&mut self, id: ValueId, axis: usize, first: i64, last: i64, by: i64) -> Result<ValueId, String> {
        let mut inputs = vec![id];
        for value in [first, last, axis as i64, by] {
            inputs.push(self.known_ints(&[1], &[value])?);
        }
        self.apply("Slice", &inputs, &[])
    }

    pub(super) fn cast_to(&mut self, id: ValueId, dtype: DType) -> Result<ValueId, String> {
        if self.kind(id)?.1 == dtype {
            return Ok(id);
        }
        self.apply("Cast", &[id], &[("to", number(code(dtype)))])
    }

    /// Gives an output of the current node the value of a part.
    pub(super) fn give(&mut self, node: &Node, index: usize, id: ValueId) -> Result<(), String> {
        let value = self.value(id)?.clone();
        self.set(node, index, value);
        Ok(())
    }
}

/// ONNX's number of an element type.
fn code(dtype: DType) -> i64 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::U16 => 4,
        DType::I16 => 5,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::Bytes => 8,
        DType::Bool => 9,
        DType::F16 => 10,
        DType::F64 => 11,
        DType::U32 => 12,
        DType::U64 => 13,
        DType::BF16 => 16,
    }
}

/// A tensor of these numbers.
pub(super) fn tensor(dtype: DType, shape: &[u64], values: &[f64]) -> Result<Tensor, String> {
    let data: Vec<u8> = match dtype {
        DType::F32 => values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect(),
        DType::F64 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::F16 => values.iter().flat_map(|value| half::f16::from_f64(*value).to_le_bytes()).collect(),
        DType::BF16 => values.iter().flat_map(|value| half::bf16::from_f64(*value).to_le_bytes()).collect(),
        DType::Bool => values.iter().map(|value| u8::from(*value != 0.0)).collect(),
        DType::U8 => values.iter().map(|value| *value as u8).collect(),
        DType::I8 => values.iter().map(|value| *value as i8 as u8).collect(),
        DType::U16 => values.iter().flat_map(|value| (*value as u16).to_le_bytes()).collect(),
        DType::I16 => values.iter().flat_map(|value| (*value as i16).to_le_bytes()).collect(),
        DType::U32 => values.iter().flat_map(|value| (*value as u32).to_le_bytes()).collect(),
        DType::I32 => values.iter().flat_map(|value| (*value as i32).to_le_bytes()).collect(),
        DType::U64 => values.iter().flat_map(|value| (*value as u64).to_le_bytes()).collect(),
        DType::I64 => values.iter().flat_map(|value| (*value as i64).to_le_bytes()).collect(),
        DType::Bytes => return Err("strings are not on this device".to_owned()),
    };
    Tensor::new(dtype, shape, data.into()).map_err(|error| error.to_string())
}
