//! Functions of one element.

use super::numeric::{Number, doubles, is_float, numbers, of_doubles, scalar, unsupported};
use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, Elements};

pub(super) const OPERATORS: Table = &[
    ("", "Abs", abs),
    ("", "Acos", |_| Ok(map(f64::acos))),
    ("", "Acosh", |_| Ok(map(f64::acosh))),
    ("", "Asin", |_| Ok(map(f64::asin))),
    ("", "Asinh", |_| Ok(map(f64::asinh))),
    ("", "Atan", |_| Ok(map(f64::atan))),
    ("", "Atanh", |_| Ok(map(f64::atanh))),
    ("", "Ceil", |_| Ok(map(f64::ceil))),
    ("", "Celu", celu),
    ("", "Clip", clip),
    ("", "Cos", |_| Ok(map(f64::cos))),
    ("", "Cosh", |_| Ok(map(f64::cosh))),
    ("", "Elu", elu),
    ("", "Exp", |_| Ok(map(f64::exp))),
    ("", "Floor", |_| Ok(map(f64::floor))),
    ("", "HardSigmoid", hard_sigmoid),
    ("", "HardSwish", |_| Ok(map(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)))),
    ("", "IsInf", is_inf),
    ("", "IsNaN", is_nan),
    ("", "LeakyRelu", leaky_relu),
    ("", "Log", |_| Ok(map(f64::ln))),
    ("", "Mish", |_| Ok(map(|x| x * softplus(x).tanh()))),
    ("", "Neg", neg),
    ("", "Reciprocal", |_| Ok(map(f64::recip))),
    ("", "Relu", relu),
    ("", "Round", |_| Ok(map(f64::round_ties_even))),
    ("", "Selu", selu),
    ("", "Shrink", shrink),
    ("", "Sigmoid", |_| Ok(map(sigmoid))),
    ("", "Sign", sign),
    ("", "Sin", |_| Ok(map(f64::sin))),
    ("", "Sinh", |_| Ok(map(f64::sinh))),
    ("", "Softplus", |_| Ok(map(softplus))),
    ("", "Softsign", |_| Ok(map(|x| x / (1.0 + x.abs())))),
    ("", "Sqrt", |_| Ok(map(f64::sqrt))),
    ("", "Swish", swish),
    ("", "Tan", |_| Ok(map(f64::tan))),
    ("", "Tanh", |_| Ok(map(f64::tanh))),
    ("", "ThresholdedRelu", thresholded_relu),
];

/// A function of floats, computed in double precision.
pub(super) fn map(f: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Kernel {
    Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let shape = input.shape.clone();
        Ok(vec![match &input.elements {
            Elements::F32(values) => Array::new(shape, values.iter().map(|x| f((*x).into()) as f32).collect())?,
            Elements::F64(values) => Array::new(shape, values.iter().map(|x| f(*x)).collect())?,
            other if is_float(other.dtype()) => {
                of_doubles(other.dtype(), shape, doubles(input)?.into_iter().map(&f).collect())?
            }
            other => return Err(unsupported(other.dtype())),
        }])
    })
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// ln(1 + e^x) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Applies an operation of [`Number`] to an array of any number type.
macro_rules! mapped {
    ($input:expr, $f:expr) => {{
        let input: &Array = $input;
        numbers!(&input.elements, values: T => Array::new(input.shape.clone(), values.iter().map($f).collect::<Vec<T>>())?)
    }};
}

fn abs(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| Ok(vec![mapped!(inputs.get(0)?, |x| x.absolute())])))
}

fn neg(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| Ok(vec![mapped!(inputs.get(0)?, |x| x.negative())])))
}

fn relu(_: &Attributes<'_>) -> Result<Kernel, String> {
    // Not `max`: NaN stays NaN.
    Ok(Box::new(|inputs| Ok(vec![mapped!(inputs.get(0)?, |x| if *x < T::default() { T::default() } else { *x })])))
}

