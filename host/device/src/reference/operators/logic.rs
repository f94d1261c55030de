//! Comparisons, logic and bits.

use super::elementwise::{broadcast, same, strides, zip};
use super::layout::Walk;
use super::numeric::{integers, numbers, of_integers};
use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, Element, Elements, each};

pub(super) const OPERATORS: Table = &[
    ("", "And", |_| Ok(logical(|a, b| a & b))),
    ("", "Or", |_| Ok(logical(|a, b| a | b))),
    ("", "Xor", |_| Ok(logical(|a, b| a ^ b))),
    ("", "Not", not),
    ("", "Equal", equal),
    ("", "Greater", greater),
    ("", "GreaterOrEqual", greater_or_equal),
    ("", "Less", less),
    ("", "LessOrEqual", less_or_equal),
    ("", "Where", where_),
    ("", "BitwiseAnd", |_| Ok(bitwise(|a, b| a & b))),
    ("", "BitwiseOr", |_| Ok(bitwise(|a, b| a | b))),
    ("", "BitwiseXor", |_| Ok(bitwise(|a, b| a ^ b))),
    ("", "BitwiseNot", bitwise_not),
    ("", "BitShift", bit_shift),
];

fn logical(f: fn(bool, bool) -> bool) -> Kernel {
    Box::new(move |inputs| {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        let a = left.get::<bool>().ok_or_else(|| format!("expected BOOL, got {}", left.elements.dtype()))?;
        Ok(vec![zip((a, &left.shape), (same(left, right)?, &right.shape), |a, b| f(*a, *b))?])
    })
}

fn not(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let input = inputs.get(0)?;
        let values = input.get::<bool>().ok_or_else(|| format!("expected BOOL, got {}", input.elements.dtype()))?;
        Ok(vec![Array::new(input.shape.clone(), values.iter().map(|value| !value).collect::<Vec<bool>>())?])
    }))
}

fn equal(_: &Attributes<'_>) -> Result<Kernel, String> {
    fn compare<T: Element + PartialEq>(a: &[T], left: &Array, right: &Array) -> Result<Array, String> {
        zip((a, &left.shape), (same::<T>(left, right)?, &right.shape), |a, b| a == b)
    }
    Ok(Box::new(|inputs| {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        Ok(vec![each!(&left.elements, a => compare(a, left, right)?)])
    }))
}

macro_rules! ordered {
    ($($name:ident: $f:expr;)*) => {
        $(fn $name(_: &Attributes<'_>) -> Result<Kernel, String> {
            Ok(Box::new(|inputs| {
                let (left, right) = (inputs.get(0)?, inputs.get(1)?);
                Ok(vec![numbers!(&left.elements, a: T => {
                    zip((a, &left.shape), (same::<T>(left, right)?, &right.shape), $f)?
                })])
            }))
        })*
    };
}

ordered! {
    greater: |a, b| a > b;
    greater_or_equal: |a, b| a >= b;
    less: |a, b| a < b;
    less_or_equal: |a, b| a <= b;
}

/// Elements of the second input where the first is true, else of the third.
fn where_(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (condition, yes, no) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
        let flags = condition.get::<bool>().ok_or("the condition must be BOOL")?;
        let shape = broadcast(&broadcast(&condition.shape, &yes.shape)?, &no.shape)?;
        let elements = each!(&yes.elements, a => chosen((flags, condition), (a, yes), no, &shape)?);
        Ok(vec![Array { shape, elements }])
    }))
}

fn chosen<T: Element>(
    (flags, condition): (&[bool], &Array),
    (a, yes): (&[T], &Array),
    no: &Array,
    shape: &[usize],
) -> Result<Elements, String> {
    let b = same::<T>(yes, no)?;
    let stretched = |array: &Array| strides(&array.shape, shape).into_iter().map(|by| by as isize).collect::<Vec<_>>();
    let (by_flag, by_a, by_b) = (stretched(condition), stretched(yes), stretched(no));
    let places = Walk::new(0, shape, &by_flag).zip(Walk::new(0, shape, &by_a).zip(Walk::new(0, shape, &by_b)));
    let pick = |(flag, (i, j)): (usize, (usize, usize))| if flags[flag] { a[i].clone() } else { b[j].clone() };
    Ok(T::wrap(places.map(pick).collect()))
}

fn bitwise(f: fn(i64, i64) -> i64) -> Kernel {
    Box::new(move |inputs| {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        let pairs = zip((&integers(left)?, &left.shape), (&integers(right)?, &right.shape), |a, b| f(*a, *b))?;
        Ok(vec![of_integers(left.elements.dtype(), pairs.shape.clone(), integers(&pairs)?)?])
    })
}

fn bitwise_not(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let input = inputs.get(0)?;
        let values = integers(input)?.into_iter().map(|value| !value).collect();
        Ok(vec![of_integers(input.elements.dtype(), input.shape.clone(), values)?])
    }))
}

/// Shifts by the width of the type or more give 0.
fn bit_shift(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let left = match &*attributes.string("direction", "")? {
        b"LEFT" => true,
        b"RIGHT" => false,
        other => return Err(format!("direction '{}', expected LEFT or RIGHT", String::from_utf8_lossy(other))),
    };
    let shift = move |value: &i64, by: &i64| match u32::try_from(*by) {
        Ok(by) if left => (*value as u64).checked_shl(by).unwrap_or(0) as i64,
        Ok(by) => (*value as u64).checked_shr(by).unwrap_or(0) as i64,
        Err(_) => 0,
    };
    Ok(Box::new(move |inputs| {
        let (value, by) = (inputs.get(0)?, inputs.get(1)?);
        let shifted = zip((&integers(value)?, &value.shape), (&integers(by)?, &by.shape), shift)?;
        Ok(vec![of_integers(value.elements.dtype(), shifted.shape.clone(), integers(&shifted)?)?])
    }))
}
