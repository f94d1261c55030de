//! Parts of tensors, and tensors put together.

use super::Operator;
use crate::infer::context::{Fact, axis, one, wrong};
use crate::infer::dim::shown;
use crate::infer::flow::{Axes, Flow, Flows, mixes, refuse};
use crate::infer::table::reduce::own_axis;
use crate::infer::{Answer, Context, Dim, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "Concat" => Operator::folding(concat, concat_rows),
        "Split" => Operator::folding(split, split_rows),
        "Slice" => Operator::folding(slice, slice_rows),
        "Tile" => Operator::folding(tile, unchanged),
        "Pad" => Operator::folding(pad, unchanged),
        "Trilu" => Operator::folding(same, trilu_rows),
        "ReverseSequence" => Operator::folding(same, reverse_rows),
        "Compress" => Operator::folding(compress, mixes),
        "CenterCropPad" => Operator::new(crop_pad, mixes),
        _ => return None,
    })
}

fn same(context: &mut Context<'_>) -> Answer {
    one(context.dtype(0)?, context.dims(0)?)
}

fn concat(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let axis = context.axis(0, dims.len())?;
    for index in 1..context.inputs.len() {
        let next = context.dims(index)?;
        let other = |at: &usize| *at != axis && dims[*at].differs(&next[*at]);
        if next.len() != dims.len() || (0..dims.len()).any(|at| other(&at)) {
            return wrong(format!("{} and {} cannot be joined along axis {axis}", shown(&dims), shown(&next)));
        }
        for at in (0..dims.len()).filter(|at| *at != axis) {
            // Equal in every call that works: keep what is known, or the batch.
            if dims[at].value().is_none() && (next[at].value().is_some() || next[at].depends_on_batch()) {
                dims[at] = next[at].clone();
            }
        }
        dims[axis] = match dims[axis].plus(&next[axis]) {
            Some(sum) => sum,
            None => context.from([&dims[axis], &next[axis]]),
        };
    }
    one(context.dtype(0)?, dims)
}

fn concat_rows(flows: &Flows<'_>) -> Axes {
    let mut batch = None;
    for index in 0..flows.flows.len() {
        match (flows.flow(index), batch) {
            (Flow::Rows(axis), None) => batch = Some(axis),
            (Flow::Rows(axis), Some(known)) if axis == known => {}
            (Flow::Rows(_), Some(_)) => return refuse("combines rows of the batch with one another"),
            (Flow::Count, _) => return refuse("computes with the batch's size"),
            (Flow::Same, _) => return refuse("joins rows with a constant, which has no row for each"),
        }
    }
    let batch = batch.ok_or("does not take rows")?;
    own_axis(flows, 0, batch).map(|_| vec![batch])
}

fn split(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let axis = context.axis(0, dims.len())?;
    let count = context.node.outputs.len();
    let sizes: Vec<Dim> = match context.numbers_or("split", 1)? {
        Some(sizes) => sizes.into_iter().map(Dim::known).collect(),
        None => even(context, &dims[axis], count),
    };
    let dtype = context.dtype(0)?;
    let part = |size: &Dim| {
        let mut dims = dims.clone();
        dims[axis] = size.clone();
        Some(Fact::new(dtype, Some(dims)))
    };
    Ok(sizes.iter().take(count).map(part).collect())
}

/// Parts of one size, the last one smaller.
fn even(context: &mut Context<'_>, total: &Dim, count: usize) -> Vec<Dim> {
    let Some(value) = total.value() else { return (0..count).map(|_| context.from([total])).collect() };
    let size = (value as u64).div_ceil(count.max(1) as u64) as i64;
    let part = |index: usize| size.min(value.saturating_sub(size.saturating_mul(index as i64))).max(0);
    (0..count).map(|index| Dim::known(part(index))).collect()
}

fn split_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    own_axis(flows, 0, batch).map(|_| vec![batch])
}

/// Integers of an attribute or an input, `None` where one is not known.
fn bounds(context: &Context<'_>, name: &str, index: usize) -> Result<Vec<Option<Dim>>, Stop> {
    if let Some(values) = context.node.ints(name) {
        return Ok(values.iter().map(|value| Some(Dim::known(*value))).collect());
    }
    if let Ok(values) = context.numbers(index) {
        return Ok(values.into_iter().map(|value| Some(Dim::known(value))).collect());
    }
    match context.fact(index)?.as_integers() {
        Some(values) => Ok(values.into_iter().map(Some).collect()),
        None => {
            let length = context.dims(index)?.first().and_then(Dim::value).unwrap_or(0);
            Ok(vec![None; length.clamp(0, 16) as usize])
        }
    }
}

