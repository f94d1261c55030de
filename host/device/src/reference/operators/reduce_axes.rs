//! Reductions over any axes.

use scorehost_core::DType;

use super::layout::{Walk, row_major};
use super::numeric::{doubles, integers, is_float, of_doubles, of_integers};
use super::{Arguments, Attributes, Kernel, Table, axis};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[
    ("", "ReduceSum", |attributes| reduce(attributes, |line| line.iter().sum(), Ints::Wrapping(sum))),
    ("", "ReduceProd", |attributes| reduce(attributes, |line| line.iter().product(), Ints::Wrapping(product))),
    ("", "ReduceMean", |attributes| {
        reduce(attributes, |line| line.iter().sum::<f64>() / line.len() as f64, Ints::Wrapping(mean))
    }),
    ("", "ReduceMax", |attributes| reduce(attributes, largest, Ints::Extreme(highest))),
    ("", "ReduceMin", |attributes| reduce(attributes, smallest, Ints::Extreme(lowest))),
    ("", "ReduceL1", |attributes| {
        reduce(attributes, |line| line.iter().map(|x| x.abs()).sum(), Ints::Wrapping(absolute))
    }),
    ("", "ReduceL2", |attributes| reduce(attributes, |line| squares(line).sqrt(), Ints::AsFloats)),
    ("", "ReduceSumSquare", |attributes| reduce(attributes, squares, Ints::Wrapping(integer_squares))),
    ("", "ReduceLogSum", |attributes| reduce(attributes, |line| line.iter().sum::<f64>().ln(), Ints::AsFloats)),
    ("", "ReduceLogSumExp", |attributes| reduce(attributes, log_sum_exp, Ints::AsFloats)),
];

/// How integers are reduced.
#[derive(Clone, Copy)]
enum Ints {
    /// In double precision.
    AsFloats,
    /// As 64-bit integers that wrap.
    Wrapping(fn(&[i64]) -> i64),
    /// To one of them; none gives the extreme of 64 bits.
    Extreme(fn(&[i64]) -> i64),
}

fn highest(line: &[i64]) -> i64 {
    line.iter().copied().max().unwrap_or(i64::MIN)
}

fn lowest(line: &[i64]) -> i64 {
    line.iter().copied().min().unwrap_or(i64::MAX)
}

fn sum(line: &[i64]) -> i64 {
    line.iter().fold(0, |sum, x| sum.wrapping_add(*x))
}

fn product(line: &[i64]) -> i64 {
    line.iter().fold(1, |product, x| product.wrapping_mul(*x))
}

fn mean(line: &[i64]) -> i64 {
    sum(line).checked_div(line.len() as i64).unwrap_or(0)
}

fn absolute(line: &[i64]) -> i64 {
    line.iter().fold(0, |sum, x| sum.wrapping_add(x.wrapping_abs()))
}

fn integer_squares(line: &[i64]) -> i64 {
    line.iter().fold(0, |sum, x| sum.wrapping_add(x.wrapping_mul(*x)))
}

fn squares(line: &[f64]) -> f64 {
    line.iter().map(|x| x * x).sum()
}

fn largest(line: &[f64]) -> f64 {
    line.iter().fold(f64::NEG_INFINITY, |most, x| if x.is_nan() || *x > most { *x } else { most })
}

fn smallest(line: &[f64]) -> f64 {
    line.iter().fold(f64::INFINITY, |least, x| if x.is_nan() || *x < least { *x } else { least })
}

/// Without overflow: the largest exponent is taken out.
fn log_sum_exp(line: &[f64]) -> f64 {
    let most = largest(line);
    let shift = if most.is_finite() { most } else { 0.0 };
    shift + line.iter().map(|x| (x - shift).exp()).sum::<f64>().ln()
}

fn reduce(attributes: &Attributes<'_>, of_floats: fn(&[f64]) -> f64, of_ints: Ints) -> Result<Kernel, String> {
    let axes = Axes::read(attributes)?;
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let dtype = data.elements.dtype();
        let Some(reduced) = axes.resolve(inputs, data.shape.len())? else { return Ok(vec![data.clone()]) };
        let shape = axes.shape(&data.shape, &reduced);
        let lines = Lines::new(&data.shape, &reduced)?;
        Ok(vec![match of_ints {
            Ints::Wrapping(f) if !is_float(dtype) => of_integers(dtype, shape, lines.apply(&integers(data)?, f))?,
            Ints::Extreme(f) if !is_float(dtype) => {
                // With the highest bit turned over, unsigned integers compare as signed ones.
                let flip = if dtype == DType::U64 { i64::MIN } else { 0 };
                let values: Vec<i64> = integers(data)?.into_iter().map(|value| value ^ flip).collect();
                let extremes = lines.apply(&values, f).into_iter().map(|value| within(dtype, value) ^ flip);
                of_integers(dtype, shape, extremes.collect())?
            }
            _ => of_doubles(dtype, shape, lines.apply(&doubles(data)?, of_floats))?,
        }])
    }))
}

