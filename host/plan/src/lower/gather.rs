//! Operators that read at computed places.

use scorehost_core::DType;
use scorehost_graph::Node;

use super::Lower;
use super::attributes::{axis, int, integers, ints, text};
use super::convolution::index;
use crate::expression::THREADS;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work, words};
use crate::planner::Planner;
use crate::view::{View, dense};

/// Dimensions that the kernels' structures hold.
pub(super) const MAX_RANK: usize = 8;

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "Gather" => gather,
        "GatherElements" => gather_elements,
        "GatherND" => gather_nd,
        "OneHot" => one_hot,
        "Pad" => pad,
        "Tile" => tile,
        "Trilu" => triangle,
        _ => return None,
    })
}

/// The kernels' structure of a row-major walk.
pub(super) fn walk(sizes: &[u64], steps: &[i64]) -> Result<Vec<u32>, String> {
    if sizes.len() > MAX_RANK {
        return Err(format!("{} dimensions are more than the {MAX_RANK} of this device", sizes.len()));
    }
    let fill = |values: Vec<i64>, empty: i64| {
        values.into_iter().chain(std::iter::repeat(empty)).take(MAX_RANK).collect::<Vec<_>>()
    };
    let mut all = vec![sizes.len() as i64];
    all.extend(fill(sizes.iter().map(|size| *size as i64).collect(), 1));
    all.extend(fill(steps.to_vec(), 0));
    Ok(words(all))
}

/// One thread an element of `y`.
fn launch(
    planner: &mut Planner<'_>,
    entry: &'static str,
    indices: DType,
    y: &View,
    mut args: Vec<Arg>,
) -> Result<(), String> {
    let (name, index_name) =
        (kernels::name(y.dtype).ok_or("strings are not on this device")?, kernels::name(indices).ok_or("bad indices")?);
    let kernel = kernels::fixed(planner.target.dialect, File::Gather, entry, &[("T", name), ("I", index_name)]);
    let total = index(y.elements())?;
    args.push(Arg::Int(total as i32));
    let cost = Cost { bytes: 2 * y.elements() * y.dtype.size().unwrap_or(1) as u64, operations: 0 };
    if total > 0 {
        planner.launch(
            Work::Kernel { kernel, blocks: [total.div_ceil(THREADS), 1, 1], threads: THREADS, shared: 0, args },
            cost,
        );
    }
    Ok(())
}

pub(super) fn indices(planner: &mut Planner<'_>, node: &Node, input: usize) -> Result<View, String> {
    let id = planner.input(node, input)?;
    let (view, dtype) = planner.dense(id)?;
    if matches!(dtype, DType::I32 | DType::I64) { Ok(view) } else { Err(format!("indices of {dtype}")) }
}

