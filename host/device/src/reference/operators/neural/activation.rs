//! What fused operators do to their results at the end.

use crate::reference::attributes::Attributes;
use crate::reference::vector::{self, dispatch, vectorised};

/// An activation with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Activation {
    None,
    Relu,
    Clip(f32, f32),
    Sigmoid,
    HardSigmoid(f32, f32),
    HardSwish,
    Tanh,
    LeakyRelu(f32),
    Gelu,
    Swish(f32),
}

impl Activation {
    /// The attributes `activation`, `activation_alpha` and `activation_beta` (`scorehost_graph::fuse` says what they mean).
    pub(crate) fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        let (alpha, beta) = (
            |default| attributes.float("activation_alpha", default),
            |default| attributes.float("activation_beta", default),
        );
        Ok(match &*attributes.string("activation", "")? {
            b"" => Self::None,
            b"Relu" => Self::Relu,
            b"Clip" => Self::Clip(alpha(f32::NEG_INFINITY)?, beta(f32::INFINITY)?),
            b"Sigmoid" => Self::Sigmoid,
            b"HardSigmoid" => Self::HardSigmoid(alpha(0.2)?, beta(0.5)?),
            b"HardSwish" => Self::HardSwish,
            b"Tanh" => Self::Tanh,
            b"LeakyRelu" => Self::LeakyRelu(alpha(0.01)?),
            b"Gelu" => Self::Gelu,
            b"Swish" => Self::Swish(alpha(1.0)?),
            other => return Err(format!("activation '{}'", String::from_utf8_lossy(other))),
        })
    }

    /// Adds a bias and a residual to the numbers, then activates them.
    pub(crate) fn finish(self, numbers: &mut [f32], bias: Bias<'_>, residual: Option<&[f32]>) {
        match (bias, residual) {
            (Bias::None, None) => {}
            (Bias::One(bias), None) => dispatch(AddOne, (&mut *numbers, bias)),
            (Bias::One(bias), Some(residual)) => dispatch(AddOneAndAll, (&mut *numbers, bias, residual)),
            (Bias::Each(bias), residual) => {
                dispatch(AddEach, (&mut *numbers, bias));
                residual.into_iter().for_each(|residual| dispatch(AddEach, (&mut *numbers, residual)));
            }
            (Bias::None, Some(residual)) => dispatch(AddEach, (&mut *numbers, residual)),
        }
        self.apply(numbers);
    }

    /// Activates numbers in place.
    pub(crate) fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::None => {}
            // Not `max`: NaN stays NaN.
            Self::Relu => vector::map(numbers, |x| if x < 0.0 { 0.0 } else { x }),
            Self::Clip(low, high) => vector::map(numbers, move |x| {
                let x = if x < low { low } else { x };
                if x > high { high } else { x }
            }),
            Self::Sigmoid => dispatch(vector::Sigmoid, numbers),
            Self::HardSigmoid(alpha, beta) => vector::map(numbers, move |x| hard_sigmoid(x, alpha, beta)),
            Self::HardSwish => vector::map(numbers, |x| x * hard_sigmoid(x, 1.0 / 6.0, 0.5)),
            Self::Tanh => dispatch(vector::Tanh, numbers),
            Self::LeakyRelu(slope) => vector::map(numbers, move |x| if x < 0.0 { slope * x } else { x }),
            Self::Gelu => dispatch(vector::Gelu, numbers),
            Self::Swish(alpha) => dispatch(vector::Swish, (numbers, alpha)),
        }
    }
}

impl Activation {
    /// Activates numbers in double precision in place.
    pub(crate) fn apply_double(self, numbers: &mut [f64]) {
        if self != Self::None {
            numbers.iter_mut().for_each(|x| *x = self.double(*x));
        }
    }

    fn double(self, x: f64) -> f64 {
        let hard = |alpha: f64, beta: f64| (alpha * x + beta).clamp(0.0, 1.0);
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        match self {
            Self::None => x,
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Clip(low, high) => {
                let x = if x < f64::from(low) { low.into() } else { x };
                if x > f64::from(high) { high.into() } else { x }
            }
            Self::Sigmoid => logistic(x),
            Self::HardSigmoid(alpha, beta) => hard(alpha.into(), beta.into()),
            Self::HardSwish => x * hard(1.0 / 6.0, 0.5),
            Self::Tanh => x.tanh(),
            Self::LeakyRelu(slope) => {
                if x < 0.0 {
                    f64::from(slope) * x
                } else {
                    x
                }
            }
            // The error function in single precision is the best there is without a library.
            Self::Gelu => 0.5 * x * (1.0 + f64::from(vector::erf((x * std::f64::consts::FRAC_1_SQRT_2) as f32))),
            Self::Swish(alpha) => x * logistic(f64::from(alpha) * x),
        }
    }
}

/// What is added before an activation.
#[derive(Clone, Copy)]
pub(crate) enum Bias<'a> {
    None,
    /// The same number everywhere.
    One(f32),
    /// A number for each element.
    Each(&'a [f32]),
}

#[inline(always)]
fn hard_sigmoid(x: f32, alpha: f32, beta: f32) -> f32 {
    let line = alpha * x + beta;
    let line = if line < 0.0 { 0.0 } else { line };
    if line > 1.0 { 1.0 } else { line }
}

vectorised! {
    fn add_one as AddOne((numbers, bias): (&mut [f32], f32)) {
        numbers.iter_mut().for_each(|x| *x += bias);
    }

    fn add_each as AddEach((numbers, others): (&mut [f32], &[f32])) {
        numbers.iter_mut().zip(others).for_each(|(x, other)| *x += other);
    }

    fn add_one_and_all as AddOneAndAll((numbers, bias, others): (&mut [f32], f32, &[f32])) {
        numbers.iter_mut().zip(others).for_each(|(x, other)| *x += bias + other);
    }
}
