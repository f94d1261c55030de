//! Arithmetic on two tensors, with broadcasting.

use super::layout::Walk;
use super::numeric::{Number, doubles, integers, is_float, numbers, of_doubles, of_integers};
use super::{Attributes, Kernel, Results, Table};
use crate::reference::array::{Array, Element, count};

pub(super) const OPERATORS: Table = &[
    ("", "Add", add),
    ("", "Sub", sub),
    ("", "Mul", mul),
    ("", "Div", div),
    ("", "Mod", modulo),
    ("", "Pow", pow),
    ("", "PRelu", parametric_relu),
    ("", "Max", max),
    ("", "Min", min),
    ("", "Sum", sum),
    ("", "Mean", mean),
];

/// The shape that both shapes stretch to: dimensions match from the right, or one of them is 1 or absent.
pub(super) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, String> {
    let rank = left.len().max(right.len());
    let dim = |shape: &[usize], index: usize| (index + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    let shape: Result<Vec<usize>, String> = (0..rank)
        .map(|index| match (dim(left, index), dim(right, index)) {
            (1, other) | (other, 1) => Ok(other),
            (same, other) if same == other => Ok(same),
            _ => Err(format!("shapes {left:?} and {right:?} do not fit each other")),
        })
        .collect();
    let shape = shape?;
    count(&shape)?;
    Ok(shape)
}

/// Strides of `shape` stretched to `target`: 0 where a dimension repeats.
pub(super) fn strides(shape: &[usize], target: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; target.len()];
    let mut stride = 1;
    for (place, dim) in strides.iter_mut().rev().zip(shape.iter().rev()) {
        *place = if *dim == 1 { 0 } else { stride };
        stride *= dim;
    }
    strides
}

/// Axes that both operands walk through evenly are one axis; each is a length and the two strides.
fn merged(shape: &[usize], left: &[usize], right: &[usize]) -> Vec<(usize, isize, isize)> {
    let mut axes: Vec<(usize, isize, isize)> = Vec::with_capacity(shape.len());
    for ((dim, left), right) in shape.iter().zip(left).zip(right).rev() {
        let (left, right) = (*left as isize, *right as isize);
        match axes.last_mut() {
            _ if *dim == 1 => {}
            Some((length, a, b)) if left == *a * *length as isize && right == *b * *length as isize => *length *= dim,
            _ => axes.push((*dim, left, right)),
        }
    }
    axes.reverse();
    axes
}

/// Applies `f` to all pairs of the broadcast operands.
pub(super) fn zip<A: Element, B: Element, R: Element>(
    (a, left): (&[A], &[usize]),
    (b, right): (&[B], &[usize]),
    f: impl Fn(&A, &B) -> R,
) -> Result<Array, String> {
    let shape = broadcast(left, right)?;
    let axes = merged(&shape, &strides(left, &shape), &strides(right, &shape));
    let (outer, (length, step_a, step_b)) =
        axes.split_last().map_or((&[][..], (1, 0, 0)), |(last, outer)| (outer, *last));
    let dims: Vec<usize> = outer.iter().map(|axis| axis.0).collect();
    let (by_a, by_b): (Vec<isize>, Vec<isize>) = outer.iter().map(|axis| (axis.1, axis.2)).unzip();
    let mut values = Vec::with_capacity(count(&shape)?);
    if shape.contains(&0) {
        return Array::new(shape, values);
    }
    for (i, j) in Walk::new(0, &dims, &by_a).zip(Walk::new(0, &dims, &by_b)) {
        match (step_a, step_b) {
            (1, 1) => values.extend(a[i..i + length].iter().zip(&b[j..j + length]).map(|(x, y)| f(x, y))),
            (1, 0) => values.extend(a[i..i + length].iter().map(|x| f(x, &b[j]))),
            (0, 1) => values.extend(b[j..j + length].iter().map(|y| f(&a[i], y))),
            _ => values.extend((0..length).map(|k| f(&a[i + k * step_a as usize], &b[j + k * step_b as usize]))),
        }
    }
    Array::new(shape, values)
}

/// The elements of the right operand, which must have the type of the left one.
pub(super) fn same<'a, T: Element>(left: &Array, right: &'a Array) -> Result<&'a [T], String> {
    let differ = || format!("cannot compute {} with {}", left.elements.dtype(), right.elements.dtype());
    right.get::<T>().ok_or_else(differ)
}

