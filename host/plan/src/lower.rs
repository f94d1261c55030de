//! From nodes to launches, one function an operator.

mod attention;
pub(super) mod attributes;
mod classical;
mod compose;
mod convolution;
mod einsum;
mod elementwise;
mod fourier;
mod gather;
mod losses;
mod matmul;
mod movement;
mod normalise;
mod order;
mod panels;
mod pool;
mod quantise;
mod recurrent;
mod reduce;
mod resize;
mod sample;
mod scatter;
mod windows;

use scorehost_core::{DType, Tensor};
use scorehost_graph::Node;

use super::planner::{Planner, Value};

type Lower = fn(&mut Planner<'_>, &Node) -> Result<(), String>;

/// The function that lowers a node's operator.
fn find(node: &Node) -> Option<Lower> {
    let name = &*node.operator;
    match &*node.domain {
        "" => elementwise::find(name)
            .or_else(|| movement::find(name))
            .or_else(|| gather::find(name))
            .or_else(|| scatter::find(name))
            .or_else(|| order::find(name))
            .or_else(|| sample::find(name))
            .or_else(|| quantise::find(name))
            .or_else(|| windows::find(name))
            .or_else(|| recurrent::find(name))
            .or_else(|| fourier::find(name))
            .or_else(|| losses::find(name))
            .or_else(|| standard(name)),
        "ai.onnx.ml" => classical::find(node),
        "scorehost" => fused(name),
        _ => None,
    }
}

fn standard(name: &str) -> Option<Lower> {
    Some(match name {
        "Constant" | "ConstantOfShape" | "Range" => known,
        "Shape" => shape,
        "Size" => size,
        "MatMul" => matmul::matmul,
        "Gemm" => matmul::gemm,
        "Conv" => convolution::conv,
        "ConvTranspose" => convolution::transposed,
        "Einsum" => einsum::einsum,
        "Attention" => attention::standard,
        "RotaryEmbedding" => attention::rotary,
        "MaxPool" | "AveragePool" => pool::pool,
        "Softmax" | "LogSoftmax" => normalise::softmax,
        "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization" => normalise::layer,
        "InstanceNormalization" | "GroupNormalization" => normalise::channels,
        "LpNormalization" => normalise::lp,
        "MeanVarianceNormalization" => normalise::mean_variance,
        "CumSum" => normalise::running_sum,
        "ArgMax" | "ArgMin" => normalise::place,
        "Resize" | "Upsample" => resize::resize,
        "GlobalAveragePool" | "GlobalMaxPool" => reduce::global,
        name if reduce::operation(name).is_some() => reduce::reduce,
        _ => return None,
    })
}

fn fused(name: &str) -> Option<Lower> {
    Some(match name {
        "FusedConv" => convolution::conv,
        "FusedMatMul" => matmul::fused,
        "FusedAttention" => attention::attention,
        "SkipLayerNorm" => normalise::layer,
        _ => return None,
    })
}

/// Whether this room has kernels for a node.
#[must_use]
pub fn supports(node: &Node) -> bool {
    // Outputs beyond the first that only training asks for.
    let single = matches!(&*node.operator, "BatchNormalization");
    // Dropout that is told at run time to drop.
    let training = &*node.operator == "Dropout" && node.inputs.get(2).is_some_and(Option::is_some);
    find(node).is_some() && !training && !(single && node.outputs.iter().skip(1).any(Option::is_some))
}

pub(super) fn node(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let lower = find(node).ok_or("this device has no kernel for it")?;
    lower(planner, node)
}

/// Operators that are evaluated while planning, or not at all.
fn known(_: &mut Planner<'_>, _: &Node) -> Result<(), String> {
    Err("its inputs must not depend on the values of the model's inputs".to_owned())
}

fn shape(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let input = planner.input(node, 0)?;
    let shape = planner.kind(input)?.0;
    let rank = shape.len() as i64;
    let bound = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let start = bound(attributes::int(node, "start", 0));
    let end = bound(attributes::int(node, "end", rank)).max(start);
    let tensor = integers(&shape[start..end].iter().map(|size| *size as i64).collect::<Vec<_>>())?;
    planner.set(node, 0, Value::Host(tensor));
    Ok(())
}

fn size(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let input = planner.input(node, 0)?;
    let count = planner.kind(input)?.0.iter().product::<u64>() as i64;
    let tensor = integers(&[count])?.reshape([0u64; 0].as_slice()).map_err(|error| error.to_string())?;
    planner.set(node, 0, Value::Host(tensor));
    Ok(())
}

fn integers(values: &[i64]) -> Result<Tensor, String> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor::new(DType::I64, [values.len() as u64].as_slice(), data.into()).map_err(|error| error.to_string())
}
