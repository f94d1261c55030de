//! Operators that move elements and do not compute.

use bytes::Bytes;

use super::layout::{row_major, view};
use super::numeric::scalar;
use super::{Arguments, Attributes, Kernel, Table, axis};
use crate::reference::array::{Array, Element, Elements, count, each};

pub(super) const OPERATORS: Table = &[
    ("", "Identity", identity),
    ("", "Dropout", dropout),
    ("", "Constant", constant),
    ("", "Reshape", reshape),
    ("", "Flatten", flatten),
    ("", "Transpose", transpose),
    ("", "Concat", concat),
    ("", "Shape", shape),
    ("", "Size", |_| Ok(Box::new(|inputs| Ok(vec![Array::new(vec![], vec![inputs.get(0)?.len() as i64])?])))),
    ("", "Squeeze", squeeze),
    ("", "Unsqueeze", unsqueeze),
];

fn identity(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| Ok(vec![inputs.own(0)?])))
}

/// Nothing is dropped outside training; the mask says so. Training needs a random generator and is refused.
fn dropout(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let masked = attributes.outputs() > 1;
    Ok(Box::new(move |inputs| {
        let ratio = inputs.optional(1).map_or(Ok(0.5), scalar)?;
        let training = inputs.optional(2).and_then(|flag| flag.get::<bool>()).is_some_and(|flag| flag.contains(&true));
        if training && ratio != 0.0 {
            return Err("dropout in training mode is not supported here".to_owned());
        }
        let output = inputs.own(0)?;
        let mask = masked.then(|| Array::new(output.shape.clone(), vec![true; output.len()])).transpose()?;
        Ok([output].into_iter().chain(mask).collect())
    }))
}

/// Dimensions from `start` to `end`, counted from the end where negative.
fn shape(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (start, end) = (attributes.int("start", 0)?, attributes.optional_int("end")?);
    Ok(Box::new(move |inputs| {
        let dims: Vec<i64> = inputs.get(0)?.shape.iter().map(|dim| *dim as i64).collect();
        let rank = dims.len() as i64;
        let place = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let (start, end) = (place(start), end.map_or(dims.len(), place));
        let dims = dims.get(start..end).unwrap_or_default().to_vec();
        Ok(vec![Array::new(vec![dims.len()], dims)?])
    }))
}

fn constant(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let ints = attributes.ints("value_ints")?;
    let floats = attributes.floats("value_floats")?;
    let strings = attributes.strings("value_strings")?;
    let value = if let Some(tensor) = attributes.tensor("value")? {
        tensor
    } else if attributes.has("value_int") {
        Array::new(vec![], vec![attributes.int("value_int", 0)?])?
    } else if attributes.has("value_float") {
        Array::new(vec![], vec![attributes.float("value_float", 0.0)?])?
    } else if attributes.has("value_string") {
        Array::new(vec![], vec![attributes.string("value_string", "")?])?
    } else if attributes.has("value_ints") {
        Array::new(vec![ints.len()], ints)?
    } else if attributes.has("value_floats") {
        Array::new(vec![floats.len()], floats)?
    } else if attributes.has("value_strings") {
        Array::new::<Bytes>(vec![strings.len()], strings)?
    } else {
        return Err("a constant without a value that is supported here".to_owned());
    };
    Ok(Box::new(move |_| Ok(vec![value.clone()])))
}

fn reshape(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let allow_zero = attributes.int("allowzero", 0)? != 0;
    Ok(Box::new(move |inputs| {
        let (data, wanted) = (inputs.get(0)?, inputs.get(1)?.to_i64()?);
        let shape = reshaped(&data.shape, data.len(), &wanted, allow_zero)?;
        Ok(vec![inputs.own(0)?.into_shape(shape)?])
    }))
}

/// 0 keeps the dimension at its place (unless `allow_zero`), one -1 takes what is left.
fn reshaped(shape: &[usize], length: usize, wanted: &[i64], allow_zero: bool) -> Result<Vec<usize>, String> {
    let wrong = || format!("shape {shape:?} cannot become {wanted:?}");
    let mut dims = Vec::with_capacity(wanted.len());
    let mut free = None;
    for (index, dim) in wanted.iter().enumerate() {
        dims.push(match *dim {
            0 if !allow_zero => *shape.get(index).ok_or_else(wrong)?,
            -1 if free.is_none() => {
                free = Some(index);
                1
            }
            dim => usize::try_from(dim).map_err(|_| wrong())?,
        });
    }
    if let Some(free) = free {
        let others = count(&dims)?;
        dims[free] = length.checked_div(others).ok_or_else(wrong)?;
    }
    Ok(dims)
}

