//! Operators on elements, with broadcasting.

use super::shape::offsets;
use super::{Attributes, Kernel};
use crate::reference::array::{Array, Element, Elements, count};

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

fn zip<T: Element + Copy>(left: &Array, right: &Array, f: impl Fn(T, T) -> Option<T>) -> Result<Array, String> {
    let (Some(a), Some(b)) = (left.get::<T>(), right.get::<T>()) else {
        return Err(format!("cannot compute {} with {}", left.elements.dtype(), right.elements.dtype()));
    };
    let shape = broadcast(&left.shape, &right.shape)?;
    let (from_a, from_b) = (strides(&left.shape, &shape), strides(&right.shape, &shape));
    let pairs = offsets(&shape, &from_a).zip(offsets(&shape, &from_b));
    let values: Option<Vec<T>> = pairs.map(|(i, j)| f(a[i], b[j])).collect();
    Array::new(shape, values.ok_or("an integer is divided by zero")?)
}

macro_rules! arithmetic {
    ($($name:ident: $float:expr, $integer:ident;)*) => {
        $(pub(crate) fn $name(_: &Attributes<'_>) -> Result<Kernel, String> {
            Ok(Box::new(|inputs| {
                let (left, right) = (inputs.get(0)?, inputs.get(1)?);
                Ok(vec![match &left.elements {
                    Elements::F32(_) => zip::<f32>(left, right, |a, b| Some($float(a.into(), b.into()) as f32)),
                    Elements::F64(_) => zip::<f64>(left, right, |a, b| Some($float(a, b))),
                    Elements::I8(_) => zip::<i8>(left, right, i8::$integer),
                    Elements::I16(_) => zip::<i16>(left, right, i16::$integer),
                    Elements::I32(_) => zip::<i32>(left, right, i32::$integer),
                    Elements::I64(_) => zip::<i64>(left, right, i64::$integer),
                    Elements::U8(_) => zip::<u8>(left, right, u8::$integer),
                    Elements::U16(_) => zip::<u16>(left, right, u16::$integer),
                    Elements::U32(_) => zip::<u32>(left, right, u32::$integer),
                    Elements::U64(_) => zip::<u64>(left, right, u64::$integer),
                    other => Err(format!("{} is not supported here", other.dtype())),
                }?])
            }))
        })*
    };
}

/// Integer arithmetic that wraps; division by zero has no result.
trait Wrapping: Sized {
    fn plus(self, other: Self) -> Option<Self>;
    fn minus(self, other: Self) -> Option<Self>;
    fn times(self, other: Self) -> Option<Self>;
    fn over(self, other: Self) -> Option<Self>;
}

macro_rules! wrapping {
    ($($kind:ty)*) => {
        $(impl Wrapping for $kind {
            fn plus(self, other: Self) -> Option<Self> {
                Some(self.wrapping_add(other))
            }

            fn minus(self, other: Self) -> Option<Self> {
                Some(self.wrapping_sub(other))
            }

            fn times(self, other: Self) -> Option<Self> {
                Some(self.wrapping_mul(other))
            }

            fn over(self, other: Self) -> Option<Self> {
                (other != 0).then(|| self.wrapping_div(other))
            }
        })*
    };
}

wrapping!(i8 i16 i32 i64 u8 u16 u32 u64);

// Single precision is computed in double and rounded once, which gives the same for these four.
arithmetic! {
    add: |a: f64, b: f64| a + b, plus;
    sub: |a: f64, b: f64| a - b, minus;
    mul: |a: f64, b: f64| a * b, times;
    div: |a: f64, b: f64| a / b, over;
}

fn map(f: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Kernel {
    Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let shape = input.shape.clone();
        Ok(vec![match &input.elements {
            Elements::F32(values) => Array::new(shape, values.iter().map(|x| f((*x).into()) as f32).collect())?,
            Elements::F64(values) => Array::new(shape, values.iter().map(|x| f(*x)).collect())?,
            other => return Err(format!("{} is not supported here", other.dtype())),
        }])
    })
}

pub(crate) fn relu(_: &Attributes<'_>) -> Result<Kernel, String> {
    // Not `max`: NaN stays NaN.
    Ok(map(|x| if x < 0.0 { 0.0 } else { x }))
}

pub(crate) fn leaky_relu(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let slope = f64::from(attributes.float("alpha", 0.01)?);
    Ok(map(move |x| if x < 0.0 { slope * x } else { x }))
}

pub(crate) fn sigmoid(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(map(|x| 1.0 / (1.0 + (-x).exp())))
}

pub(crate) fn tanh(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(map(f64::tanh))
}

pub(crate) fn exp(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(map(f64::exp))
}

pub(crate) fn log(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(map(f64::ln))
}

pub(crate) fn sqrt(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(map(f64::sqrt))
}

pub(crate) fn neg(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(map(|x| -x))
}

pub(crate) fn abs(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(map(f64::abs))
}

/// Bounds are attributes below operator set 11, inputs from there on.
pub(crate) fn clip(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let low = attributes.optional_float("min")?.map(f64::from);
    let high = attributes.optional_float("max")?.map(f64::from);
    Ok(Box::new(move |inputs| {
        let bound = |index: usize, attribute: Option<f64>| match inputs.optional(index) {
            Some(bound) => Ok(bound.to_f64()?.first().copied()),
            None => Ok::<_, String>(attribute),
        };
        let (low, high) = (bound(1, low)?, bound(2, high)?);
        map(move |x| {
            let x = low.map_or(x, |low| if x < low { low } else { x });
            high.map_or(x, |high| if x > high { high } else { x })
        })(inputs)
    }))
}
