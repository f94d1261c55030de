//! Copies of a tensor with some elements replaced, or combined with others.

use super::layout::row_major;
use super::numeric::{Number, integers, numbers};
use super::select::{along, tuples};
use super::{Attributes, Kernel, Table, axis};
use crate::reference::array::{Array, Element, Elements, each};

pub(super) const OPERATORS: Table = &[
    ("", "Scatter", scatter_elements),
    ("", "ScatterElements", scatter_elements),
    ("", "ScatterND", scatter_nd),
    ("", "TensorScatter", tensor_scatter),
];

/// How a new element meets the old one.
#[derive(Clone, Copy)]
enum Reduction {
    Replace,
    Add,
    Multiply,
    Max,
    Min,
}

impl Reduction {
    fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        Ok(match &*attributes.string("reduction", "none")? {
            b"none" => Self::Replace,
            b"add" => Self::Add,
            b"mul" => Self::Multiply,
            b"max" => Self::Max,
            b"min" => Self::Min,
            other => return Err(format!("reduction '{}'", String::from_utf8_lossy(other))),
        })
    }

    fn of<T: Number>(self) -> fn(T, T) -> T {
        match self {
            Self::Replace => |_, new| new,
            Self::Add => T::plus,
            Self::Multiply => T::times,
            Self::Max => T::larger,
            Self::Min => T::smaller,
        }
    }
}

/// Writes runs of `block` updates to `starts`, in order.
fn write(data: &Array, updates: &Array, block: usize, starts: &[usize], how: Reduction) -> Result<Array, String> {
    fn replace<T: Element>(old: &[T], updates: &Array, block: usize, starts: &[usize]) -> Result<Elements, String> {
        let new = updates.get::<T>().ok_or("the updates have another type than the data")?;
        let mut result = old.to_vec();
        for (run, start) in new.chunks(block.max(1)).zip(starts) {
            result.get_mut(*start..start + run.len()).ok_or("an element outside the tensor")?.clone_from_slice(run);
        }
        Ok(T::wrap(result))
    }
    if updates.len() != starts.len() * block {
        return Err(format!(
            "updates of shape {:?} do not fit {} places of {block} elements",
            updates.shape,
            starts.len()
        ));
    }
    if let Reduction::Replace = how {
        let elements = each!(&data.elements, old => replace(old, updates, block, starts)?);
        return Ok(Array { shape: data.shape.clone(), elements });
    }
    Ok(numbers!(&data.elements, old: T => {
        let new = updates.get::<T>().ok_or("the updates have another type than the data")?;
        let (mut result, combine) = (old.to_vec(), how.of::<T>());
        for (run, start) in new.chunks(block.max(1)).zip(starts) {
            let places = result.get_mut(*start..start + run.len()).ok_or("an element outside the tensor")?;
            places.iter_mut().zip(run).for_each(|(place, new)| *place = combine(*place, *new));
        }
        Array::new(data.shape.clone(), result)?
    }))
}

fn scatter_elements(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (wanted, how) = (attributes.int("axis", 0)?, Reduction::read(attributes)?);
    Ok(Box::new(move |inputs| {
        let (data, indices, updates) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
        let at = axis(wanted, data.shape.len())?;
        Ok(vec![write(data, updates, 1, &along(&data.shape, indices, at)?, how)?])
    }))
}

fn scatter_nd(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let how = Reduction::read(attributes)?;
    Ok(Box::new(move |inputs| {
        let (data, indices, updates) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
        let (starts, rest) = tuples(&data.shape, indices, 0)?;
        Ok(vec![write(data, updates, rest.iter().product(), &starts, how)?])
    }))
}

/// Writes a run along an axis at a place of its own for each element of the first axis; `circular` starts again at
/// the front where the axis ends.
fn tensor_scatter(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.int("axis", -2)?;
    let circular = match &*attributes.string("mode", "linear")? {
        b"linear" => false,
        b"circular" => true,
        other => return Err(format!("mode '{}'", String::from_utf8_lossy(other))),
    };
    Ok(Box::new(move |inputs| {
        let (past, update) = (inputs.get(0)?, inputs.get(1)?);
        let at = axis(wanted, past.shape.len())?;
        let same = |(index, dims): (usize, (&usize, &usize))| index == at || dims.0 == dims.1;
        let fit = past.shape.len() == update.shape.len() && past.shape.iter().zip(&update.shape).enumerate().all(same);
        if at == 0 || !fit || update.shape[at] > past.shape[at] {
            return Err(format!("an update of shape {:?} does not fit {:?}", update.shape, past.shape));
        }
        let firsts = inputs.optional(2).map_or(Ok(vec![0; past.shape[0]]), integers)?;
        let (length, run) = (past.shape[at], update.shape[at]);
        let by = row_major(&past.shape);
        let per_batch: usize = past.shape[1..at].iter().product();
        let mut starts = Vec::new();
        for batch in 0..past.shape[0] {
            let first = firsts.get(batch).copied().and_then(|first| usize::try_from(first).ok());
            let first = first.filter(|first| circular || first + run <= length);
            let first = first.ok_or("a write index is missing or outside the axis")?;
            for row in batch * per_batch..(batch + 1) * per_batch {
                starts.extend((0..run).map(|place| (row * length + (first + place) % length) * by[at] as usize));
            }
        }
        Ok(vec![write(past, update, by[at] as usize, &starts, Reduction::Replace)?])
    }))
}
