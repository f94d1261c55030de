//! Operators over rows: softmax, normalisations, running sums, places of extremes.

use scorehost_core::DType;
use scorehost_graph::Node;

use super::attributes::{axis, float, int, integers, ints};
use super::convolution::index;
use crate::Dialect;
use crate::constants::Form;
use crate::expression::THREADS;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work};
use crate::planner::{Planner, Style, Value};
use crate::view::View;

/// A kernel of one warp a row.
fn rows(
    planner: &mut Planner<'_>,
    entry: &'static str,
    x: &View,
    count: u64,
    args: Vec<Arg>,
    passes: u64,
) -> Result<(), String> {
    let name = kernels::name(x.dtype).ok_or("strings cannot be computed with on this device")?;
    let (kernel, items, threads) = match planner.target.dialect {
        Dialect::Cuda { .. } => {
            let kernel = kernels::fixed(planner.target.dialect, File::Rows, entry, &[("T", name)]);
            (kernel, if entry == "running_sum" { count } else { count * 32 }, THREADS)
        }
        Dialect::OpenCl(device) => {
            let cores = device.style == Style::Cores;
            let vectors = matches!(x.dtype, DType::F32 | DType::F16 | DType::BF16);
            let fast = if cores && vectors { "1" } else { "0" };
            let kernel = kernels::fixed(planner.target.dialect, File::Rows, entry, &[("T", name), ("FAST", fast)]);
            let alone = cores || matches!(entry, "running_sum" | "place");
            // One work item a row, or a group of as many as the kernels' WIDTH.
            (kernel, if alone { count } else { count * 64 }, if cores { 4 } else { 64 })
        }
    };
    let cost = Cost { bytes: passes * x.elements() * x.dtype.size().unwrap_or(1) as u64, operations: 8 * x.elements() };
    if count > 0 && x.elements() > 0 {
        let blocks = [index(items)?.div_ceil(threads), 1, 1];
        planner.launch(Work::Kernel { kernel, blocks, threads, shared: 0, args }, cost);
    }
    Ok(())
}

fn floating(dtype: DType) -> Result<(), String> {
    let fits = matches!(dtype, DType::F16 | DType::BF16 | DType::F32);
    if fits { Ok(()) } else { Err(format!("{dtype} is not normalised on this device")) }
}

/// The order of dimensions with one of them last, and the way back.
pub(super) fn last(rank: usize, d: usize) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..rank).filter(|other| *other != d).collect();
    order.push(d);
    let mut back = vec![0; rank];
    order.iter().enumerate().for_each(|(to, from)| back[*from] = to);
    (order, back)
}

pub(super) fn softmax(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.compute_view(id)?;
    floating(dtype)?;
    let rank = view.shape.len();
    let old = node.opset < 13;
    let d = axis(int(node, "axis", if old { 1 } else { -1 }), rank)?;
    let (order, back) = if old { ((0..rank).collect(), (0..rank).collect()) } else { last(rank, d) };
    let x = planner.made_dense(&view.permuted(&order), dtype)?;
    let columns: u64 = if old { x.shape[d..].iter().product() } else { view.shape.get(d).copied().unwrap_or(1) };
    let y = planner.buffer(x.dtype, x.shape.clone());
    let count = x.elements().checked_div(columns).unwrap_or(0);
    let args = vec![
        Arg::Place((&x).into()),
        Arg::Place((&y).into()),
        Arg::Int(count as i32),
        Arg::Int(columns as i32),
        Arg::Int(i32::from(&*node.operator == "LogSoftmax")),
    ];
    rows(planner, "softmax", &x, count, args, 2)?;
    planner.set_view(node, y.permuted(&back), dtype);
    Ok(())
}

/// The softmax over the rows of a dense view.
pub(super) fn weights(planner: &mut Planner<'_>, x: &View, columns: u64) -> Result<View, String> {
    let y = planner.buffer(x.dtype, x.shape.clone());
    let count = x.elements().checked_div(columns).unwrap_or(0);
    let numbers = [count as i32, columns as i32, 0].map(Arg::Int);
    let args = [Arg::Place(x.into()), Arg::Place((&y).into())].into_iter().chain(numbers).collect();
    rows(planner, "softmax", x, count, args, 2)?;
    Ok(y)
}

/// A parameter as F32.
fn parameter(planner: &mut Planner<'_>, node: &Node, index: usize) -> Result<Arg, String> {
    match node.inputs.get(index).copied().flatten() {
        Some(id) => match planner.host(id).cloned() {
            Ok(tensor) => Ok(Arg::Place((&planner.constant(&tensor, DType::F32, Form::Plain)?).into())),
            Err(_) => {
                let (view, dtype) = planner.dense(id)?;
                Ok(Arg::Place((&planner.widened(view, dtype)?).into()))
            }
        },
        None => Ok(Arg::Null),
    }
}

