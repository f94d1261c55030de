//! Operators along one axis.

use super::scores;
use super::{Attributes, Kernel, axis};
use crate::reference::array::{Array, Element, Elements};

pub(crate) fn softmax(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    normalise(attributes, scores::softmax)
}

pub(crate) fn log_softmax(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    normalise(attributes, |values| {
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum = values.iter().map(|x| (x - most).exp()).sum::<f64>().ln();
        values.iter_mut().for_each(|x| *x = *x - most - sum);
    })
}

/// Applies `f` along an axis; below operator set 13 to all axes from there on together.
fn normalise(attributes: &Attributes<'_>, f: fn(&mut [f64])) -> Result<Kernel, String> {
    let together = attributes.opset() < 13;
    let wanted = attributes.int("axis", if together { 1 } else { -1 })?;
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let at = axis(wanted, input.shape.len())?;
        let (length, stride) = match (&input.shape[at..], together) {
            (inner, true) => (inner.iter().product(), 1),
            ([length, inner @ ..], false) => (*length, inner.iter().product()),
            ([], false) => (1, 1),
        };
        let mut values = input.to_f64()?;
        for line in lines(values.len(), length, stride) {
            let mut along: Vec<f64> = line.clone().map(|index| values[index]).collect();
            f(&mut along);
            line.zip(along).for_each(|(index, value)| values[index] = value);
        }
        Ok(vec![match input.elements {
            Elements::F64(_) => Array::new(input.shape.clone(), values)?,
            _ => Array::new(input.shape.clone(), values.into_iter().map(|value| value as f32).collect())?,
        }])
    }))
}

/// Indices of the elements of each line along an axis of `length` elements that are `stride` apart.
fn lines(
    total: usize,
    length: usize,
    stride: usize,
) -> impl Iterator<Item = std::iter::StepBy<std::ops::Range<usize>>> {
    let block = length * stride;
    let blocks = total.checked_div(block).unwrap_or(0);
    (0..blocks).flat_map(move |outer| {
        (0..stride).map(move |inner| (outer * block + inner..(outer + 1) * block).step_by(stride))
    })
}

pub(crate) fn argmax(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.int("axis", 0)?;
    let keep = attributes.int("keepdims", 1)? != 0;
    let last = attributes.int("select_last_index", 0)? != 0;
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let at = axis(wanted, input.shape.len())?;
        let mut shape = input.shape.clone();
        let (length, stride) = (shape[at], shape[at + 1..].iter().product());
        if length == 0 {
            return Err(format!("no largest element along an axis of 0 in {shape:?}"));
        }
        shape.splice(at..=at, keep.then_some(1));
        Ok(vec![match &input.elements {
            Elements::F32(values) => largest(values, shape, length, stride, last)?,
            Elements::F64(values) => largest(values, shape, length, stride, last)?,
            Elements::I32(values) => largest(values, shape, length, stride, last)?,
            Elements::I64(values) => largest(values, shape, length, stride, last)?,
            other => return Err(format!("{} is not supported here", other.dtype())),
        }])
    }))
}

fn largest<T: Element + PartialOrd>(
    values: &[T],
    shape: Vec<usize>,
    length: usize,
    stride: usize,
    last: bool,
) -> Result<Array, String> {
    let best = |line: std::iter::StepBy<std::ops::Range<usize>>| {
        let mut best = (0, line.start());
        for (place, index) in line.enumerate() {
            if values[index] > values[best.1] || (last && values[index] == values[best.1]) {
                best = (place, index);
            }
        }
        best.0 as i64
    };
    Array::new(shape, lines(values.len(), length, stride).map(best).collect())
}

/// The first index of a line.
trait Start {
    fn start(&self) -> usize;
}

impl Start for std::iter::StepBy<std::ops::Range<usize>> {
    fn start(&self) -> usize {
        self.clone().next().unwrap_or(0)
    }
}
