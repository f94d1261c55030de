//! Numbers as small integers with a scale and a zero point, and products of such integers.

use std::rc::Rc;

use scorehost_core::{DType, Precision};
use scorehost_graph::{Node, ValueId};

use super::Lower;
use super::attributes::{axis, int};
use super::compose::number;
use super::elementwise::{broadcast, dtype_of};
use crate::expression::{Expression, Tree};
use crate::kernels;
use crate::planner::{Planner, Value};

/// Terms whose sum F32 holds exactly: products of two bytes are below 2^16, whole numbers up to 2^24 are exact.
const EXACT: u64 = 256;

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "QuantizeLinear" => quantise,
        "DequantizeLinear" => dequantise,
        "DynamicQuantizeLinear" => dynamic,
        "MatMulInteger" => integer_product,
        "QLinearMatMul" => quantised_product,
        "ConvInteger" => integer_convolution,
        "QLinearConv" => quantised_convolution,
        _ => return None,
    })
}

/// The lowest and the highest value of an integer type.
fn bounds(dtype: DType) -> Result<[f64; 2], String> {
    Ok(match dtype {
        DType::U8 => [0.0, 255.0],
        DType::I8 => [-128.0, 127.0],
        DType::U16 => [0.0, 65535.0],
        DType::I16 => [-32768.0, 32767.0],
        other => return Err(format!("{other} is no type to quantise to on this device")),
    })
}

/// A scale or zero point in a shape that broadcasts over the data: one for all, one for each place of a dimension, or one for each block.
fn spread(planner: &mut Planner<'_>, node: &Node, data: &[u64], id: ValueId) -> Result<ValueId, String> {
    let shape = planner.kind(id)?.0;
    if shape.iter().product::<u64>() == 1 {
        return planner.reshape_to(id, &[]);
    }
    let d = axis(int(node, "axis", 1), data.len())?;
    if shape.len() == 1 && shape[0] == data[d] {
        let mut per_place = vec![1; data.len()];
        per_place[d] = shape[0];
        return planner.reshape_to(id, &per_place);
    }
    let block = int(node, "block_size", 0);
    let fits = |(i, (a, b)): (usize, (&u64, &u64))| i == d && block > 0 && *a == b.div_ceil(block as u64) || a == b;
    if shape.len() != data.len() || !shape.iter().zip(data).enumerate().all(fits) {
        return Err(format!("scales {shape:?} for data {data:?}"));
    }
    if shape[d] == data[d] {
        return Ok(id);
    }
    let mut apart = shape.clone();
    apart.insert(d + 1, 1);
    let apart = planner.reshape_to(id, &apart)?;
    let mut full: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
    full.insert(d + 1, block);
    let full = planner.known_ints(&[full.len() as u64], &full)?;
    let repeated = planner.apply("Expand", &[apart, full], &[])?;
    let mut whole = shape;
    whole[d] *= block as u64;
    let repeated = planner.reshape_to(repeated, &whole)?;
    planner.cut(repeated, d, 0, data[d] as i64, 1)
}

/// Data, its scale and its zero point, all in shapes that broadcast.
fn operands(planner: &mut Planner<'_>, node: &Node) -> Result<[Option<ValueId>; 3], String> {
    let x = planner.input(node, 0)?;
    let shape = planner.kind(x)?.0;
    let scale = planner.input(node, 1)?;
    let scale = spread(planner, node, &shape, scale)?;
    let zero = node.input(2).map(|zero| spread(planner, node, &shape, zero)).transpose()?;
    Ok([Some(x), Some(scale), zero])
}

/// A pending call over values that broadcast; the text is in the arithmetic's own types.
fn pend(planner: &mut Planner<'_>, ids: &[Option<ValueId>], text: String, dtype: DType) -> Result<Value, String> {
    let mut shape = Vec::new();
    for id in ids.iter().flatten() {
        shape = broadcast(&shape, &planner.kind(*id)?.0)?;
    }
    let arguments = ids.iter().flatten().map(|id| planner.operand(*id, &shape)).collect::<Result<Vec<_>, _>>()?;
    let tree = Rc::new(Tree::Call { text, dtype, arguments });
    Ok(Value::Pending(Expression { dtype, shape, tree }))
}

/// The dtype that the attribute names, or another.
fn output(node: &Node, other: DType) -> Result<DType, String> {
    match int(node, "output_dtype", 0) {
        0 => Ok(other),
        code => dtype_of(code).ok_or_else(|| format!("element type {code} does not exist on this device")),
    }
}