/// The extreme of an empty line, as the extreme of the type.
fn within(dtype: DType, value: i64) -> i64 {
    let (low, high) = match dtype {
        DType::Bool => (0, 1),
        DType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DType::U8 => (0, u8::MAX.into()),
        DType::U16 => (0, u16::MAX.into()),
        DType::U32 => (0, u32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    match value {
        i64::MIN => low,
        i64::MAX => high,
        value => value,
    }
}

/// Axes from the attribute (in lower operator sets) or the second input.
struct Axes {
    given: Vec<i64>,
    keep: bool,
    /// No axes mean that nothing is reduced, not everything.
    none_is_nothing: bool,
}

impl Axes {
    fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        Ok(Self {
            given: attributes.ints("axes")?,
            keep: attributes.int("keepdims", 1)? != 0,
            none_is_nothing: attributes.int("noop_with_empty_axes", 0)? != 0,
        })
    }

    /// Whether each axis is reduced; `None` where nothing is to be done at all.
    fn resolve(&self, inputs: &Arguments<'_>, rank: usize) -> Result<Option<Vec<bool>>, String> {
        let axes = inputs.optional(1).map_or(Ok(self.given.clone()), integers)?;
        if axes.is_empty() {
            return Ok((!self.none_is_nothing).then(|| vec![true; rank]));
        }
        let mut reduced = vec![false; rank];
        for at in axes {
            reduced[axis(at, rank)?] = true;
        }
        Ok(Some(reduced))
    }

    fn shape(&self, shape: &[usize], reduced: &[bool]) -> Vec<usize> {
        let dim = |(dim, reduced): (&usize, &bool)| if *reduced { self.keep.then_some(1) } else { Some(*dim) };
        shape.iter().zip(reduced).filter_map(dim).collect()
    }
}

/// The elements that are reduced to one, for each element of the result.
struct Lines {
    starts: Vec<usize>,
    steps: Vec<usize>,
    contiguous: bool,
}

impl Lines {
    fn new(shape: &[usize], reduced: &[bool]) -> Result<Self, String> {
        let by = row_major(shape);
        let places = |wanted: bool| -> Result<Vec<usize>, String> {
            let axes: Vec<usize> = (0..shape.len()).filter(|axis| reduced[*axis] == wanted).collect();
            let dims: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
            let by: Vec<isize> = axes.iter().map(|axis| by[*axis]).collect();
            count(&dims)?;
            Ok(Walk::new(0, &dims, &by).collect())
        };
        let (starts, steps) = (places(false)?, places(true)?);
        let contiguous = steps.iter().enumerate().all(|(index, step)| index == *step);
        Ok(Self { starts, steps, contiguous })
    }

    fn apply<T: Copy>(&self, values: &[T], f: fn(&[T]) -> T) -> Vec<T> {
        if self.contiguous {
            // Lines of no elements start nowhere.
            let line = |start: &usize| values.get(*start..start + self.steps.len()).unwrap_or_default();
            return self.starts.iter().map(|start| f(line(start))).collect();
        }
        let mut line = Vec::with_capacity(self.steps.len());
        let one = |start: &usize| {
            line.clear();
            line.extend(self.steps.iter().map(|step| values[start + step]));
            f(&line)
        };
        self.starts.iter().map(one).collect()
    }
}

/// Reduces some axes of double-precision numbers with `f`; they stay as 1.
pub(super) fn reduced(data: &Array, axes: &[usize], f: fn(&[f64]) -> f64) -> Result<(Vec<usize>, Vec<f64>), String> {
    let flags: Vec<bool> = (0..data.shape.len()).map(|axis| axes.contains(&axis)).collect();
    let shape = data.shape.iter().zip(&flags).map(|(dim, reduced)| if *reduced { 1 } else { *dim }).collect();
    Ok((shape, Lines::new(&data.shape, &flags)?.apply(&doubles(data)?, f)))
}
