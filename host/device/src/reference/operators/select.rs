//! Parts of tensors: slices, splits, repetitions and elements by their places.

use super::elementwise::{broadcast, strides};
use super::layout::{around, blocks, coordinates, offset, row_major, view};
use super::numeric::{integers, size};
use super::{Attributes, Kernel, Table, axis};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[
    ("", "Slice", slice),
    ("", "Split", split),
    ("", "Expand", expand),
    ("", "Tile", tile),
    ("", "Gather", gather),
    ("", "GatherElements", gather_elements),
    ("", "GatherND", gather_nd),
    ("", "Compress", compress),
];

/// Starts, ends, axes and steps are attributes below operator set 10, inputs from there on.
fn slice(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let given = [attributes.ints("starts")?, attributes.ints("ends")?, attributes.ints("axes")?, vec![]];
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let read = |index: usize| inputs.optional(index).map_or(Ok(given[index - 1].clone()), integers);
        let (starts, ends, axes, steps) = (read(1)?, read(2)?, read(3)?, read(4)?);
        let axes = if axes.is_empty() { (0..starts.len() as i64).collect() } else { axes };
        let steps = if steps.is_empty() { vec![1; starts.len()] } else { steps };
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err("starts, ends, axes and steps have different lengths".to_owned());
        }
        let (mut shape, mut by, mut first) = (data.shape.clone(), row_major(&data.shape), 0);
        for (index, at) in axes.iter().enumerate() {
            let at = axis(*at, data.shape.len())?;
            let (start, length) = range(starts[index], ends[index], steps[index], data.shape[at])?;
            first += start * by[at] as usize;
            by[at] = by[at].saturating_mul(steps[index] as isize);
            shape[at] = length;
        }
        view(data, if shape.contains(&0) { 0 } else { first }, shape, &by).map(|part| vec![part])
    }))
}

/// First place and number of places of a slice of an axis.
fn range(start: i64, end: i64, step: i64, length: usize) -> Result<(usize, usize), String> {
    let length = length as i64;
    let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let (start, end) = (from_end(start), from_end(end));
    let (start, distance) = match step {
        0 => return Err("a step is 0".to_owned()),
        1.. => (start.clamp(0, length), end.clamp(0, length) - start.clamp(0, length)),
        _ => (start.clamp(-1, length - 1), start.clamp(-1, length - 1) - end.clamp(-1, length - 1)),
    };
    let places = (distance.max(0) as u64).div_ceil(step.unsigned_abs());
    Ok((start.max(0) as usize, places as usize))
}

fn split(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.int("axis", 0)?;
    let (given, parts) = (attributes.ints("split")?, attributes.optional_int("num_outputs")?);
    let outputs = attributes.outputs();
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let at = axis(wanted, data.shape.len())?;
        let lengths = match inputs.optional(1) {
            Some(lengths) => integers(lengths)?,
            None if !given.is_empty() => given.clone(),
            None => even(data.shape[at], parts.map_or(Ok(outputs), |parts| size(parts, "num_outputs"))?)?,
        };
        let lengths: Vec<usize> =
            lengths.iter().map(|length| size(*length, "a part's length")).collect::<Result<_, _>>()?;
        if lengths.iter().try_fold(0usize, |sum, length| sum.checked_add(*length)) != Some(data.shape[at]) {
            return Err(format!("parts of {lengths:?} do not add up to the axis's {}", data.shape[at]));
        }
        let by = row_major(&data.shape);
        let mut first = 0;
        let part = |length: &usize| {
            let mut shape = data.shape.clone();
            shape[at] = *length;
            let start = if shape.contains(&0) { 0 } else { first * by[at] as usize };
            first += length;
            view(data, start, shape, &by)
        };
        lengths.iter().map(part).collect()
    }))
}

/// Equal parts; the last one may be smaller.
fn even(length: usize, parts: usize) -> Result<Vec<i64>, String> {
    if parts == 0 || parts > length.max(1) {
        return Err(format!("an axis of {length} cannot be split into {parts} parts"));
    }
    let part = length.div_ceil(parts);
    Ok((0..parts).map(|index| part.min(length.saturating_sub(index * part)) as i64).collect())
}

fn expand(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (data, wanted) = (inputs.get(0)?, inputs.get(1)?);
        let wanted: Vec<usize> =
            integers(wanted)?.iter().map(|dim| size(*dim, "a dimension")).collect::<Result<_, _>>()?;
        let shape = broadcast(&data.shape, &wanted)?;
        let by: Vec<isize> = strides(&data.shape, &shape).into_iter().map(|by| by as isize).collect();
        Ok(vec![view(data, 0, shape, &by)?])
    }))
}

fn tile(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (data, times) = (inputs.get(0)?, integers(inputs.get(1)?)?);
        if times.len() != data.shape.len() {
            return Err(format!("{} repeats for a tensor of rank {}", times.len(), data.shape.len()));
        }
        // Every axis becomes two: the repeats, and what is repeated.
        let (mut shape, mut apart, mut by) = (Vec::new(), Vec::new(), Vec::new());
        for ((dim, times), stride) in data.shape.iter().zip(times).zip(row_major(&data.shape)) {
            let times = size(times, "a number of repeats")?;
            shape.push(dim.checked_mul(times).ok_or("the result is too large")?);
            apart.extend([times, *dim]);
            by.extend([0, stride]);
        }
        Ok(vec![Array { shape, ..view(data, 0, apart, &by)? }])
    }))
}