fn flatten(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.int("axis", 1)?;
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let rank = data.shape.len();
        let split = if wanted == rank as i64 { rank } else { axis(wanted, rank)? };
        let (outer, inner) = data.shape.split_at(split);
        let shape = vec![outer.iter().product(), inner.iter().product()];
        Ok(vec![inputs.own(0)?.into_shape(shape)?])
    }))
}

fn transpose(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let order = attributes.ints("perm")?;
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let rank = data.shape.len();
        let order: Vec<usize> = if order.is_empty() {
            (0..rank).rev().collect()
        } else {
            order.iter().map(|from| axis(*from, rank)).collect::<Result<_, _>>()?
        };
        let mut seen = order.clone();
        seen.sort_unstable();
        if !seen.into_iter().eq(0..rank) {
            return Err(format!("{order:?} is no order of {rank} axes"));
        }
        let strides = row_major(&data.shape);
        let shape = order.iter().map(|from| data.shape[*from]).collect();
        Ok(vec![view(data, 0, shape, &order.iter().map(|from| strides[*from]).collect::<Vec<_>>())?])
    }))
}

/// Offsets of all elements of a shape in row-major order, for the given strides.
pub(super) fn offsets(shape: &[usize], strides: &[usize]) -> impl Iterator<Item = usize> {
    (0..shape.iter().product()).map(move |index: usize| {
        let mut rest = index;
        let mut offset = 0;
        for (dim, stride) in shape.iter().zip(strides).rev() {
            offset += rest % dim * stride;
            rest /= dim;
        }
        offset
    })
}

fn concat(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.optional_int("axis")?.unwrap_or(1);
    Ok(Box::new(move |inputs| {
        let parts = inputs.all()?;
        let first = parts.first().ok_or("nothing to concatenate")?;
        let at = axis(wanted, first.shape.len())?;
        let mut shape = first.shape.clone();
        shape[at] = 0;
        for part in &parts {
            let same = |(index, dim): (usize, &usize)| index == at || first.shape.get(index) == Some(dim);
            if part.shape.len() != shape.len() || !part.shape.iter().enumerate().all(same) {
                return Err(format!("cannot concatenate {:?} and {:?}", first.shape, part.shape));
            }
            shape[at] += part.shape[at];
        }
        count(&shape)?;
        let outer: usize = shape[..at].iter().product();
        if shape.contains(&0) {
            return Ok(vec![Array { shape, elements: each!(&first.elements, values => empty(values)) }]);
        }
        let elements = each!(&first.elements, values => join(values, &parts, outer)?);
        Ok(vec![Array { shape, elements }])
    }))
}

fn empty<T: Element>(_: &[T]) -> Elements {
    T::wrap(Vec::new())
}

/// Takes a run of every part in turn, `outer` times; `first` only gives the type.
fn join<T: Element>(_first: &[T], parts: &[&Array], outer: usize) -> Result<Elements, String> {
    let mut joined = Vec::new();
    for row in 0..outer {
        for part in parts {
            let values = part.get::<T>().ok_or("cannot concatenate different element types")?;
            let length = values.len() / outer;
            joined.extend_from_slice(&values[row * length..(row + 1) * length]);
        }
    }
    Ok(T::wrap(joined))
}

/// Axes from the attribute (operator sets below 13) or the second input.
fn axes(attribute: &[i64], inputs: &Arguments<'_>) -> Result<Vec<i64>, String> {
    match inputs.optional(1) {
        Some(axes) => axes.to_i64(),
        None => Ok(attribute.to_vec()),
    }
}

fn squeeze(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let attribute = attributes.ints("axes")?;
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let rank = data.shape.len();
        let given: Vec<usize> =
            axes(&attribute, inputs)?.into_iter().map(|wanted| axis(wanted, rank)).collect::<Result<_, _>>()?;
        if let Some(wrong) = given.iter().find(|index| data.shape[**index] != 1) {
            return Err(format!("axis {wrong} of {:?} is not 1", data.shape));
        }
        let gone = |index: usize| if given.is_empty() { data.shape[index] == 1 } else { given.contains(&index) };
        let shape = (0..rank).filter(|index| !gone(*index)).map(|index| data.shape[index]).collect();
        Ok(vec![inputs.own(0)?.into_shape(shape)?])
    }))
}

fn unsqueeze(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let attribute = attributes.ints("axes")?;
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let wanted = axes(&attribute, inputs)?;
        let rank = data.shape.len() + wanted.len();
        let mut added: Vec<usize> = wanted.iter().map(|wanted| axis(*wanted, rank)).collect::<Result<_, _>>()?;
        added.sort_unstable();
        if added.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(format!("axes {wanted:?} name one place twice"));
        }
        let mut shape = data.shape.clone();
        added.into_iter().for_each(|index| shape.insert(index, 1));
        Ok(vec![inputs.own(0)?.into_shape(shape)?])
    }))
}
