//! Sequences of numbers, random numbers, losses, texts, signals.

use scorehost_core::DType;

use super::Operator;
use crate::infer::context::{Fact, dtype_of, one, wrong};
use crate::infer::flow::{Axes, Flows, each, mixes};
use crate::infer::{Answer, Context, Dim, Dims, Stop};
use crate::{Attribute, Initialiser};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "Constant" => Operator::folding(constant, mixes),
        "Range" => Operator::folding(range, mixes),
        "EyeLike" => Operator::folding(eye_like, mixes),
        "RandomNormal" | "RandomUniform" => Operator::new(random, mixes),
        "RandomNormalLike" | "RandomUniformLike" | "Bernoulli" => Operator::new(random_like, mixes),
        "Multinomial" => Operator::new(multinomial, mixes),
        "NegativeLogLikelihoodLoss" => Operator::new(loss, mixes),
        "SoftmaxCrossEntropyLoss" => Operator::new(loss_and_scores, mixes),
        "StringConcat" => Operator::new(joined, crate::infer::flow::broadcast),
        "RegexFullMatch" => Operator::new(matched, each),
        "HannWindow" | "HammingWindow" | "BlackmanWindow" => Operator::folding(window, mixes),
        "DFT" => Operator::new(fourier, fourier_rows),
        "MelWeightMatrix" => Operator::new(mel, mixes),
        _ => return None,
    })
}

fn constant(context: &mut Context<'_>) -> Answer {
    match context.node.attributes.get("value") {
        Some(Attribute::Tensor(Initialiser::Tensor(tensor))) => Ok(vec![Some(Fact::constant(tensor.clone()))]),
        _ => Err(Stop::Unknown),
    }
}

/// Elements of `start..limit` by `delta`, of any type of number.
fn range(context: &mut Context<'_>) -> Answer {
    let dtype = context.dtype(0)?;
    let number = |index: usize| context.numbers(index).ok().and_then(|values| values.first().copied());
    if let (Some(start), Some(limit), Some(delta)) = (number(0), number(1), number(2)) {
        if delta == 0 {
            return wrong("its step is 0");
        }
        let span = i128::from(limit) - i128::from(start);
        let count =
            if (span > 0) == (delta > 0) { span.unsigned_abs().div_ceil(i128::from(delta).unsigned_abs()) } else { 0 };
        return one(dtype, Dims::from_iter([Dim::size(u64::try_from(count).unwrap_or(u64::MAX))]));
    }
    // From 0 by 1 there are as many as the limit says.
    let limit = context.integers(1).ok().and_then(|limit| limit.first().cloned());
    let count = match limit {
        Some(limit) if number(0) == Some(0) && number(2) == Some(1) => limit,
        _ => context.computed(),
    };
    one(dtype, Dims::from_iter([count]))
}

fn eye_like(context: &mut Context<'_>) -> Answer {
    let dtype = match context.node.int("dtype", 0) {
        0 => context.dtype(0)?,
        code => dtype_of(code)?,
    };
    one(dtype, context.dims(0)?)
}

fn random(context: &mut Context<'_>) -> Answer {
    let dims = context.node.ints("shape").ok_or(Stop::Unknown)?.iter().map(|size| Dim::known((*size).max(0))).collect();
    one(dtype_of(context.node.int("dtype", 1))?, dims)
}

fn random_like(context: &mut Context<'_>) -> Answer {
    eye_like(context)
}

fn multinomial(context: &mut Context<'_>) -> Answer {
    let x = context.ranked(0, 2)?;
    let count = Dim::known(context.node.int("sample_size", 1).max(0));
    one(dtype_of(context.node.int("dtype", 6))?, Dims::from_iter([x[0].clone(), count]))
}

fn loss(context: &mut Context<'_>) -> Answer {
    let dims = if context.node.text("reduction", "mean") == "none" { context.dims(1)? } else { Dims::new() };
    one(context.dtype(0)?, dims)
}

fn loss_and_scores(context: &mut Context<'_>) -> Answer {
    let mut outputs = loss(context)?;
    outputs.push(Some(Fact::new(context.dtype(0)?, Some(context.dims(0)?))));
    Ok(outputs)
}

fn joined(context: &mut Context<'_>) -> Answer {
    let (a, b) = (context.dims(0)?, context.dims(1)?);
    let dims = super::elementwise::merge(context, &a, &b)?;
    one(DType::Bytes, dims)
}

fn matched(context: &mut Context<'_>) -> Answer {
    one(DType::Bool, context.dims(0)?)
}

fn window(context: &mut Context<'_>) -> Answer {
    let size = context.integers(0)?.first().cloned().ok_or(Stop::Unknown)?;
    one(dtype_of(context.node.int("output_datatype", 1))?, Dims::from_iter([size]))
}

fn fourier(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let rank = dims.len();
    let given = match context.given(2) {
        true => context.numbers(2)?.first().copied().ok_or(Stop::Unknown)?,
        false if context.node.opset < 20 => context.node.int("axis", 1),
        false => -2,
    };
    let at = crate::infer::context::axis(given, rank)?;
    let (onesided, inverse) = (context.node.int("onesided", 0) != 0, context.node.int("inverse", 0) != 0);
    if context.given(1) {
        dims[at] = context.integers(1)?.first().cloned().ok_or(Stop::Unknown)?;
    }
    if onesided && inverse && !context.given(1) {
        let size = dims[at].value().ok_or(Stop::Unknown)?;
        dims[at] = Dim::known((2 * (size - 1)).max(0));
    } else if onesided && !inverse {
        let size = dims[at].value().ok_or(Stop::Unknown)?;
        dims[at] = Dim::known(size / 2 + 1);
    }
    // Real numbers come out of the inverse of half a spectrum.
    match dims.last_mut() {
        Some(last) => *last = Dim::known(if onesided && inverse { 1 } else { 2 }),
        None => return wrong("it takes a signal"),
    }
    one(context.dtype(0)?, dims)
}

/// Signals one after the other, where the batch is their first axis and they have one of their own.
fn fourier_rows(flows: &Flows<'_>) -> Axes {
    let axis = flows.main()?;
    let own = flows.node.int("axis", 1);
    let usual = axis == 0 && flows.rank(0)? > 2 && own > 0 && flows.node.input(2).is_none();
    if usual { Ok(vec![0]) } else { mixes(flows) }
}

fn mel(context: &mut Context<'_>) -> Answer {
    let bins = context.numbers(0)?.first().copied().ok_or(Stop::Unknown)?;
    let length = context.numbers(1)?.first().copied().ok_or(Stop::Unknown)?;
    let dims = Dims::from_iter([Dim::known(length / 2 + 1), Dim::known(bins.max(0))]);
    one(dtype_of(context.node.int("output_datatype", 1))?, dims)
}