/// Places on an axis, counted from the end where negative.
pub(super) fn places(indices: &Array, length: usize) -> Result<Vec<usize>, String> {
    let place = |index: &i64| axis(*index, length).map_err(|_| format!("index {index} is outside an axis of {length}"));
    integers(indices)?.iter().map(place).collect()
}

fn gather(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.int("axis", 0)?;
    Ok(Box::new(move |inputs| {
        let (data, indices) = (inputs.get(0)?, inputs.get(1)?);
        let at = axis(wanted, data.shape.len())?;
        let (outer, length, inner) = around(&data.shape, at);
        let places = places(indices, length)?;
        let mut shape = data.shape.clone();
        shape.splice(at..=at, indices.shape.iter().copied());
        count(&shape)?;
        let row = |row: usize| places.iter().map(move |place| (row * length + place) * inner);
        let starts: Vec<usize> = (0..outer).flat_map(row).collect();
        Ok(vec![blocks(data, shape, inner, &starts)?])
    }))
}

/// Offsets in `data` of what indices along an axis lead to: coordinates stay, but for the axis.
pub(super) fn along(data: &[usize], indices: &Array, at: usize) -> Result<Vec<usize>, String> {
    let fits = |(index, (dim, most)): (usize, (&usize, &usize))| index == at || dim <= most;
    if indices.shape.len() != data.len() || !indices.shape.iter().zip(data).enumerate().all(fits) {
        return Err(format!("indices of shape {:?} do not fit data of shape {data:?}", indices.shape));
    }
    let (places, by) = (places(indices, data[at])?, row_major(data));
    let (mut offsets, mut next) = (Vec::with_capacity(places.len()), places.iter());
    coordinates(&indices.shape, |coordinates| {
        let place = next.next().copied().unwrap_or_default();
        offsets.push(offset(coordinates, &by) - coordinates[at] * by[at] as usize + place * by[at] as usize);
    });
    Ok(offsets)
}

fn gather_elements(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.int("axis", 0)?;
    Ok(Box::new(move |inputs| {
        let (data, indices) = (inputs.get(0)?, inputs.get(1)?);
        let at = axis(wanted, data.shape.len())?;
        Ok(vec![blocks(data, indices.shape.clone(), 1, &along(&data.shape, indices, at)?)?])
    }))
}

/// Offsets of what each index tuple (the last axis of `indices`) leads to, below the first `batch` axes, and the shape
/// of what is there.
pub(super) fn tuples(data: &[usize], indices: &Array, batch: usize) -> Result<(Vec<usize>, Vec<usize>), String> {
    let (depth, outer) = indices.shape.split_last().ok_or("the indices are a scalar")?;
    if batch > outer.len() || batch + depth > data.len() || data[..batch] != outer[..batch] {
        return Err(format!("indices of shape {:?} do not fit data of shape {data:?}", indices.shape));
    }
    let (by, values) = (row_major(data), integers(indices)?);
    let batches: usize = data[..batch].iter().product();
    let tuples = outer.iter().product::<usize>();
    let per_batch = tuples.checked_div(batches).unwrap_or(0).max(1);
    let below: usize = data[batch..].iter().product();
    let start = |index: usize| {
        let tuple = &values[index * depth..(index + 1) * depth];
        tuple.iter().enumerate().try_fold(index / per_batch * below, |offset, (place, at)| {
            let place = batch + place;
            let at = axis(*at, data[place]).map_err(|_| format!("index {at} is outside an axis of {}", data[place]))?;
            Ok(offset + at * by[place] as usize)
        })
    };
    let starts: Result<Vec<usize>, String> = (0..tuples).map(start).collect();
    Ok((starts?, data[batch + depth..].to_vec()))
}

fn gather_nd(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let batch = size(attributes.int("batch_dims", 0)?, "batch_dims")?;
    Ok(Box::new(move |inputs| {
        let (data, indices) = (inputs.get(0)?, inputs.get(1)?);
        let (starts, rest) = tuples(&data.shape, indices, batch)?;
        let block = rest.iter().product();
        let mut shape = indices.shape[..indices.shape.len() - 1].to_vec();
        shape.extend(rest);
        Ok(vec![blocks(data, shape, block, &starts)?])
    }))
}

/// Slices of an axis, or elements of the flat tensor, where a condition is true.
fn compress(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.optional_int("axis")?;
    Ok(Box::new(move |inputs| {
        let (data, condition) = (inputs.get(0)?, inputs.get(1)?);
        let flags = condition.get::<bool>().ok_or("the condition must be BOOL")?;
        let flat = [data.len()];
        let (dims, at) = match wanted {
            Some(wanted) => (&*data.shape, axis(wanted, data.shape.len())?),
            None => (&flat[..], 0),
        };
        let (outer, length, inner) = around(dims, at);
        let chosen: Vec<usize> = (0..length).filter(|place| flags.get(*place) == Some(&true)).collect();
        let row = |row: usize| chosen.iter().map(move |place| (row * length + place) * inner);
        let starts: Vec<usize> = (0..outer).flat_map(row).collect();
        let mut shape = dims.to_vec();
        shape[at] = chosen.len();
        Ok(vec![blocks(data, shape, inner, &starts)?])
    }))
}
