//! Copies of a tensor with elements replaced, or combined with others, at computed places.

use std::rc::Rc;

use scorehost_core::DType;
use scorehost_graph::Node;

use super::Lower;
use super::attributes::{axis, int, text};
use super::convolution::index;
use super::gather::{indices, walk};
use crate::expression::{Expression, THREADS, Tree};
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work};
use crate::planner::Planner;
use crate::view::View;

/// Items that share the slices of a tensor where updates meet.
const PARTS: u64 = 4096;

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "Scatter" | "ScatterElements" => elements,
        "ScatterND" => tuples,
        "TensorScatter" => run,
        _ => return None,
    })
}

/// How a new element meets the old one, by the kernels' number.
fn meeting(node: &Node) -> Result<u32, String> {
    Ok(match text(node, "reduction", "none") {
        "none" => 0,
        "add" => 1,
        "mul" => 2,
        "max" => 3,
        "min" => 4,
        other => return Err(format!("reduction {other} is unknown")),
    })
}

/// A row-major copy of the first input, which the kernels change.
fn copy(planner: &mut Planner<'_>, node: &Node) -> Result<(View, DType), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.compute_view(id)?;
    let y = planner.buffer(view.dtype, view.shape.clone());
    let expression = Expression { dtype, shape: view.shape.clone(), tree: Rc::new(Tree::Read(view)) };
    planner.store(&expression, &y)?;
    Ok((y, dtype))
}

/// The updates, which are of the copy's type.
fn updates(planner: &mut Planner<'_>, node: &Node, input: usize, y: &View) -> Result<View, String> {
    let id = planner.input(node, input)?;
    let (view, _) = planner.dense(id)?;
    if view.dtype == y.dtype { Ok(view) } else { Err(format!("updates of {} for {}", view.dtype, y.dtype)) }
}

fn launch(
    planner: &mut Planner<'_>,
    entry: &'static str,
    types: [DType; 2],
    how: u32,
    total: u64,
    mut args: Vec<Arg>,
) -> Result<(), String> {
    if how > 0 && types[0] == DType::Bool {
        return Err("BOOL is only replaced on this device".to_owned());
    }
    let name = |dtype| kernels::name(dtype).ok_or("strings are not on this device");
    let (element, indices, how) = (name(types[0])?, name(types[1])?, how.to_string());
    let definitions = [("T", element), ("I", indices), ("HOW", &*how)];
    let kernel = kernels::fixed(planner.target.dialect, File::Scatter, entry, &definitions);
    let total = index(total)?;
    args.push(Arg::Int(total as i32));
    let cost = Cost { bytes: 3 * u64::from(total) * types[0].size().unwrap_or(1) as u64, operations: 0 };
    if total > 0 {
        let blocks = [total.div_ceil(THREADS), 1, 1];
        planner.launch(Work::Kernel { kernel, blocks, threads: THREADS, shared: 0, args }, cost);
    }
    Ok(())
}

fn elements(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let at = indices(planner, node, 1)?;
    let (y, dtype) = copy(planner, node)?;
    let new = updates(planner, node, 2, &y)?;
    let d = axis(int(node, "axis", 0), y.shape.len())?;
    let inside = |(i, (size, limit)): (usize, (&u64, &u64))| i == d || size <= limit;
    let fits = at.shape.len() == y.shape.len() && at.shape.iter().zip(&y.shape).enumerate().all(inside);
    if !fits || new.shape != at.shape {
        return Err(format!("indices {:?} and updates {:?} for data {:?}", at.shape, new.shape, y.shape));
    }
    let lines: Vec<usize> = (0..at.shape.len()).filter(|i| *i != d).collect();
    let pick = |steps: &[i64]| lines.iter().map(|i| steps[*i]).collect::<Vec<_>>();
    let sizes: Vec<u64> = lines.iter().map(|i| at.shape[*i]).collect();
    let args = vec![
        Arg::Place((&new).into()),
        Arg::Place((&at).into()),
        Arg::Place((&y).into()),
        Arg::Words(walk(&sizes, &pick(&at.steps))?),
        Arg::Words(walk(&sizes, &pick(&y.steps))?),
        Arg::Int(at.shape[d] as i32),
        Arg::Int(at.steps[d] as i32),
        Arg::Int(y.shape[d] as i32),
        Arg::Int(y.steps[d] as i32),
    ];
    let total = if at.elements() == 0 { 0 } else { sizes.iter().product() };
    index(y.elements().max(at.elements()))?;
    launch(planner, "scatter_elements", [y.dtype, at.dtype], meeting(node)?, total, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

fn tuples(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let at = indices(planner, node, 1)?;
    let (y, dtype) = copy(planner, node)?;
    let new = updates(planner, node, 2, &y)?;
    let (depth, outer) = at.shape.split_last().ok_or("indices without a dimension")?;
    let depth = *depth as usize;
    if depth > y.shape.len() || new.shape != [outer, &y.shape[depth.min(y.shape.len())..]].concat() {
        return Err(format!("indices {:?} and updates {:?} for data {:?}", at.shape, new.shape, y.shape));
    }
    let (slices, inner): (u64, u64) = (y.shape[..depth].iter().product(), y.shape[depth..].iter().product());
    let count: u64 = outer.iter().product();
    let how = meeting(node)?;
    let parts = slices.min(PARTS / inner.clamp(1, PARTS)).max(1);
    let steps: Vec<i64> = y.steps[..depth].iter().map(|step| step / inner.max(1) as i64).collect();
    let args = vec![
        Arg::Place((&new).into()),
        Arg::Place((&at).into()),
        Arg::Place((&y).into()),
        Arg::Words(walk(&y.shape[..depth], &steps)?),
        Arg::Int(count as i32),
        Arg::Int(inner as i32),
        Arg::Int(parts as i32),
    ];
    index(y.elements())?;
    let total = if count == 0 { 0 } else { inner * if how == 0 { count } else { parts } };
    launch(planner, "scatter_nd", [y.dtype, at.dtype], how, total, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

/// `TensorScatter`: a run of a dimension, from a place of its own for each element of the first.
fn run(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (y, dtype) = copy(planner, node)?;
    let new = updates(planner, node, 1, &y)?;
    let d = axis(int(node, "axis", -2), y.shape.len())?;
    let same = |(i, (a, b)): (usize, (&u64, &u64))| if i == d { a <= b } else { a == b };
    let fits = new.shape.len() == y.shape.len() && new.shape.iter().zip(&y.shape).enumerate().all(same);
    if d == 0 || !fits {
        return Err(format!("an update of {:?} for {:?}", new.shape, y.shape));
    }
    let (starts, places) = match node.input(2) {
        Some(_) => {
            let view = indices(planner, node, 2)?;
            (view.dtype, Arg::Place((&view).into()))
        }
        None => (DType::I64, Arg::Null),
    };
    let ints = [
        y.shape[1..d].iter().product(),
        new.shape[d],
        y.shape[d],
        y.shape[d + 1..].iter().product(),
        u64::from(text(node, "mode", "linear") == "circular"),
    ];
    let mut args = vec![Arg::Place((&new).into()), places, Arg::Place((&y).into())];
    args.extend(ints.map(|value| Arg::Int(value as i32)));
    launch(planner, "scatter_run", [y.dtype, starts], 0, new.elements(), args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}