fn slice(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let (starts, ends) = (bounds(context, "starts", 1)?, bounds(context, "ends", 2)?);
    let axes = context.numbers_or("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = if context.given(4) { context.numbers(4)? } else { vec![1; starts.len()] };
    if starts.len() != axes.len() || ends.len() != axes.len() || steps.len() != axes.len() {
        return wrong("starts, ends, axes and steps differ in number");
    }
    for (index, given) in axes.iter().enumerate() {
        let axis = axis(*given, dims.len())?;
        if steps[index] == 0 {
            return wrong("a step is 0");
        }
        let size = cut(&dims[axis], starts[index].as_ref(), ends[index].as_ref(), steps[index]);
        dims[axis] = size.unwrap_or_else(|| context.computed());
    }
    one(context.dtype(0)?, dims)
}

/// What a slice leaves of a dimension, where that is known.
fn cut(size: &Dim, start: Option<&Dim>, end: Option<&Dim>, step: i64) -> Option<Dim> {
    let (start, end) = (start?, end?);
    if let (Some(size), Some(start), Some(end)) = (size.value(), start.value(), end.value()) {
        return Some(Dim::known(taken(size, start, end, step)));
    }
    if !start.is(0) || step != 1 {
        return None;
    }
    let everything = end == size || end.value().is_some_and(|end| end >= i64::from(i32::MAX));
    if everything {
        return Some(size.clone());
    }
    // The first of a table of positions, as many as an input is long: a longer one has no positions, and fails there.
    let positions = size.value().is_some_and(|size| size > 1) && end.is_size() && !end.depends_on_batch();
    positions.then(|| end.clone())
}

/// Elements that a slice of `size` takes.
pub(in crate::infer) fn taken(size: i64, start: i64, end: i64, step: i64) -> i64 {
    let at = |bound: i64| if bound < 0 { bound.saturating_add(size) } else { bound };
    let (start, end) = (at(start), at(end));
    if step > 0 {
        let (start, end) = (start.clamp(0, size), end.clamp(0, size));
        (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as i64
    } else {
        let (start, end) = (start.clamp(-1, size - 1), end.clamp(-1, size - 1));
        (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as i64
    }
}

fn slice_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let axes: Option<Vec<i64>> = match (flows.node.ints("axes"), flows.inputs.get(3).copied().flatten()) {
        (Some(axes), _) => Some(axes.to_vec()),
        (None, Some(fact)) => fact.as_integers().and_then(|values| values.iter().map(Dim::value).collect()),
        (None, None) if flows.node.input(3).is_some() => None,
        (None, None) => Some((0..flows.rank(0)? as i64).collect()),
    };
    let rank = flows.rank(0)?;
    for given in axes.ok_or("cuts along axes that are not known")? {
        let cut = axis(given, rank).map_err(|_| "has an axis outside its input")?;
        // Without given axes only the first few are cut; whether the batch is shows in its size.
        if cut == batch && !keeps(flows, batch)? {
            return refuse("cuts the batch");
        }
    }
    Ok(vec![batch])
}

/// Whether the output has the input's size along the batch: whole, and not in reverse.
fn keeps(flows: &Flows<'_>, batch: usize) -> Result<bool, String> {
    let steps = flows.inputs.get(4).copied().flatten().map(Fact::as_integers);
    let forward = match steps {
        None => flows.node.input(4).is_none(),
        Some(values) => values.is_some_and(|values| values.iter().all(|step| step.is(1))),
    };
    let output = flows.outputs.first().and_then(Option::as_ref).and_then(|fact| fact.dims.as_ref());
    let same = output.and_then(|dims| dims.get(batch)) == flows.dims(0)?.get(batch);
    Ok(forward && same)
}

/// The batch's axis must come out with the size that it had.
fn unchanged(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let output = flows.outputs.first().and_then(Option::as_ref).and_then(|fact| fact.dims.as_ref());
    let same = output.and_then(|dims| dims.get(batch)) == flows.dims(0)?.get(batch);
    if same { Ok(vec![batch]) } else { refuse("changes the number of rows") }
}

fn tile(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let repeats = context.integers(1)?;
    if repeats.len() != dims.len() {
        return wrong(format!("{} repeats for rank {}", repeats.len(), dims.len()));
    }
    let mut all = crate::infer::Dims::new();
    for (dim, times) in dims.iter().zip(&repeats) {
        all.push(dim.times(times).unwrap_or_else(|| context.computed()));
    }
    one(context.dtype(0)?, all)
}

fn pad(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let pads = context.numbers_or("pads", 1)?.ok_or(Stop::Unknown)?;
    let axes: Vec<usize> = match context.given(3) {
        true => context.numbers(3)?.iter().map(|given| axis(*given, dims.len())).collect::<Result<_, _>>()?,
        false => (0..dims.len()).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return wrong(format!("{} pads for {} axes", pads.len(), axes.len()));
    }
    for (index, axis) in axes.iter().enumerate() {
        let (before, after) = (pads[index], pads[index + axes.len()]);
        // One that is cut at one end and padded at the other keeps its size, not its rows.
        if before == 0 && after == 0 {
            continue;
        }
        dims[*axis] = match dims[*axis].value() {
            Some(size) => Dim::known(size.saturating_add(before).saturating_add(after).max(0)),
            None => context.computed(),
        };
    }
    one(context.dtype(0)?, dims)
}

fn trilu_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    if batch + 2 < flows.rank(0)? { Ok(vec![batch]) } else { refuse("masks along the batch") }
}

fn reverse_rows(flows: &Flows<'_>) -> Axes {
    flows.only(&[0, 1])?;
    let time = axis(flows.node.int("time_axis", 0), flows.rank(0)?).map_err(|_| "has an axis outside its input")?;
    let rows = axis(flows.node.int("batch_axis", 1), flows.rank(0)?).map_err(|_| "has an axis outside its input")?;
    match (flows.axis(0), flows.axis(1)) {
        (Some(batch), Some(0)) if batch == rows && batch != time => Ok(vec![batch]),
        _ => refuse("reverses rows of the batch by lengths that are not theirs"),
    }
}

fn compress(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let size = context.computed();
    let dims = match context.node.attributes.contains_key("axis") {
        true => {
            let mut dims = dims.clone();
            let at = context.axis(0, dims.len())?;
            dims[at] = size;
            dims
        }
        false => [size].into_iter().collect(),
    };
    one(context.dtype(0)?, dims)
}

fn crop_pad(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let shape = context.numbers(1)?;
    let axes: Vec<i64> = context.node.ints("axes").map_or_else(|| (0..dims.len() as i64).collect(), <[i64]>::to_vec);
    for (given, size) in axes.iter().zip(shape) {
        let at = axis(*given, dims.len())?;
        dims[at] = Dim::known(size.max(0));
    }
    one(context.dtype(0)?, dims)
}
