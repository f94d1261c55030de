//! What `ai.onnx.ml` models do to their scores at the end.

use super::Attributes;

/// The attribute `post_transform`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub(crate) fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        Ok(match &*attributes.string("post_transform", "NONE")? {
            b"NONE" => Self::None,
            b"LOGISTIC" => Self::Logistic,
            b"SOFTMAX" => Self::Softmax,
            b"SOFTMAX_ZERO" => Self::SoftmaxZero,
            b"PROBIT" => Self::Probit,
            other => return Err(format!("post_transform '{}'", String::from_utf8_lossy(other))),
        })
    }

    /// Transforms the scores of one row.
    pub(crate) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => softmax_zero(scores),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

pub(crate) fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

pub(crate) fn softmax(scores: &mut [f64]) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|score| *score = (*score - most).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// Softmax that leaves zeros (scores of classes without a vote) at zero.
fn softmax_zero(scores: &mut [f64]) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let voted = |score: f64| score.abs() > 1e-7;
    let weigh = |score: f64| if voted(score) { (score - most).exp() } else { score * (-most).exp() };
    let sum: f64 = scores.iter().filter(|score| voted(**score)).map(|score| weigh(*score)).sum();
    scores.iter_mut().for_each(|score| *score = weigh(*score) / sum);
}

/// Inverse of the normal distribution by Winitzki's approximation, the one that ONNX Runtime uses.
fn probit(score: f64) -> f64 {
    let x = 2.0 * score - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * log;
    std::f64::consts::SQRT_2 * x.signum() * (-v + (v * v - log / 0.147).sqrt()).sqrt()
}