fn quantise(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = operands(planner, node)?;
    let zero = ids[2].map(|zero| planner.kind(zero)).transpose()?.map(|(_, dtype)| dtype);
    let to = output(node, zero.unwrap_or(DType::U8))?;
    let [low, high] = bounds(to)?;
    let from = planner.kind(planner.input(node, 0)?)?.1;
    let wide = kernels::wide(from);
    if !matches!(wide, "float" | "double") {
        return Err(format!("{from} is not quantised on this device"));
    }
    let suffix = planner.target.dialect.suffix(from);
    let zero = if ids[2].is_some() { format!(" + ({wide})$2") } else { String::new() };
    let text = format!(
        "({})bounded{suffix}(rint(($0) / ({wide})($1)){zero}, ({wide}){low}, ({wide}){high})",
        kernels::wide(to)
    );
    let value = pend(planner, &ids, text, to)?;
    planner.set(node, 0, value);
    Ok(())
}

fn dequantise(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = operands(planner, node)?;
    let from = planner.kind(planner.input(node, 0)?)?.1;
    if !matches!(kernels::wide(from), "int" | "u32") {
        return Err(format!("{from} is not dequantised on this device"));
    }
    let to = output(node, planner.kind(planner.input(node, 1)?)?.1)?;
    let wide = kernels::wide(to);
    let zero = if ids[2].is_some() { " - (int)$2" } else { "" };
    let value = pend(planner, &ids, format!("(({wide})((int)$0{zero}) * ({wide})$1)"), to)?;
    planner.set(node, 0, value);
    Ok(())
}

/// Scale and zero point from the data's own range, which is widened to hold 0.
fn dynamic(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let x = planner.input(node, 0)?;
    let keep = [("keepdims", number(0))];
    let zero = planner.scalar(DType::F32, 0.0)?;
    let (low, high) = (planner.apply("ReduceMin", &[x], &keep)?, planner.apply("ReduceMax", &[x], &keep)?);
    let (low, high) = (planner.apply("Min", &[low, zero], &[])?, planner.apply("Max", &[high, zero], &[])?);
    let range = planner.apply("Sub", &[high, low], &[])?;
    let (steps, one) = (planner.scalar(DType::F32, 255.0)?, planner.scalar(DType::F32, 1.0)?);
    let scale = planner.apply("Div", &[range, steps], &[])?;
    let empty = planner.apply("Equal", &[range, zero], &[])?;
    let scale = planner.apply("Where", &[empty, one, scale], &[])?;
    planner.view(scale)?;
    let place = planner.apply("Div", &[low, scale], &[])?;
    let place = planner.apply("Neg", &[place], &[])?;
    let place = planner.apply("Round", &[place], &[])?;
    let place = planner.apply("Clip", &[place, zero, steps], &[])?;
    let point = planner.cast_to(place, DType::U8)?;
    planner.view(point)?;
    let y = planner.apply("QuantizeLinear", &[x, scale, point], &[])?;
    [y, scale, point].into_iter().enumerate().try_for_each(|(index, id)| planner.give(node, index, id))
}

/// An integer operand without its zero point, which is one number or one for each row or column.
fn centred(
    planner: &mut Planner<'_>,
    id: ValueId,
    zero: Option<ValueId>,
    by_row: bool,
    dtype: DType,
) -> Result<ValueId, String> {
    let wide = planner.cast_to(id, dtype)?;
    let Some(zero) = zero else { return Ok(wide) };
    let zero = planner.cast_to(zero, dtype)?;
    let shape = planner.kind(zero)?.0;
    let zero = match shape[..] {
        [count] if by_row && count > 1 => planner.reshape_to(zero, &[count, 1])?,
        _ => zero,
    };
    planner.apply("Sub", &[wide, zero], &[])
}

/// The I32 product of two integer matrices. Where F32 is stored in full, parts of the depth whose sums it holds exactly are multiplied by
/// the fast products.
fn product(planner: &mut Planner<'_>, ids: [ValueId; 2], zeros: [Option<ValueId>; 2]) -> Result<ValueId, String> {
    let whole = planner.target.precision == Precision::F32;
    let dtype = if whole { DType::F32 } else { DType::I32 };
    let a = centred(planner, ids[0], zeros[0], true, dtype)?;
    let b = centred(planner, ids[1], zeros[1], false, dtype)?;
    if !whole {
        return planner.apply("MatMul", &[a, b], &[]);
    }
    let (rank_a, rank_b) = (planner.kind(a)?.0.len(), planner.kind(b)?.0.len());
    let depth = *planner.kind(a)?.0.last().ok_or("expected matrices")?;
    let mut sum = None;
    for first in (0..depth.max(1)).step_by(EXACT as usize) {
        let (mut left, mut right) = (a, b);
        if depth > EXACT {
            let last = (first + EXACT).min(depth) as i64;
            left = planner.cut(a, rank_a - 1, first as i64, last, 1)?;
            right = planner.cut(b, rank_b.saturating_sub(2), first as i64, last, 1)?;
        }
        let part = planner.apply("MatMul", &[left, right], &[])?;
        let part = planner.cast_to(part, DType::I32)?;
        sum = Some(match sum {
            Some(sum) => planner.apply("Add", &[sum, part], &[])?,
            None => part,
        });
    }
    sum.ok_or_else(|| "there is nothing to multiply".to_owned())
}

