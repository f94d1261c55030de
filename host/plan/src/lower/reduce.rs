//! Reductions over dimensions.

use scorehost_core::DType;
use scorehost_graph::{Node, ValueId};

use super::attributes::{axis, int, integers, ints};
use super::convolution::index;
use super::gather::walk;
use crate::expression::THREADS;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work};
use crate::planner::{Planner, Value};
use crate::view::View;

/// The kernels' number of a reduction.
pub(super) fn operation(name: &str) -> Option<u32> {
    Some(match name {
        "ReduceSum" => 0,
        "ReduceMean" => 1,
        "ReduceMax" => 2,
        "ReduceMin" => 3,
        "ReduceProd" => 4,
        "ReduceL1" => 5,
        "ReduceL2" => 6,
        "ReduceSumSquare" => 7,
        "ReduceLogSum" => 8,
        "ReduceLogSumExp" => 9,
        _ => return None,
    })
}

pub(super) fn reduce(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (shape, dtype) = planner.kind(id)?;
    if dtype == DType::Bool && matches!(&*node.operator, "ReduceMax" | "ReduceMin") {
        return truths(planner, node, id);
    }
    if shape.contains(&0) && int(node, "noop_with_empty_axes", 0) == 0 {
        return nothing(planner, node, shape, dtype);
    }
    let (view, dtype) = planner.compute_view(id)?;
    let axes = match node.inputs.get(1).copied().flatten() {
        Some(axes) => Some(integers(planner.host(axes)?)?),
        None => ints(node, "axes"),
    };
    let axes =
        axes.unwrap_or_default().into_iter().map(|d| axis(d, view.shape.len())).collect::<Result<Vec<_>, _>>()?;
    if axes.is_empty() && int(node, "noop_with_empty_axes", 0) != 0 {
        planner.set(node, 0, Value::Stored(view, dtype));
        return Ok(());
    }
    let gone: Vec<usize> = (0..view.shape.len()).filter(|d| axes.is_empty() || axes.contains(d)).collect();
    let number = operation(&node.operator).ok_or("is no reduction")?;
    let y = over(planner, &view, &gone, number)?;
    let shape: Vec<u64> = if int(node, "keepdims", 1) != 0 {
        (0..view.shape.len()).map(|d| if gone.contains(&d) { 1 } else { view.shape[d] }).collect()
    } else {
        y.shape.clone()
    };
    let y = y.reshaped(&shape).ok_or("has an impossible shape")?;
    planner.set_view(node, y, dtype);
    Ok(())
}

/// Truths as bytes.
fn truths(planner: &mut Planner<'_>, node: &Node, id: ValueId) -> Result<(), String> {
    let bytes = planner.cast_to(id, DType::U8)?;
    let mut inputs = node.inputs.clone();
    inputs[0] = Some(bytes);
    let settings: Vec<_> = node.attributes.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let y = planner.apply_in("", &node.operator, &inputs, &settings)?;
    let y = planner.cast_to(y, DType::Bool)?;
    planner.give(node, 0, y)
}

/// What a reduction of no elements is, where the reduced dimensions are the empty ones.
fn nothing(planner: &mut Planner<'_>, node: &Node, shape: Vec<u64>, dtype: DType) -> Result<(), String> {
    let rank = shape.len();
    let axes = match node.input(1) {
        Some(axes) => Some(integers(planner.host(axes)?)?),
        None => ints(node, "axes"),
    };
    let axes = axes.unwrap_or_default().into_iter().map(|d| axis(d, rank)).collect::<Result<Vec<_>, _>>()?;
    let gone = |d: &usize| axes.is_empty() || axes.contains(d);
    let whole = !matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64);
    let value = match &*node.operator {
        "ReduceProd" => 1.0,
        "ReduceMean" if !whole => f64::NAN,
        "ReduceMax" | "ReduceLogSum" | "ReduceLogSumExp" if !whole => f64::NEG_INFINITY,
        "ReduceMin" if !whole => f64::INFINITY,
        "ReduceMax" | "ReduceMin" | "ReduceMean" | "ReduceLogSum" | "ReduceLogSumExp" => {
            return Err("there is nothing to reduce".to_owned());
        }
        _ => 0.0,
    };
    let keep = int(node, "keepdims", 1) != 0;
    let sizes = (0..rank).filter(|d| keep || !gone(d)).map(|d| if gone(&d) { 1 } else { shape[d] });
    let sizes: Vec<u64> = sizes.collect();
    let count = index(sizes.iter().product())?;
    let y = planner.known_numbers(dtype, &sizes, &vec![value; count as usize])?;
    planner.give(node, 0, y)
}

pub(super) fn global(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.compute_view(id)?;
    let gone: Vec<usize> = (2..view.shape.len()).collect();
    let y = over(planner, &view, &gone, if &*node.operator == "GlobalMaxPool" { 2 } else { 1 })?;
    let mut shape = view.shape[..2.min(view.shape.len())].to_vec();
    shape.resize(view.shape.len(), 1);
    planner.set_view(node, y.reshaped(&shape).ok_or("has an impossible shape")?, dtype);
    Ok(())
}

/// The view without the dimensions `gone`, row-major.
fn over(planner: &mut Planner<'_>, view: &View, gone: &[usize], number: u32) -> Result<View, String> {
    let kept: Vec<usize> = (0..view.shape.len()).filter(|d| !gone.contains(d)).collect();
    let pick =
        |which: &[usize]| -> (Vec<u64>, Vec<i64>) { which.iter().map(|d| (view.shape[*d], view.steps[*d])).unzip() };
    let ((sizes, steps), (gone_sizes, gone_steps)) = (pick(&kept), pick(gone));
    let y = planner.buffer(view.dtype, sizes.clone());
    let (total, count) = (index(y.elements())?, index(gone_sizes.iter().product())?);
    if total == 0 {
        return Ok(y);
    }
    if count == 0 && !matches!(number, 0 | 4 | 5 | 6 | 7) {
        return Err("there is nothing to reduce".to_owned());
    }
    if view.dtype == DType::Bool {
        return Err("BOOL is not reduced by this operator on this device".to_owned());
    }
    let name = kernels::name(view.dtype).ok_or("strings cannot be reduced")?;
    let close = gone_sizes.iter().zip(&gone_steps).any(|(size, step)| *size > 1 && *step == 1);
    let opencl = planner.target.dialect.opencl().is_some();
    let by_warp = !opencl && count >= 32 && (close || total < 4096);
    let entry = if opencl {
        "reduce"
    } else if by_warp {
        "reduce_warp"
    } else {
        "reduce_thread"
    };
    let threads = if opencl { 16 } else { THREADS };
    let kernel =
        kernels::fixed(planner.target.dialect, File::Reduce, entry, &[("T", name), ("OP", &number.to_string())]);
    let args = vec![
        Arg::Place(view.into()),
        Arg::Place((&y).into()),
        Arg::Words(walk(&sizes, &steps)?),
        Arg::Words(walk(&gone_sizes, &gone_steps)?),
        Arg::Int(total as i32),
        Arg::Int(count as i32),
    ];
    let blocks = if by_warp { total.div_ceil(THREADS / 32) } else { total.div_ceil(threads) };
    let cost = Cost {
        bytes: (view.elements() + y.elements()) * view.dtype.size().unwrap_or(1) as u64,
        operations: view.elements(),
    };
    planner.launch(Work::Kernel { kernel, blocks: [blocks, 1, 1], threads, shared: 0, args }, cost);
    Ok(y)
}
