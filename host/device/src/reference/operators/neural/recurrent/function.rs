//! Activations of recurrent cells.

use crate::reference::attributes::Attributes;

/// A function with its parameters.
#[derive(Clone, Copy)]
pub(super) enum Function {
    Relu,
    Tanh,
    Sigmoid,
    Affine(f32, f32),
    LeakyRelu(f32),
    ThresholdedRelu(f32),
    ScaledTanh(f32, f32),
    HardSigmoid(f32, f32),
    Elu(f32),
    Softsign,
    Softplus,
}

/// The attribute `activations`, with parameters from `activation_alpha` and `activation_beta` in the order of the functions
/// that have any.
pub(super) fn read(attributes: &Attributes<'_>, defaults: &[&str], times: usize) -> Result<Vec<Function>, String> {
    let given = attributes.strings("activations")?;
    let names: Vec<String> = match &*given {
        [] => defaults.iter().map(|name| (*name).to_owned()).cycle().take(defaults.len() * times).collect(),
        given => given.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
    };
    if names.len() != defaults.len() * times {
        return Err(format!("{} activations, expected {}", names.len(), defaults.len() * times));
    }
    let mut alphas = attributes.floats("activation_alpha")?.into_iter();
    let mut betas = attributes.floats("activation_beta")?.into_iter();
    let mut function = |name: &String| {
        let mut alpha = |default: f32| alphas.next().unwrap_or(default);
        let mut beta = |default: f32| betas.next().unwrap_or(default);
        Ok(match &*name.to_ascii_lowercase() {
            "relu" => Function::Relu,
            "tanh" => Function::Tanh,
            "sigmoid" => Function::Sigmoid,
            "affine" => Function::Affine(alpha(1.0), beta(0.0)),
            "leakyrelu" => Function::LeakyRelu(alpha(0.01)),
            "thresholdedrelu" => Function::ThresholdedRelu(alpha(1.0)),
            "scaledtanh" => Function::ScaledTanh(alpha(1.0), beta(1.0)),
            "hardsigmoid" => Function::HardSigmoid(alpha(0.2), beta(0.5)),
            "elu" => Function::Elu(alpha(1.0)),
            "softsign" => Function::Softsign,
            "softplus" => Function::Softplus,
            other => return Err(format!("activation '{other}'")),
        })
    };
    names.iter().map(&mut function).collect()
}

impl Function {
    pub(super) fn of(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Affine(alpha, beta) => alpha * x + beta,
            Self::LeakyRelu(alpha) => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Self::ThresholdedRelu(alpha) => {
                if x > alpha {
                    x
                } else {
                    0.0
                }
            }
            Self::ScaledTanh(alpha, beta) => alpha * (beta * x).tanh(),
            Self::HardSigmoid(alpha, beta) => (alpha * x + beta).clamp(0.0, 1.0),
            Self::Elu(alpha) => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        }
    }
}
