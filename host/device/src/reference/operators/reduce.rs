//! Operators along one axis.

use super::numeric::{doubles, numbers, of_doubles};
use super::scores;
use super::{Attributes, Kernel, Table, axis};
use crate::reference::array::{Array, Element};

pub(super) const OPERATORS: Table = &[
    ("", "Softmax", softmax),
    ("", "LogSoftmax", log_softmax),
    ("", "Hardmax", hardmax),
    ("", "ArgMax", |attributes| place(attributes, false)),
    ("", "ArgMin", |attributes| place(attributes, true)),
];

fn softmax(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    normalise(attributes, scores::softmax)
}

fn log_softmax(attributes: &Attributes<'_>) -> Result<Kernel, String> {
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
        let mut values = doubles(input)?;
        for line in lines(values.len(), length, stride) {
            let mut along: Vec<f64> = line.clone().map(|index| values[index]).collect();
            f(&mut along);
            line.zip(along).for_each(|(index, value)| values[index] = value);
        }
        Ok(vec![of_doubles(input.elements.dtype(), input.shape.clone(), values)?])
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

fn hardmax(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    normalise(attributes, |values| {
        let best = (1..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best });
        values.iter_mut().enumerate().for_each(|(index, x)| *x = if index == best { 1.0 } else { 0.0 });
    })
}

/// The place of the largest element along an axis, or of the smallest one.
fn place(attributes: &Attributes<'_>, smallest: bool) -> Result<Kernel, String> {
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
        Ok(vec![numbers!(&input.elements, values: T => {
            let better: fn(&T, &T) -> bool = if smallest { |a, b| a < b } else { |a, b| a > b };
            best(values, shape, (length, stride), |a, b| better(a, b) || (last && a == b))?
        })])
    }))
}

fn best<T: Element>(
    values: &[T],
    shape: Vec<usize>,
    (length, stride): (usize, usize),
    better: impl Fn(&T, &T) -> bool,
) -> Result<Array, String> {
    let best = |line: std::iter::StepBy<std::ops::Range<usize>>| {
        let mut best = (0, line.start());
        for (place, index) in line.enumerate().skip(1) {
            if better(&values[index], &values[best.1]) {
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