fn sign(_: &Attributes<'_>) -> Result<Kernel, String> {
    let sign = |x: f64| if x == 0.0 || x.is_nan() { x } else { x.signum() };
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let signs = doubles(input)?.into_iter().map(sign).collect();
        Ok(vec![of_doubles(input.elements.dtype(), input.shape.clone(), signs)?])
    }))
}

fn celu(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let alpha = f64::from(attributes.float("alpha", 1.0)?);
    Ok(map(move |x| x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0)))
}

fn elu(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let alpha = f64::from(attributes.float("alpha", 1.0)?);
    Ok(map(move |x| if x < 0.0 { alpha * x.exp_m1() } else { x }))
}

fn selu(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let alpha = f64::from(attributes.float("alpha", 1.673_263_2)?);
    let gamma = f64::from(attributes.float("gamma", 1.050_701)?);
    Ok(map(move |x| gamma * if x < 0.0 { alpha * x.exp_m1() } else { x }))
}

fn leaky_relu(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let slope = f64::from(attributes.float("alpha", 0.01)?);
    Ok(map(move |x| if x < 0.0 { slope * x } else { x }))
}

fn thresholded_relu(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let alpha = f64::from(attributes.float("alpha", 1.0)?);
    Ok(map(move |x| if x > alpha { x } else { 0.0 }))
}

fn hard_sigmoid(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (alpha, beta) = (f64::from(attributes.float("alpha", 0.2)?), f64::from(attributes.float("beta", 0.5)?));
    Ok(map(move |x| (alpha * x + beta).clamp(0.0, 1.0)))
}

fn swish(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let alpha = f64::from(attributes.float("alpha", 1.0)?);
    Ok(map(move |x| x * sigmoid(alpha * x)))
}

fn shrink(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (lambda, bias) = (f64::from(attributes.float("lambd", 0.5)?), f64::from(attributes.float("bias", 0.0)?));
    let shrink = move |x: f64| match x {
        x if x < -lambda => x + bias,
        x if x > lambda => x - bias,
        _ => 0.0,
    };
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let values = doubles(input)?.into_iter().map(shrink).collect();
        Ok(vec![of_doubles(input.elements.dtype(), input.shape.clone(), values)?])
    }))
}

fn is_nan(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let input = inputs.get(0)?;
        Ok(vec![Array::new(input.shape.clone(), doubles(input)?.into_iter().map(f64::is_nan).collect::<Vec<bool>>())?])
    }))
}

fn is_inf(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let negative = attributes.int("detect_negative", 1)? != 0;
    let positive = attributes.int("detect_positive", 1)? != 0;
    let found = move |x: f64| (positive && x == f64::INFINITY) || (negative && x == f64::NEG_INFINITY);
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        Ok(vec![Array::new(input.shape.clone(), doubles(input)?.into_iter().map(found).collect::<Vec<bool>>())?])
    }))
}

/// Bounds are attributes below operator set 11, inputs from there on. Where the lower one is the larger, the upper one
/// wins.
fn clip(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (low, high) = (attributes.optional_float("min")?, attributes.optional_float("max")?);
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let bound = |index: usize, attribute: Option<f32>| match inputs.optional(index) {
            Some(bound) => scalar(bound).map(|_| Some(bound.clone())),
            None => attribute.map(|bound| of_doubles(input.elements.dtype(), vec![], vec![bound.into()])).transpose(),
        };
        let (low, high) = (bound(1, low)?, bound(2, high)?);
        Ok(vec![numbers!(&input.elements, values: T => {
            let bound = |bound: &Option<Array>| match bound {
                Some(bound) => bound.get::<T>().map(|bound| Some(bound[0])).ok_or("the bounds have another type"),
                None => Ok(None),
            };
            let (low, high) = (bound(&low)?, bound(&high)?);
            let clip = |x: &T| {
                let x = low.map_or(*x, |low| if *x < low { low } else { *x });
                high.map_or(x, |high| if x > high { high } else { x })
            };
            Array::new(input.shape.clone(), values.iter().map(clip).collect::<Vec<T>>())?
        })])
    }))
}
