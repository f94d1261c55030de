//! Along one or several axes.

use scorehost_core::DType;

use super::Operator;
use crate::infer::context::{Fact, axis, one};
use crate::infer::flow::{Axes, Flows, refuse};
use crate::infer::{Answer, Context, Dim, Dims, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax" | "ReduceMean" | "ReduceMin"
        | "ReduceProd" | "ReduceSum" | "ReduceSumSquare" => Operator::folding(reduce, reduce_rows),
        "ArgMax" | "ArgMin" => Operator::folding(arg, arg_rows),
        "Softmax" | "LogSoftmax" | "Hardmax" => Operator::folding(same, softmax_rows),
        "CumSum" | "CumProd" => Operator::folding(same, cumulative_rows),
        "LpNormalization" => Operator::folding(same, lp_rows),
        "TopK" => Operator::folding(top_k, top_k_rows),
        _ => return None,
    })
}

fn same(context: &mut Context<'_>) -> Answer {
    one(context.dtype(0)?, context.dims(0)?)
}

/// The axes to reduce, from the front; all where none are given.
fn axes(given: Option<&[i64]>, noop: bool, rank: usize) -> Result<Vec<usize>, Stop> {
    match given {
        Some(axes) if !axes.is_empty() => axes.iter().map(|given| axis(*given, rank)).collect(),
        _ if noop => Ok(Vec::new()),
        _ => Ok((0..rank).collect()),
    }
}

fn reduce(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let given = context.numbers_or("axes", 1)?;
    let noop = context.node.int("noop_with_empty_axes", 0) != 0;
    let axes = axes(given.as_deref(), noop, dims.len())?;
    one(context.dtype(0)?, without(&dims, &axes, context.node.int("keepdims", 1) != 0))
}

fn without(dims: &[Dim], axes: &[usize], keep: bool) -> Dims {
    let each = dims.iter().enumerate().filter_map(|(index, dim)| match (axes.contains(&index), keep) {
        (false, _) => Some(dim.clone()),
        (true, true) => Some(Dim::one()),
        (true, false) => None,
    });
    each.collect()
}

fn reduce_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let rank = flows.rank(0)?;
    let values = match (flows.node.ints("axes"), flows.inputs.get(1).copied().flatten()) {
        (Some(axes), _) => Some(axes.to_vec()),
        (None, Some(fact)) => {
            let known =
                fact.as_integers().and_then(|values| values.iter().map(Dim::value).collect::<Option<Vec<i64>>>());
            Some(known.ok_or("reduces over axes that are not known")?)
        }
        (None, None) if flows.node.input(1).is_some() => return refuse("reduces over axes that are not known"),
        (None, None) => None,
    };
    let noop = flows.node.int("noop_with_empty_axes", 0) != 0;
    let axes = axes(values.as_deref(), noop, rank).map_err(|_| "has an axis outside its input")?;
    if axes.contains(&batch) {
        return refuse(format!("reduces over axis {batch}, which is the batch"));
    }
    let gone = axes.iter().filter(|axis| **axis < batch).count();
    Ok(vec![if flows.node.int("keepdims", 1) != 0 { batch } else { batch - gone }])
}

fn arg(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let axis = context.axis(0, dims.len())?;
    one(DType::I64, without(&dims, &[axis], context.node.int("keepdims", 1) != 0))
}

fn arg_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let axis = own_axis(flows, 0, batch)?;
    let keeps = flows.node.int("keepdims", 1) != 0 || batch < axis;
    Ok(vec![if keeps { batch } else { batch - 1 }])
}

/// The attribute `axis`, which must not be the batch's.
pub(super) fn own_axis(flows: &Flows<'_>, default: i64, batch: usize) -> Result<usize, String> {
    let own = axis(flows.node.int("axis", default), flows.rank(0)?).map_err(|_| "has an axis outside its input")?;
    if own == batch { refuse(format!("works along axis {own}, which is the batch")) } else { Ok(own) }
}

/// Before operator set 13 all dimensions from the axis on are one.
fn softmax_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let old = flows.node.opset < 13;
    let axis = own_axis(flows, if old { 1 } else { -1 }, batch)?;
    if old && batch > axis { refuse("works along the batch") } else { Ok(vec![batch]) }
}

fn lp_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    own_axis(flows, -1, batch).map(|_| vec![batch])
}

fn cumulative_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let given = flows.inputs.get(1).copied().flatten().and_then(Fact::as_integers);
    let given = given.and_then(|values| values.first()?.value()).ok_or("works along an axis that is not known")?;
    let own = axis(given, flows.rank(0)?).map_err(|_| "has an axis outside its input")?;
    if own == batch { refuse("works along the batch") } else { Ok(vec![batch]) }
}

fn top_k(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let axis = context.axis(-1, dims.len())?;
    dims[axis] = match (context.node.attributes.contains_key("k"), context.integers(1)) {
        (true, _) => Dim::known(context.node.int("k", 0).max(0)),
        (false, Ok(k)) => k.first().cloned().ok_or(Stop::Unknown)?,
        (false, Err(_)) => context.computed(),
    };
    Ok(vec![Some(Fact::new(context.dtype(0)?, Some(dims.clone()))), Some(Fact::new(DType::I64, Some(dims)))])
}

fn top_k_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    own_axis(flows, -1, batch).map(|_| vec![batch])
}