/// The second and third output of a layer normalisation: each row's mean, and one over its deviation.
fn statistics(planner: &mut Planner<'_>, node: &Node, d: usize) -> Result<(), String> {
    if node.output(1).is_none() && node.output(2).is_none() {
        return Ok(());
    }
    let x = planner.input(node, 0)?;
    let x = planner.cast_to(x, DType::F32)?;
    let axes: Vec<i64> = (d as i64..planner.kind(x)?.0.len() as i64).collect();
    let axes = planner.known_ints(&[axes.len() as u64], &axes)?;
    let mean = planner.apply("ReduceMean", &[x, axes], &[])?;
    planner.view(mean)?;
    let apart = planner.apply("Sub", &[x, mean], &[])?;
    let squares = planner.apply("Mul", &[apart, apart], &[])?;
    let variance = planner.apply("ReduceMean", &[squares, axes], &[])?;
    let epsilon = planner.scalar(DType::F32, f64::from(float(node, "epsilon", 1e-5)))?;
    let sum = planner.apply("Add", &[variance, epsilon], &[])?;
    let root = planner.apply("Sqrt", &[sum], &[])?;
    let inverse = planner.apply("Reciprocal", &[root], &[])?;
    planner.give(node, 1, mean)?;
    planner.give(node, 2, inverse)
}

struct Norm {
    rows: u64,
    columns: u64,
    block: u64,
    per_row: u64,
    period: u64,
    epsilon: f32,
    centre: bool,
}

impl Norm {
    fn args(&self) -> Vec<Arg> {
        let ints = [self.rows, self.columns, self.block, self.per_row, self.period].map(|value| Arg::Int(value as i32));
        ints.into_iter().chain([Arg::Float(self.epsilon), Arg::Int(i32::from(self.centre))]).collect()
    }
}

/// Layer and root-mean-square normalisation, and `SkipLayerNorm` of domain `scorehost`.
pub(super) fn layer(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let skip = &*node.operator == "SkipLayerNorm";
    let id = planner.input(node, 0)?;
    let (x, dtype) = planner.dense(id)?;
    floating(dtype)?;
    let d = axis(int(node, "axis", -1), x.shape.len())?;
    let columns: u64 = x.shape[d..].iter().product();
    let (added, scale, bias) = if skip {
        let residual = planner.input(node, 1)?;
        let (view, _) = planner.dense(residual)?;
        if view.shape != x.shape {
            return Err(format!("residual {:?} has not the shape {:?}", view.shape, x.shape));
        }
        (Arg::Place((&view).into()), parameter(planner, node, 2)?, parameter(planner, node, 3)?)
    } else {
        (Arg::Null, parameter(planner, node, 1)?, parameter(planner, node, 2)?)
    };
    for index in if skip { 2..4 } else { 1..3 } {
        if let Some(id) = node.inputs.get(index).copied().flatten()
            && planner.kind(id)?.0.iter().product::<u64>() != columns
        {
            return Err("its scale or bias has not one number a column".to_owned());
        }
    }
    let y = planner.buffer(x.dtype, x.shape.clone());
    let sums =
        (skip && node.outputs.get(1).is_some_and(Option::is_some)).then(|| planner.buffer(x.dtype, x.shape.clone()));
    let norm = Norm {
        rows: x.elements().checked_div(columns).unwrap_or(0),
        columns,
        block: 1,
        per_row: 0,
        period: 1,
        epsilon: float(node, "epsilon", 1e-5),
        centre: !matches!(&*node.operator, "RMSNormalization" | "SimplifiedLayerNormalization"),
    };
    let sums_arg = sums.as_ref().map_or(Arg::Null, |view| Arg::Place(view.into()));
    let mut args = vec![Arg::Place((&x).into()), added, scale, bias, Arg::Place((&y).into()), sums_arg];
    args.extend(norm.args());
    rows(planner, "normalise", &x, norm.rows, args, if skip { 3 } else { 2 })?;
    planner.set_view(node, y, dtype);
    match sums {
        Some(sums) => planner.set(node, 1, Value::Stored(sums, dtype)),
        None if &*node.operator == "LayerNormalization" => statistics(planner, node, d)?,
        None => {}
    }
    Ok(())
}