/// Applies an operation of [`Number`] to two arrays of one number type.
macro_rules! combined {
    ($left:expr, $right:expr, $f:expr) => {{
        let (left, right): (&Array, &Array) = ($left, $right);
        numbers!(&left.elements, a: T => zip((a, &left.shape), (same::<T>(left, right)?, &right.shape), $f)?)
    }};
}

fn add(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| Ok(vec![combined!(inputs.get(0)?, inputs.get(1)?, |a, b| a.plus(*b))])))
}

fn sub(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| Ok(vec![combined!(inputs.get(0)?, inputs.get(1)?, |a, b| a.minus(*b))])))
}

fn mul(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| Ok(vec![combined!(inputs.get(0)?, inputs.get(1)?, |a, b| a.times(*b))])))
}

fn no_zeros(divisors: &Array) -> Result<(), String> {
    let zero = !is_float(divisors.elements.dtype()) && integers(divisors)?.contains(&0);
    if zero { Err("an integer is divided by zero".to_owned()) } else { Ok(()) }
}

fn div(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        no_zeros(inputs.get(1)?)?;
        Ok(vec![combined!(inputs.get(0)?, inputs.get(1)?, |a, b| a.over(*b).unwrap_or_default())])
    }))
}

/// What is left of a division, with the sign of the divisor, or with `fmod` that of the dividend.
fn modulo(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let truncated = attributes.int("fmod", 0)? != 0;
    Ok(Box::new(move |inputs| {
        no_zeros(inputs.get(1)?)?;
        Ok(vec![combined!(inputs.get(0)?, inputs.get(1)?, |a, b| a.modulo(*b, truncated).unwrap_or_default())])
    }))
}

/// The result has the type of the base; the exponent may have any.
fn pow(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (base, exponent) = (inputs.get(0)?, inputs.get(1)?);
        let dtype = base.elements.dtype();
        let whole = !is_float(dtype) && !is_float(exponent.elements.dtype());
        let powers = integers(exponent)?;
        if whole && powers.iter().all(|power| *power >= 0) {
            let power = |base: &i64, power: &i64| base.wrapping_pow(u32::try_from(*power).unwrap_or(u32::MAX));
            let result = zip((&integers(base)?, &base.shape), (&powers, &exponent.shape), power)?;
            return Ok(vec![of_integers(dtype, result.shape.clone(), integers(&result)?)?]);
        }
        let power = |base: &f64, power: &f64| base.powf(*power);
        let result = zip((&doubles(base)?, &base.shape), (&doubles(exponent)?, &exponent.shape), power)?;
        Ok(vec![of_doubles(dtype, result.shape.clone(), doubles(&result)?)?])
    }))
}

fn parametric_relu(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let relu =
            combined!(inputs.get(0)?, inputs.get(1)?, |x, slope| if *x < T::default() { x.times(*slope) } else { *x });
        Ok(vec![relu])
    }))
}

/// Folds any number of inputs from the left.
fn fold(inputs: &super::Arguments<'_>, f: impl Fn(&Array, &Array) -> Result<Array, String>) -> Result<Array, String> {
    let (first, rest) = (inputs.get(0)?, &inputs.all()?[1..]);
    rest.iter().try_fold(first.clone(), |folded, next| f(&folded, next))
}

fn max(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| Ok(vec![fold(inputs, |left, right| Ok(combined!(left, right, |a, b| a.larger(*b))))?])))
}

fn min(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| Ok(vec![fold(inputs, |left, right| Ok(combined!(left, right, |a, b| a.smaller(*b))))?])))
}

fn total(inputs: &super::Arguments<'_>) -> Result<Array, String> {
    fold(inputs, |left, right| Ok(combined!(left, right, |a, b| a.plus(*b))))
}

fn sum(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| Ok(vec![total(inputs)?])))
}

fn mean(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| -> Results {
        let (sum, by) = (total(inputs)?, inputs.all()?.len() as f64);
        let means = doubles(&sum)?.into_iter().map(|sum| sum / by).collect();
        Ok(vec![of_doubles(sum.elements.dtype(), sum.shape, means)?])
    }))
}