fn integer_product(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = [planner.input(node, 0)?, planner.input(node, 1)?];
    let y = product(planner, ids, [node.input(2), node.input(3)])?;
    planner.give(node, 0, y)
}

/// An I32 sum as a quantised number: its own scale is the product of two, the second of which may be one for each place of a dimension.
fn settled(
    planner: &mut Planner<'_>,
    node: &Node,
    sum: ValueId,
    scales: [ValueId; 2],
    [scale, zero]: [usize; 2],
) -> Result<(), String> {
    let sum = planner.cast_to(sum, DType::F32)?;
    let scales = [planner.cast_to(scales[0], DType::F32)?, planner.cast_to(scales[1], DType::F32)?];
    let both = planner.apply("Mul", &scales, &[])?;
    let exact = planner.apply("Mul", &[sum, both], &[])?;
    let (scale, zero) = (planner.input(node, scale)?, planner.input(node, zero)?);
    let scale = planner.cast_to(scale, DType::F32)?;
    let y = planner.apply("QuantizeLinear", &[exact, scale, zero], &[])?;
    planner.give(node, 0, y)
}

fn quantised_product(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = [planner.input(node, 0)?, planner.input(node, 3)?];
    let sum = product(planner, ids, [node.input(2), node.input(5)])?;
    let (mut left, right) = (planner.input(node, 1)?, planner.input(node, 4)?);
    if let [count] = planner.kind(left)?.0[..]
        && count > 1
    {
        left = planner.reshape_to(left, &[count, 1])?;
    }
    settled(planner, node, sum, [left, right], [6, 7])
}

/// The I32 convolution of integers, whose weights are constant.
fn convolution(
    planner: &mut Planner<'_>,
    node: &Node,
    [x, w]: [ValueId; 2],
    [x_zero, w_zero]: [Option<ValueId>; 2],
) -> Result<ValueId, String> {
    let shape = planner.kind(w)?.0;
    let exact = planner.target.precision == Precision::F32 && shape[1..].iter().product::<u64>() <= EXACT;
    let dtype = if exact { DType::F32 } else { DType::I32 };
    let x = centred(planner, x, x_zero, false, dtype)?;
    let mut wide = planner.cast_to(w, dtype)?;
    if let Some(zero) = w_zero {
        let mut zero = planner.cast_to(zero, dtype)?;
        if let [count] = planner.kind(zero)?.0[..] {
            let mut per_output = vec![1; shape.len()];
            per_output[0] = count;
            zero = planner.reshape_to(zero, &per_output)?;
        }
        wide = planner.apply("Sub", &[wide, zero], &[])?;
    }
    let settings: Vec<_> = node.attributes.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let y = planner.apply("Conv", &[x, wide], &settings)?;
    planner.cast_to(y, DType::I32)
}

fn integer_convolution(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = [planner.input(node, 0)?, planner.input(node, 1)?];
    let y = convolution(planner, node, ids, [node.input(2), node.input(3)])?;
    planner.give(node, 0, y)
}

fn quantised_convolution(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = [planner.input(node, 0)?, planner.input(node, 3)?];
    let mut sum = convolution(planner, node, ids, [node.input(2), node.input(5)])?;
    let rank = planner.kind(sum)?.0.len();
    let per_channel = |planner: &mut Planner<'_>, id: ValueId| -> Result<ValueId, String> {
        let count: u64 = planner.kind(id)?.0.iter().product();
        let mut shape = vec![1; rank.saturating_sub(1)];
        if let Some(first) = shape.first_mut() {
            *first = count;
        }
        planner.reshape_to(id, &shape)
    };
    if let Some(bias) = node.input(8) {
        let bias = per_channel(planner, bias)?;
        sum = planner.apply("Add", &[sum, bias], &[])?;
    }
    let (left, right) = (planner.input(node, 1)?, planner.input(node, 4)?);
    let right = per_channel(planner, right)?;
    settled(planner, node, sum, [left, right], [6, 7])
}