/// Instance and group normalisation: rows are channels, or groups of them.
pub(super) fn channels(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (x, dtype) = planner.dense(id)?;
    floating(dtype)?;
    if x.shape.len() < 3 {
        return Err(format!("expected spatial dimensions, got {:?}", x.shape));
    }
    let (count, pixels) = (x.shape[1], x.shape[2..].iter().product::<u64>());
    let groups =
        if &*node.operator == "InstanceNormalization" { count } else { int(node, "num_groups", 1).max(1) as u64 };
    let each = count / groups;
    let scale_id = planner.input(node, 1)?;
    let scales = planner.kind(scale_id)?.0.iter().product::<u64>();
    // Before operator set 21 a group had one scale for all its channels.
    let (block, per_row) = if scales == count { (pixels, each) } else { (pixels * each, 1) };
    let y = planner.buffer(x.dtype, x.shape.clone());
    let norm = Norm {
        rows: x.shape[0] * groups,
        columns: each * pixels,
        block: block.max(1),
        per_row,
        period: scales.max(1),
        epsilon: float(node, "epsilon", 1e-5),
        centre: true,
    };
    let (scale, bias) = (parameter(planner, node, 1)?, parameter(planner, node, 2)?);
    let mut args = vec![Arg::Place((&x).into()), Arg::Null, scale, bias, Arg::Place((&y).into()), Arg::Null];
    args.extend(norm.args());
    rows(planner, "normalise", &x, norm.rows, args, 2)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

pub(super) fn mean_variance(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.compute_view(id)?;
    floating(dtype)?;
    let rank = view.shape.len();
    let axes = ints(node, "axes").unwrap_or_else(|| vec![0, 2, 3]);
    let gone = axes.into_iter().map(|d| axis(d, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut order: Vec<usize> = (0..rank).filter(|d| !gone.contains(d)).collect();
    order.extend(&gone);
    let mut back = vec![0; rank];
    order.iter().enumerate().for_each(|(to, from)| back[*from] = to);
    let x = planner.made_dense(&view.permuted(&order), dtype)?;
    let columns: u64 = gone.iter().map(|d| view.shape[*d]).product();
    let y = planner.buffer(x.dtype, x.shape.clone());
    let count = x.elements().checked_div(columns).unwrap_or(0);
    let norm = Norm { rows: count, columns, block: 1, per_row: 0, period: 1, epsilon: 1e-9, centre: true };
    let mut args = vec![Arg::Place((&x).into()), Arg::Null, Arg::Null, Arg::Null, Arg::Place((&y).into()), Arg::Null];
    args.extend(norm.args());
    rows(planner, "normalise", &x, count, args, 2)?;
    planner.set_view(node, y.permuted(&back), dtype);
    Ok(())
}

/// A kernel over one dimension whose result has the input's shape.
fn along(planner: &mut Planner<'_>, node: &Node, d: usize, entry: &'static str, more: &[i32]) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.compute_view(id)?;
    let (order, back) = last(view.shape.len(), d);
    let x = planner.made_dense(&view.permuted(&order), dtype)?;
    let columns = view.shape.get(d).copied().unwrap_or(1);
    let y = planner.buffer(x.dtype, x.shape.clone());
    let count = x.elements().checked_div(columns).unwrap_or(0);
    let mut args =
        vec![Arg::Place((&x).into()), Arg::Place((&y).into()), Arg::Int(count as i32), Arg::Int(columns as i32)];
    args.extend(more.iter().map(|value| Arg::Int(*value)));
    rows(planner, entry, &x, count, args, 2)?;
    planner.set_view(node, y.permuted(&back), dtype);
    Ok(())
}

pub(super) fn lp(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (shape, dtype) = planner.kind(planner.input(node, 0)?)?;
    floating(dtype)?;
    along(planner, node, axis(int(node, "axis", -1), shape.len())?, "normalise_lp", &[int(node, "p", 2) as i32])
}

pub(super) fn running_sum(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let shape = planner.kind(planner.input(node, 0)?)?.0;
    let at = integers(planner.host(planner.input(node, 1)?)?)?;
    let d = axis(*at.first().ok_or("its axis is missing")?, shape.len())?;
    along(planner, node, d, "running_sum", &[int(node, "exclusive", 0) as i32, int(node, "reverse", 0) as i32])
}

/// `ArgMax` and `ArgMin`.
pub(super) fn place(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.compute_view(id)?;
    let d = axis(int(node, "axis", 0), view.shape.len())?;
    let (order, _) = last(view.shape.len(), d);
    let x = planner.made_dense(&view.permuted(&order), dtype)?;
    let columns = view.shape.get(d).copied().unwrap_or(1);
    if columns == 0 {
        return Err("there is nothing to choose from".to_owned());
    }
    let mut shape = view.shape.clone();
    shape[d] = 1;
    let y = planner.buffer(DType::I64, shape.clone());
    let count = x.elements() / columns;
    let smallest = i32::from(&*node.operator == "ArgMin");
    let mut args = vec![Arg::Place((&x).into()), Arg::Place((&y).into())];
    args.extend([count as i32, columns as i32, smallest, int(node, "select_last_index", 0) as i32].map(Arg::Int));
    rows(planner, "place", &x, count, args, 1)?;
    if int(node, "keepdims", 1) == 0 {
        shape.remove(d);
    }
    planner.set_view(node, y.reshaped(&shape).ok_or("has an impossible shape")?, DType::I64);
    Ok(())
}
