//! Order and runs along a dimension, and places that are chosen by it.

use scorehost_core::DType;
use scorehost_graph::Node;

use super::Lower;
use super::attributes::{axis, int, integers};
use super::compose::number;
use super::convolution::index;
use super::gather::indices;
use super::normalise::last;
use crate::expression::THREADS;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work};
use crate::planner::{Planner, Style, Value};
use crate::view::View;

/// Comparisons up to which every element counts those before it, where items run side by side.
const COMPARISONS: u64 = 1 << 32;

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "TopK" => top,
        "CumProd" => running_product,
        "ReverseSequence" => reverse,
        "Hardmax" => hard_max,
        "Compress" => compress,
        _ => return None,
    })
}

fn launch(
    planner: &mut Planner<'_>,
    entry: &'static str,
    x: &View,
    indices: DType,
    total: u64,
    mut args: Vec<Arg>,
) -> Result<(), String> {
    if x.dtype == DType::Bool && entry != "reverse" {
        return Err("BOOL has no order on this device".to_owned());
    }
    let name = |dtype| kernels::name(dtype).ok_or("strings have no order on this device");
    let definitions = [("T", name(x.dtype)?), ("I", name(indices)?)];
    let kernel = kernels::fixed(planner.target.dialect, File::Order, entry, &definitions);
    let total = index(total)?;
    args.push(Arg::Int(total as i32));
    // A row is much work: few items a group, so that rows are spread over the device.
    let threads = if total < 4096 { 16 } else { THREADS };
    let cost = Cost { bytes: 2 * x.elements() * x.dtype.size().unwrap_or(1) as u64, operations: x.elements() };
    if total > 0 {
        planner
            .launch(Work::Kernel { kernel, blocks: [total.div_ceil(threads), 1, 1], threads, shared: 0, args }, cost);
    }
    Ok(())
}

fn top(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.compute_view(id)?;
    let k = match node.input(1) {
        Some(k) => integers(planner.host(k)?)?.first().copied().ok_or("k is missing")?,
        None => int(node, "k", -1),
    };
    let d = axis(int(node, "axis", -1), view.shape.len())?;
    let columns = view.shape.get(d).copied().unwrap_or(1);
    let k = u64::try_from(k).ok().filter(|k| *k <= columns).ok_or_else(|| format!("the first {k} of {columns}"))?;
    let (order, back) = last(view.shape.len(), d);
    let x = planner.made_dense(&view.permuted(&order), dtype)?;
    let mut shape = x.shape.clone();
    if let Some(size) = shape.last_mut() {
        *size = k;
    }
    let (values, places) = (planner.buffer(x.dtype, shape.clone()), planner.buffer(DType::I64, shape));
    let rows = x.elements().checked_div(columns).unwrap_or(0);
    let cores = planner.target.dialect.opencl().is_some_and(|device| device.style == Style::Cores);
    let by_rank = !cores && x.elements().saturating_mul(columns) <= COMPARISONS;
    let (entry, total) = if by_rank { ("top_by_rank", x.elements()) } else { ("top", rows) };
    let mut args = vec![Arg::Place((&x).into()), Arg::Place((&values).into()), Arg::Place((&places).into())];
    args.extend([columns as i32, k as i32, i32::from(int(node, "largest", 1) != 0)].map(Arg::Int));
    launch(planner, entry, &x, DType::I64, if k == 0 { 0 } else { total }, args)?;
    planner.set_view(node, values.permuted(&back), dtype);
    planner.set(node, 1, Value::Stored(places.permuted(&back), DType::I64));
    Ok(())
}

fn running_product(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.compute_view(id)?;
    let at = integers(planner.host(planner.input(node, 1)?)?)?;
    let d = axis(*at.first().ok_or("its axis is missing")?, view.shape.len())?;
    let columns = view.shape.get(d).copied().unwrap_or(1);
    let (order, back) = last(view.shape.len(), d);
    let x = planner.made_dense(&view.permuted(&order), dtype)?;
    let y = planner.buffer(x.dtype, x.shape.clone());
    let mut args = vec![Arg::Place((&x).into()), Arg::Place((&y).into())];
    args.extend([columns as i32, int(node, "exclusive", 0) as i32, int(node, "reverse", 0) as i32].map(Arg::Int));
    launch(planner, "running_product", &x, DType::I64, x.elements().checked_div(columns).unwrap_or(0), args)?;
    planner.set_view(node, y.permuted(&back), dtype);
    Ok(())
}

fn reverse(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let lengths = indices(planner, node, 1)?;
    let id = planner.input(node, 0)?;
    let (x, dtype) = planner.dense(id)?;
    let rank = x.shape.len();
    let (time, batch) = (axis(int(node, "time_axis", 0), rank)?, axis(int(node, "batch_axis", 1), rank)?);
    if time == batch || rank < 2 || lengths.shape != [x.shape[batch]] {
        return Err(format!("lengths {:?} for data {:?}", lengths.shape, x.shape));
    }
    let y = planner.buffer(x.dtype, x.shape.clone());
    let mut args = vec![Arg::Place((&x).into()), Arg::Place((&lengths).into()), Arg::Place((&y).into())];
    let steps = [time, batch].map(|d| [x.shape[d] as i32, x.steps[d] as i32]);
    args.extend(steps.concat().into_iter().map(Arg::Int));
    launch(planner, "reverse", &x, lengths.dtype, x.elements(), args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

/// 1 at the first of the largest elements, else 0.
fn hard_max(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (shape, dtype) = planner.kind(id)?;
    if node.opset < 13 && int(node, "axis", 1) != shape.len() as i64 - 1 {
        return Err(
            "several dimensions at once, as before operator set 13, are not supported on this device".to_owned()
        );
    }
    let d = axis(int(node, "axis", -1), shape.len())?;
    let place = planner.apply("ArgMax", &[id], &[("axis", number(d as i64))])?;
    let mut along = vec![1; shape.len()];
    along[d] = shape[d];
    let all = planner.known_ints(&along, &(0..shape[d] as i64).collect::<Vec<_>>())?;
    let chosen = planner.apply("Equal", &[place, all], &[])?;
    let y = planner.cast_to(chosen, dtype)?;
    planner.give(node, 0, y)
}

/// Elements, or slices of a dimension, that a constant condition chooses.
fn compress(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let mut id = planner.input(node, 0)?;
    let condition = planner.host(planner.input(node, 1)?)?.data().to_vec();
    let shape = planner.kind(id)?.0;
    let d = match node.attributes.contains_key("axis") {
        true => axis(int(node, "axis", 0), shape.len())?,
        false => {
            id = planner.reshape_to(id, &[shape.iter().product()])?;
            0
        }
    };
    let limit = planner.kind(id)?.0.get(d).copied().unwrap_or(1) as usize;
    let kept = condition.iter().take(limit).enumerate().filter(|(_, kept)| **kept != 0);
    let places: Vec<i64> = kept.map(|(place, _)| place as i64).collect();
    let places = planner.known_ints(&[places.len() as u64], &places)?;
    let y = planner.apply("Gather", &[id, places], &[("axis", number(d as i64))])?;
    planner.give(node, 0, y)
}
