//! Functions of each number by itself in single precision, in place where the input dies.

use super::activation::Activation;
use super::fast;
use crate::reference::attributes::Attributes;
use crate::reference::operators::{Arguments, Kernel};
use crate::reference::vector::{self, dispatch};

pub(super) fn build(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let alpha = |default: f32| attributes.float("alpha", default);
    let activation = match &*attributes.0.operator {
        "Relu" => Activation::Relu,
        "LeakyRelu" => Activation::LeakyRelu(alpha(0.01)?),
        "Sigmoid" => Activation::Sigmoid,
        "HardSigmoid" => Activation::HardSigmoid(alpha(0.2)?, attributes.float("beta", 0.5)?),
        "HardSwish" => Activation::HardSwish,
        "Tanh" => Activation::Tanh,
        "Swish" => Activation::Swish(alpha(1.0)?),
        "Clip" => return clip(attributes),
        "Gelu" => match &*attributes.string("approximate", "none")? {
            b"tanh" => return in_place(attributes, |numbers| dispatch(vector::GeluTanh, numbers)),
            _ => Activation::Gelu,
        },
        "Erf" => return in_place(attributes, |numbers| dispatch(vector::Erf, numbers)),
        "Exp" => return in_place(attributes, |numbers| dispatch(vector::Exp, numbers)),
        "Sqrt" => return in_place(attributes, |numbers| vector::map(numbers, |x| x.sqrt())),
        "Neg" => return in_place(attributes, |numbers| vector::map(numbers, |x| -x)),
        "Abs" => return in_place(attributes, |numbers| vector::map(numbers, |x| x.abs())),
        "Reciprocal" => return in_place(attributes, |numbers| vector::map(numbers, |x| 1.0 / x)),
        "Softplus" => return in_place(attributes, |numbers| numbers.iter_mut().for_each(|x| *x = softplus(*x))),
        "Mish" => return in_place(attributes, |numbers| numbers.iter_mut().for_each(|x| *x *= softplus(*x).tanh())),
        other => return Err(format!("no function '{other}'")),
    };
    in_place(attributes, move |numbers| activation.apply(numbers))
}

/// ln(1 + e^x) without overflow.
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn in_place(attributes: &Attributes<'_>, f: impl Fn(&mut [f32]) + Send + Sync + 'static) -> Result<Kernel, String> {
    fast(attributes, move |inputs| {
        let mut result = inputs.own(0)?;
        f(result.numbers_mut()?);
        Ok(vec![result])
    })
}

/// Bounds are attributes below operator set 11, inputs from there on.
fn clip(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (low, high) = (attributes.optional_float("min")?, attributes.optional_float("max")?);
    fast(attributes, move |inputs| {
        let bound = |inputs: &Arguments<'_>, index: usize, attribute: Option<f32>| match inputs.optional(index) {
            Some(bound) => Ok::<_, String>(bound.typed::<f32>()?.first().copied()),
            None => Ok(attribute),
        };
        let low = bound(inputs, 1, low)?.unwrap_or(f32::NEG_INFINITY);
        let high = bound(inputs, 2, high)?.unwrap_or(f32::INFINITY);
        let mut result = inputs.own(0)?;
        Activation::Clip(low, high).apply(result.numbers_mut()?);
        Ok(vec![result])
    })
}
