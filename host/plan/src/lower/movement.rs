//! Operators that only say where elements are: most become views and cost nothing.

use std::rc::Rc;

use scorehost_core::DType;
use scorehost_graph::Node;

use super::Lower;
use super::attributes::{axis, int, integers, ints, text};
use super::compose;
use super::elementwise::{broadcast, dtype_of};
use crate::expression::{Expression, Tree};
use crate::planner::{Planner, Value};
use crate::view::{View, channels_last};

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "Transpose" => transpose,
        "Reshape" => reshape,
        "Flatten" => flatten,
        "Squeeze" => squeeze,
        "Unsqueeze" => unsqueeze,
        "Slice" => slice,
        "Split" => split,
        "Expand" => expand,
        "Concat" => concat,
        "DepthToSpace" => depth_to_space,
        "SpaceToDepth" => space_to_depth,
        "CenterCropPad" => centred,
        "EyeLike" => identity_matrix,
        "BitCast" => reinterpreted,
        _ => return None,
    })
}

/// An integer list that is an input in newer operator sets and an attribute in older ones.
fn list(planner: &Planner<'_>, node: &Node, index: usize, attribute: &str) -> Result<Option<Vec<i64>>, String> {
    match node.inputs.get(index).copied().flatten() {
        Some(id) => integers(planner.host(id)?).map(Some),
        None => Ok(ints(node, attribute)),
    }
}