fn gather(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let at = indices(planner, node, 1)?;
    let id = planner.input(node, 0)?;
    let (data, dtype) = planner.dense(id)?;
    let d = axis(int(node, "axis", 0), data.shape.len())?;
    let inner: u64 = data.shape[d + 1..].iter().product();
    let shape = [&data.shape[..d], &at.shape[..], &data.shape[d + 1..]].concat();
    let y = planner.buffer(data.dtype, shape);
    if data.shape[d] == 0 && y.elements() > 0 {
        return Err("there is nothing to gather from".to_owned());
    }
    let args = vec![
        Arg::Place((&data).into()),
        Arg::Place((&at).into()),
        Arg::Place((&y).into()),
        Arg::Int(data.shape[d] as i32),
        Arg::Int(inner as i32),
        Arg::Int(at.elements() as i32),
    ];
    launch(planner, "gather", at.dtype, &y, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

fn gather_elements(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let at = indices(planner, node, 1)?;
    let id = planner.input(node, 0)?;
    let (data, dtype) = planner.dense(id)?;
    let d = axis(int(node, "axis", 0), data.shape.len())?;
    if at.shape.len() != data.shape.len() {
        return Err(format!("indices {:?} for data {:?}", at.shape, data.shape));
    }
    let mut steps = data.steps.clone();
    steps[d] = 0;
    let y = planner.buffer(data.dtype, at.shape.clone());
    let args = vec![
        Arg::Place((&data).into()),
        Arg::Place((&at).into()),
        Arg::Place((&y).into()),
        Arg::Words(walk(&at.shape, &steps)?),
        Arg::Int(data.shape[d] as i32),
        Arg::Int(data.steps[d] as i32),
    ];
    launch(planner, "gather_elements", at.dtype, &y, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

fn gather_nd(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let at = indices(planner, node, 1)?;
    let id = planner.input(node, 0)?;
    let (data, dtype) = planner.dense(id)?;
    let batches = int(node, "batch_dims", 0).max(0) as usize;
    let (last, outer) = at.shape.split_last().ok_or("indices without a dimension")?;
    let depth = *last as usize;
    if batches > outer.len() || batches + depth > data.shape.len() {
        return Err(format!("indices {:?} for data {:?}", at.shape, data.shape));
    }
    let rest = &data.shape[batches + depth..];
    let inner: u64 = rest.iter().product();
    let y = planner.buffer(data.dtype, [outer, rest].concat());
    let args = vec![
        Arg::Place((&data).into()),
        Arg::Place((&at).into()),
        Arg::Place((&y).into()),
        Arg::Words(walk(&data.shape[batches..batches + depth], &data.steps[batches..batches + depth])?),
        Arg::Int(outer[batches..].iter().product::<u64>().max(1) as i32),
        Arg::Int(data.shape[batches..].iter().product::<u64>() as i32),
        Arg::Int(inner as i32),
    ];
    launch(planner, "gather_nd", at.dtype, &y, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

fn one_hot(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let indices = planner.input(node, 0)?;
    let (at, _) = planner.dense(indices)?;
    let depth = super::attributes::numbers(planner.host(planner.input(node, 1)?)?)?;
    let depth = depth.first().copied().ok_or("its depth is missing")? as u64;
    let id = planner.input(node, 2)?;
    let (values, dtype) = planner.dense(id)?;
    let rank = at.shape.len();
    let d = axis(int(node, "axis", -1), rank + 1)?;
    let shape = [&at.shape[..d], &[depth], &at.shape[d..]].concat();
    let inner: u64 = at.shape[d..].iter().product();
    let y = planner.buffer(values.dtype, shape);
    let args = vec![
        Arg::Place((&at).into()),
        Arg::Place((&values).into()),
        Arg::Place((&y).into()),
        Arg::Int(depth as i32),
        Arg::Int(inner as i32),
    ];
    launch(planner, "one_hot", at.dtype, &y, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

fn pad(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (x, dtype) = planner.compute_view(id)?;
    let rank = x.shape.len();
    let given = match node.inputs.get(1).copied().flatten() {
        Some(id) => integers(planner.host(id)?)?,
        None => ints(node, "pads").ok_or("its pads are missing")?,
    };
    let axes = match node.inputs.get(3).copied().flatten() {
        Some(id) => integers(planner.host(id)?)?.into_iter().map(|d| axis(d, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if given.len() != 2 * axes.len() {
        return Err(format!("{} pads for {} dimensions", given.len(), axes.len()));
    }
    let (mut before, mut shape) = (vec![0; rank], x.shape.clone());
    for (i, d) in axes.iter().enumerate() {
        before[*d] = given[i];
        shape[*d] = u64::try_from(x.shape[*d] as i64 + given[i] + given[axes.len() + i])
            .map_err(|_| "pads remove more than there is")?;
    }
    let mode = match text(node, "mode", "constant") {
        "constant" => 0,
        "edge" => 1,
        "reflect" => 2,
        "wrap" => 3,
        other => return Err(format!("mode {other} is unknown")),
    };
    let value = match node.inputs.get(2).copied().flatten() {
        Some(id) => Arg::Place((&planner.compute_view(id)?.0).into()),
        None => old_value(planner, node, x.dtype)?,
    };
    let y = planner.buffer(x.dtype, shape);
    let args = vec![
        Arg::Place((&x).into()),
        value,
        Arg::Place((&y).into()),
        Arg::Words(walk(&x.shape, &x.steps)?),
        Arg::Words(walk(&y.shape, &before)?),
        Arg::Int(mode),
    ];
    launch(planner, "pad", DType::I64, &y, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

/// The attribute that was the value before operator set 11.
fn old_value(planner: &mut Planner<'_>, node: &Node, stored: DType) -> Result<Arg, String> {
    let value = super::attributes::float(node, "value", 0.0);
    if value == 0.0 {
        return Ok(Arg::Null);
    }
    let tensor = scorehost_core::Tensor::from_f32([1u64].as_slice(), &[value]).map_err(|error| error.to_string())?;
    Ok(Arg::Place((&planner.constant(&tensor, stored, crate::constants::Form::Plain)?).into()))
}

fn tile(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let repeats = integers(planner.host(planner.input(node, 1)?)?)?;
    let (x, dtype) = planner.compute_view(id)?;
    if repeats.len() != x.shape.len() {
        return Err(format!("{} repeats for {:?}", repeats.len(), x.shape));
    }
    let shape: Vec<u64> = x.shape.iter().zip(&repeats).map(|(size, repeat)| size * (*repeat).max(0) as u64).collect();
    let y = planner.buffer(x.dtype, shape);
    let args = vec![
        Arg::Place((&x).into()),
        Arg::Place((&y).into()),
        Arg::Words(walk(&x.shape, &x.steps)?),
        Arg::Words(walk(&y.shape, &dense(&y.shape))?),
    ];
    launch(planner, "tile", DType::I64, &y, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

fn triangle(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (x, dtype) = planner.dense(id)?;
    let k = match node.inputs.get(1).copied().flatten() {
        Some(id) => integers(planner.host(id)?)?.first().copied().unwrap_or(0),
        None => 0,
    };
    let [.., rows, columns] = x.shape[..] else { return Err("expected matrices".to_owned()) };
    let y = planner.buffer(x.dtype, x.shape.clone());
    let k = k.clamp(-i64::from(i32::MAX / 2), i64::from(i32::MAX / 2));
    let args = vec![
        Arg::Place((&x).into()),
        Arg::Place((&y).into()),
        Arg::Int(rows as i32),
        Arg::Int(columns as i32),
        Arg::Int(k as i32),
        Arg::Int(int(node, "upper", 1) as i32),
    ];
    launch(planner, "triangle", DType::I64, &y, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}
