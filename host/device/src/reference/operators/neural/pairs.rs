//! Arithmetic on two tensors in single precision, in the place of one that dies; and the mean over the last axes.

use super::fast;
use crate::reference::array::{Array, count, memory};
use crate::reference::attributes::Attributes;
use crate::reference::operators::elementwise::{broadcast, strides};
use crate::reference::operators::{Arguments, Kernel, Results};
use crate::reference::vector::{self, Body, dispatch};

macro_rules! arithmetic {
    ($($name:ident: $f:expr;)*) => {
        $(pub(crate) fn $name(attributes: &Attributes<'_>) -> Result<Kernel, String> {
            fast(attributes, |inputs| combine(inputs, $f))
        })*
    };
}

arithmetic! {
    add: |a: f32, b: f32| a + b;
    sub: |a: f32, b: f32| a - b;
    mul: |a: f32, b: f32| a * b;
    div: |a: f32, b: f32| a / b;
}

/// `Pow`; squares, which layer norms of older exporters are full of, are products.
pub(crate) fn pow(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let general = crate::reference::operators::general(attributes.0).map(|build| build(attributes)).transpose()?;
    fast(attributes, move |inputs| {
        let exponent = inputs.get(1)?;
        match (exponent.get::<f32>(), &general) {
            (Some([exponent]), _) if *exponent == 2.0 && inputs.get(1)?.shape.is_empty() => {
                let mut result = inputs.own(0)?;
                vector::map(result.numbers_mut()?, |x| x * x);
                Ok(vec![result])
            }
            (_, Some(general)) => general(inputs),
            (Some(_), None) => combine(inputs, f32::powf),
            (None, None) => Err(format!("an exponent of {} is not supported here", exponent.elements.dtype())),
        }
    })
}

/// Applies `f` to all pairs of the broadcast operands.
fn combine(inputs: &mut Arguments<'_>, f: impl Fn(f32, f32) -> f32 + Copy) -> Results {
    let (left, right) = (inputs.get(0)?, inputs.get(1)?);
    right.typed::<f32>()?;
    let shape = broadcast(&left.shape, &right.shape)?;
    if left.shape == shape {
        let mut result = inputs.own(0)?;
        let right = inputs.get(1)?;
        each_run(result.numbers_mut()?, right.typed()?, &shape, &right.shape, f);
        return Ok(vec![result]);
    }
    if right.shape == shape {
        let mut result = inputs.own(1)?;
        let left = inputs.get(0)?;
        each_run(result.numbers_mut()?, left.typed()?, &shape, &left.shape, |b, a| f(a, b));
        return Ok(vec![result]);
    }
    // Neither has the shape of the result: stretch the left one first.
    let mut result = memory::numbers(count(&shape)?);
    each_run(result.to_mut(), left.typed()?, &shape, &left.shape, |_, a| a);
    each_run(result.to_mut(), right.typed()?, &shape, &right.shape, f);
    Ok(vec![Array::of(shape, result)?])
}

/// `numbers = f(numbers, others)`, where `others` of shape `from` stretches to `shape`, the shape of `numbers`.
fn each_run(numbers: &mut [f32], others: &[f32], shape: &[usize], from: &[usize], f: impl Fn(f32, f32) -> f32 + Copy) {
    if numbers.is_empty() {
        return;
    }
    let axes = merged(shape, &strides(from, shape));
    let ((length, step), outer) = axes.split_last().map_or(((1, 0), &[][..]), |(last, outer)| (*last, outer));
    let mut counters = vec![0usize; outer.len()];
    let mut offset = 0;
    for run in numbers.chunks_exact_mut(length) {
        match step {
            0 => dispatch(WithOne(f), (run, others[offset])),
            _ => dispatch(WithEach(f), (run, &others[offset..offset + length])),
        }
        for (counter, (length, step)) in counters.iter_mut().zip(outer).rev() {
            *counter += 1;
            offset += step;
            if *counter < *length {
                break;
            }
            offset -= step * length;
            *counter = 0;
        }
    }
}

struct WithOne<F>(F);

impl<F: Fn(f32, f32) -> f32> Body<(&mut [f32], f32)> for WithOne<F> {
    type Output = ();

    #[inline(always)]
    fn run(self, (numbers, other): (&mut [f32], f32)) {
        numbers.iter_mut().for_each(|x| *x = (self.0)(*x, other));
    }
}

struct WithEach<F>(F);

impl<F: Fn(f32, f32) -> f32> Body<(&mut [f32], &[f32])> for WithEach<F> {
    type Output = ();

    #[inline(always)]
    fn run(self, (numbers, others): (&mut [f32], &[f32])) {
        numbers.iter_mut().zip(others).for_each(|(x, other)| *x = (self.0)(*x, *other));
    }
}

/// Axes that are walked through evenly are one axis: length and stride of each, the last with stride 1 or 0.
fn merged(shape: &[usize], strides: &[usize]) -> Vec<(usize, usize)> {
    let mut axes: Vec<(usize, usize)> = Vec::with_capacity(shape.len());
    for (dim, stride) in shape.iter().zip(strides).rev().filter(|(dim, _)| **dim != 1) {
        match axes.last_mut() {
            Some((length, step)) if *stride == *step * *length => *length *= dim,
            _ => axes.push((*dim, *stride)),
        }
    }
    axes.reverse();
    axes
}

/// `ReduceMean` over the last axes, in rows; other axes go the general way.
pub(crate) fn mean(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let given = attributes.ints("axes")?;
    let keep = attributes.int("keepdims", 1)? != 0;
    let idle = attributes.int("noop_with_empty_axes", 0)? != 0;
    let general = crate::reference::operators::general(attributes.0).map(|build| build(attributes)).transpose()?;
    fast(attributes, move |inputs| {
        let axes = inputs.optional(1).map_or_else(|| Ok(given.clone()), Array::to_i64)?;
        let data = inputs.get(0)?;
        let rank = data.shape.len();
        let mut last: Vec<usize> = Vec::with_capacity(axes.len());
        for at in &axes {
            last.push(crate::reference::operators::axis(*at, rank)?);
        }
        last.sort_unstable();
        let first = rank - last.len().min(rank);
        let in_rows = !last.is_empty() && last.iter().copied().eq(first..rank);
        match &general {
            Some(general) if !in_rows => return general(inputs),
            None if !in_rows || idle => return Err(format!("the mean over axes {axes:?} is not supported here")),
            _ => {}
        }
        let length = count(&data.shape[first..])?;
        let mut shape = data.shape[..first].to_vec();
        shape.extend(keep.then(|| vec![1; rank - first]).into_iter().flatten());
        if length == 0 {
            return Err("the mean of nothing".to_owned());
        }
        let means = data.typed::<f32>()?.chunks_exact(length).map(|row| dispatch(vector::Sum, row) / length as f32);
        Ok(vec![Array::new(shape, means.collect())?])
    })
}