fn transpose(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.view(id)?;
    let rank = view.shape.len();
    let order = match ints(node, "perm") {
        Some(order) => order.into_iter().map(|d| axis(d, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    planner.set_view(node, view.permuted(&order), dtype);
    Ok(())
}

/// The value under another shape, moved only where its steps do not allow it.
fn shaped(planner: &mut Planner<'_>, node: &Node, shape: &[u64]) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.view(id)?;
    let wrong = || format!("{:?} cannot become {shape:?}", view.shape);
    if view.elements() != shape.iter().product::<u64>() {
        return Err(wrong());
    }
    let view = match view.reshaped(shape) {
        Some(view) => view,
        None => planner.made_dense(&view, dtype)?.reshaped(shape).ok_or_else(wrong)?,
    };
    planner.set_view(node, view, dtype);
    Ok(())
}

fn reshape(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let from = planner.kind(planner.input(node, 0)?)?.0;
    let target = list(planner, node, 1, "shape")?.ok_or("the new shape is missing")?;
    let zero_is_zero = int(node, "allowzero", 0) != 0;
    let mut shape = Vec::with_capacity(target.len());
    for (d, size) in target.iter().enumerate() {
        shape.push(match size {
            0 if !zero_is_zero => *from.get(d).ok_or("a 0 in the new shape has no dimension to copy")?,
            -1 => 1,
            size => u64::try_from(*size).map_err(|_| format!("a dimension of {size}"))?,
        });
    }
    if let Some(free) = target.iter().position(|size| *size == -1) {
        let rest: u64 = shape.iter().product();
        shape[free] = from.iter().product::<u64>().checked_div(rest).unwrap_or(0);
    }
    shaped(planner, node, &shape)
}

fn flatten(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let shape = planner.kind(planner.input(node, 0)?)?.0;
    let rank = shape.len();
    let at = int(node, "axis", 1);
    let at = usize::try_from(if at < 0 { at + rank as i64 } else { at })
        .ok()
        .filter(|at| *at <= rank)
        .ok_or("a bad axis")?;
    shaped(planner, node, &[shape[..at].iter().product(), shape[at..].iter().product()])
}

fn squeeze(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let shape = planner.kind(planner.input(node, 0)?)?.0;
    let axes = list(planner, node, 1, "axes")?;
    let gone = match axes {
        Some(axes) => axes.into_iter().map(|d| axis(d, shape.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).filter(|d| shape[*d] == 1).collect(),
    };
    let kept: Vec<u64> = (0..shape.len()).filter(|d| !gone.contains(d)).map(|d| shape[d]).collect();
    shaped(planner, node, &kept)
}

fn unsqueeze(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let shape = planner.kind(planner.input(node, 0)?)?.0;
    let axes = list(planner, node, 1, "axes")?.ok_or("axes are missing")?;
    let rank = shape.len() + axes.len();
    let new = axes.into_iter().map(|d| axis(d, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut old = shape.into_iter();
    let grown: Vec<u64> = (0..rank).map(|d| if new.contains(&d) { 1 } else { old.next().unwrap_or(1) }).collect();
    shaped(planner, node, &grown)
}

fn slice(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let starts = list(planner, node, 1, "starts")?.ok_or("starts are missing")?;
    let ends = list(planner, node, 2, "ends")?.ok_or("ends are missing")?;
    let axes = list(planner, node, 3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(planner, node, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|length| *length != starts.len()) {
        return Err("starts, ends, axes and steps differ in length".to_owned());
    }
    let (mut view, dtype) = planner.view(id)?;
    for ((start, end), (d, step)) in starts.into_iter().zip(ends).zip(axes.into_iter().zip(steps)) {
        let d = axis(d, view.shape.len())?;
        let size = view.shape[d] as i64;
        let from_end = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (first, count) = match step {
            0 => return Err("a step of 0".to_owned()),
            1.. => {
                let (start, end) = (from_end(start).clamp(0, size), from_end(end).clamp(0, size));
                (start, ((end - start).max(0) as u64).div_ceil(step as u64))
            }
            _ => {
                let (start, end) = (from_end(start).clamp(-1, size - 1), from_end(end).clamp(-1, size - 1));
                (start.max(0), ((start - end).max(0) as u64).div_ceil(step.unsigned_abs()))
            }
        };
        view = view.sliced(d, first, count, step);
    }
    planner.set_view(node, view, dtype);
    Ok(())
}

fn split(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let sizes = list(planner, node, 1, "split")?;
    let (view, dtype) = planner.view(id)?;
    let d = axis(int(node, "axis", 0), view.shape.len())?;
    let parts = node.outputs.len() as u64;
    let each = view.shape[d].div_ceil(parts.max(1));
    let sizes = match sizes {
        Some(sizes) => sizes
            .into_iter()
            .map(|size| u64::try_from(size).map_err(|_| "a negative part".to_owned()))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..parts).map(|part| each.min(view.shape[d].saturating_sub(part * each))).collect(),
    };
    if sizes.len() != node.outputs.len() || sizes.iter().sum::<u64>() != view.shape[d] {
        return Err(format!("parts {sizes:?} do not make up dimension {d} of {:?}", view.shape));
    }
    let mut first = 0;
    for (index, size) in sizes.into_iter().enumerate() {
        planner.set(node, index, Value::Stored(view.sliced(d, first, size, 1), dtype));
        first += size as i64;
    }
    Ok(())
}

fn expand(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let target = list(planner, node, 1, "shape")?.ok_or("the shape is missing")?;
    let target: Vec<u64> = target.into_iter().map(|size| size.max(0) as u64).collect();
    let (view, dtype) = planner.view(id)?;
    let shape = broadcast(&view.shape, &target)?;
    let view = view.expanded(&shape).ok_or("does not broadcast")?;
    planner.set_view(node, view, dtype);
    Ok(())
}

fn concat(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids: Vec<_> = (0..node.inputs.len()).map(|index| planner.input(node, index)).collect::<Result<_, _>>()?;
    let (mut shape, dtype) = planner.kind(*ids.first().ok_or("has no inputs")?)?;
    let d = axis(int(node, "axis", 0), shape.len())?;
    let mut parts = Vec::new();
    shape[d] = 0;
    for id in &ids {
        let part = planner.kind(*id)?.0;
        let fits = part.len() == shape.len() && (0..part.len()).all(|i| i == d || part[i] == shape[i]);
        if !fits {
            return Err(format!("{part:?} does not fit the other inputs along dimension {d}"));
        }
        shape[d] += part[d];
        parts.push(part[d]);
    }
    let expressions = ids.iter().map(|id| planner.expression(*id)).collect::<Result<Vec<_>, _>>()?;
    let mut whole = planner.buffer(planner.stored(dtype), shape.clone());
    let last =
        |expression: &Expression| expression.model().is_some_and(|view| view.is_channels_last() && !view.is_dense());
    if expressions.iter().any(last) {
        whole.steps = channels_last(&shape);
    }
    let mut first = 0;
    for (expression, size) in expressions.iter().zip(parts) {
        planner.store(expression, &whole.sliced(d, first, size, 1))?;
        first += size as i64;
    }
    planner.set_view(node, whole, dtype);
    Ok(())
}

/// A view of the input's elements under a shape and an order of its dimensions, made dense under `shape`.
fn rearranged(
    planner: &mut Planner<'_>,
    node: &Node,
    inner: &[u64],
    order: &[usize],
    shape: &[u64],
) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (view, dtype) = planner.dense(id)?;
    let turned = view.reshaped(inner).ok_or("the block does not divide the dimensions")?.permuted(order);
    let view = match turned.reshaped(shape) {
        Some(view) => view,
        None => copy(planner, &turned, dtype)?.reshaped(shape).ok_or("the block does not divide the dimensions")?,
    };
    planner.set_view(node, view, dtype);
    Ok(())
}

fn copy(planner: &mut Planner<'_>, view: &View, dtype: DType) -> Result<View, String> {
    let to = planner.buffer(view.dtype, view.shape.clone());
    let tree = Rc::new(Tree::Read(view.clone()));
    planner.store(&Expression { dtype, shape: view.shape.clone(), tree }, &to)?;
    Ok(to)
}

fn image(planner: &Planner<'_>, node: &Node) -> Result<([u64; 4], u64), String> {
    let shape = planner.kind(planner.input(node, 0)?)?.0;
    let block = int(node, "blocksize", 1).max(1) as u64;
    let shape = shape.try_into().map_err(|shape| format!("expected four dimensions, got {shape:?}"))?;
    Ok((shape, block))
}

fn depth_to_space(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ([n, c, h, w], b) = image(planner, node)?;
    let out = c / (b * b);
    let shape = [n, out, h * b, w * b];
    if text(node, "mode", "DCR") == "CRD" {
        rearranged(planner, node, &[n, out, b, b, h, w], &[0, 1, 4, 2, 5, 3], &shape)
    } else {
        rearranged(planner, node, &[n, b, b, out, h, w], &[0, 3, 4, 1, 5, 2], &shape)
    }
}

fn space_to_depth(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ([n, c, h, w], b) = image(planner, node)?;
    let (rows, columns) = (h / b, w / b);
    rearranged(planner, node, &[n, c, rows, b, columns, b], &[0, 3, 5, 1, 2, 4], &[n, c * b * b, rows, columns])
}

/// Cut or filled up with zeros on both sides.
fn centred(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let mut id = planner.input(node, 0)?;
    let target = integers(planner.host(planner.input(node, 1)?)?)?;
    let shape = planner.kind(id)?.0;
    let rank = shape.len();
    let axes = match ints(node, "axes") {
        Some(axes) => axes.into_iter().map(|d| axis(d, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if axes.len() != target.len() {
        return Err(format!("{} sizes for {} dimensions", target.len(), axes.len()));
    }
    let mut pads = vec![0; 2 * rank];
    for (d, size) in axes.into_iter().zip(target) {
        let beyond = size.max(0) - shape[d] as i64;
        if beyond < 0 {
            let first = -beyond / 2;
            id = planner.cut(id, d, first, first + size.max(0), 1)?;
        } else {
            (pads[d], pads[rank + d]) = (beyond / 2, beyond - beyond / 2);
        }
    }
    if pads.iter().any(|pad| *pad != 0) {
        id = planner.apply("Pad", &[id], &[("pads", compose::list(&pads))])?;
    }
    planner.give(node, 0, id)
}

/// Ones on a diagonal.
fn identity_matrix(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (shape, dtype) = planner.kind(planner.input(node, 0)?)?;
    let dtype = match int(node, "dtype", 0) {
        0 => dtype,
        code => dtype_of(code).ok_or_else(|| format!("element type {code} does not exist on this device"))?,
    };
    let [rows, columns] = shape[..] else { return Err(format!("expected a matrix, got {shape:?}")) };
    let k = planner.known_ints(&[rows, 1], &(0..rows as i64).map(|row| row + int(node, "k", 0)).collect::<Vec<_>>())?;
    let all = planner.known_ints(&[1, columns], &(0..columns as i64).collect::<Vec<_>>())?;
    let on = planner.apply("Equal", &[k, all], &[])?;
    let y = planner.cast_to(on, dtype)?;
    planner.give(node, 0, y)
}

/// The same bytes as another type of the same size.
fn reinterpreted(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let code = int(node, "to", 0);
    let to = dtype_of(code).ok_or_else(|| format!("element type {code} does not exist on this device"))?;
    let (view, from) = planner.view(id)?;
    let whole = planner.stored(from) == from && planner.stored(to) == to && view.dtype == from;
    if !whole || from.size() != to.size() {
        return Err(format!("{from} stored as {} is not taken as {to} on this device", view.dtype));
    }
    planner.set_view(node, View { dtype: to, ..view }, to);
    Ok(())
}
