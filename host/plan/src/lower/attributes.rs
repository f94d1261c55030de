//! Attributes of nodes, and constants as numbers.

use scorehost_core::{DType, Tensor};
use scorehost_graph::{Attribute, Node};

pub(crate) fn int(node: &Node, name: &str, default: i64) -> i64 {
    match node.attributes.get(name) {
        Some(Attribute::Int(value)) => *value,
        _ => default,
    }
}

pub(crate) fn float(node: &Node, name: &str, default: f32) -> f32 {
    match node.attributes.get(name) {
        Some(Attribute::Float(value)) => *value,
        _ => default,
    }
}

pub(crate) fn text<'a>(node: &'a Node, name: &str, default: &'a str) -> &'a str {
    match node.attributes.get(name) {
        Some(Attribute::String(value)) => std::str::from_utf8(value).unwrap_or(default),
        _ => default,
    }
}

pub(crate) fn ints(node: &Node, name: &str) -> Option<Vec<i64>> {
    match node.attributes.get(name) {
        Some(Attribute::Ints(values)) => Some(values.clone()),
        _ => None,
    }
}

pub(crate) fn floats(node: &Node, name: &str) -> Option<Vec<f32>> {
    match node.attributes.get(name) {
        Some(Attribute::Floats(values)) => Some(values.clone()),
        _ => None,
    }
}

/// A dimension counted from the end where negative.
pub(crate) fn axis(value: i64, rank: usize) -> Result<usize, String> {
    let at = if value < 0 { value + rank as i64 } else { value };
    usize::try_from(at)
        .ok()
        .filter(|at| *at < rank.max(1))
        .ok_or_else(|| format!("axis {value} is outside rank {rank}"))
}

/// Elements of an integer constant.
pub(crate) fn integers(tensor: &Tensor) -> Result<Vec<i64>, String> {
    let data = tensor.data();
    Ok(match tensor.dtype() {
        DType::I64 => data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
        DType::I32 => data.as_chunks().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect(),
        DType::U8 | DType::Bool => data.iter().map(|byte| i64::from(*byte)).collect(),
        other => return Err(format!("expected integers, got {other}")),
    })
}

/// Elements of a floating-point constant.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f32>, String> {
    let data = tensor.data();
    Ok(match tensor.dtype() {
        DType::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        DType::F64 => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        DType::F16 => data.as_chunks().0.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f32()).collect(),
        DType::BF16 => data.as_chunks().0.iter().map(|bytes| half::bf16::from_le_bytes(*bytes).to_f32()).collect(),
        _ => integers(tensor)?.into_iter().map(|value| value as f32).collect(),
    })
}
