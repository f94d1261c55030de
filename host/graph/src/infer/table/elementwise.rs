//! Element by element, with and without broadcasting.

use scorehost_core::DType;

use super::Operator;
use crate::infer::context::{dtype_of, one, wrong};
use crate::infer::dim::shown;
use crate::infer::flow::{Axes, Flows, broadcast, each, refuse};
use crate::infer::{Answer, Context, Dim, Dims, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "Abs" | "Acos" | "Acosh" | "Asin" | "Asinh" | "Atan" | "Atanh" | "BitwiseNot" | "Ceil" | "Celu" | "Clip"
        | "Cos" | "Cosh" | "Elu" | "Erf" | "Exp" | "Floor" | "Gelu" | "HardSigmoid" | "HardSwish" | "Identity"
        | "LeakyRelu" | "Log" | "Mish" | "Neg" | "Not" | "Reciprocal" | "Relu" | "Round" | "Selu" | "Shrink"
        | "Sigmoid" | "Sign" | "Sin" | "Sinh" | "Softplus" | "Softsign" | "Sqrt" | "Swish" | "Tan" | "Tanh"
        | "ThresholdedRelu" => Operator::folding(unary, each),
        "IsInf" | "IsNaN" => Operator::folding(test, each),
        "Cast" => Operator::folding(cast, each),
        "CastLike" => Operator::folding(cast_like, cast_like_rows),
        "Dropout" => Operator::folding(dropout, dropout_rows),
        "Add" | "And" | "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "Div" | "Max" | "Mean" | "Min"
        | "Mod" | "Mul" | "Or" | "PRelu" | "Pow" | "Sub" | "Sum" | "Xor" => Operator::folding(arithmetic, broadcast),
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" => Operator::folding(comparison, broadcast),
        "Where" => Operator::folding(choice, broadcast),
        _ => return None,
    })
}

fn unary(context: &mut Context<'_>) -> Answer {
    one(context.dtype(0)?, context.dims(0)?)
}

fn test(context: &mut Context<'_>) -> Answer {
    one(DType::Bool, context.dims(0)?)
}

fn cast(context: &mut Context<'_>) -> Answer {
    one(dtype_of(context.node.int("to", 0))?, context.dims(0)?)
}

fn cast_like(context: &mut Context<'_>) -> Answer {
    one(context.dtype(1)?, context.dims(0)?)
}

/// Of its second input only the dtype counts.
fn cast_like_rows(flows: &Flows<'_>) -> Axes {
    flows.axis(0).map(|axis| vec![axis]).ok_or_else(|| "does not take rows".to_owned())
}

fn dropout(context: &mut Context<'_>) -> Answer {
    let mask = if context.node.opset < 10 { context.dtype(0)? } else { DType::Bool };
    let first = unary(context)?;
    let second = one(mask, context.dims(0)?)?;
    Ok([first, second].concat())
}

fn dropout_rows(flows: &Flows<'_>) -> Axes {
    let trains = flows.node.input(2).is_some();
    if trains { refuse("may be in training mode, where it is random") } else { each(flows) }
}

fn arithmetic(context: &mut Context<'_>) -> Answer {
    let dims = broadcast_all(context)?;
    one(context.dtype(0)?, dims)
}

fn comparison(context: &mut Context<'_>) -> Answer {
    one(DType::Bool, broadcast_all(context)?)
}

fn choice(context: &mut Context<'_>) -> Answer {
    let dims = broadcast_all(context)?;
    one(context.dtype(1).or_else(|_| context.dtype(2))?, dims)
}

fn broadcast_all(context: &mut Context<'_>) -> Result<Dims, Stop> {
    let mut dims = context.dims(0)?;
    for index in 1..context.inputs.len() {
        dims = merge(context, &dims, &context.dims(index)?)?;
    }
    Ok(dims)
}

/// Dimensions that two shapes broadcast to.
pub(super) fn merge(context: &mut Context<'_>, one: &[Dim], two: &[Dim]) -> Result<Dims, Stop> {
    let rank = one.len().max(two.len());
    let at =
        |dims: &[Dim], index: usize| (index + dims.len()).checked_sub(rank).map_or(Dim::one(), |at| dims[at].clone());
    let mut merged = Dims::new();
    for index in 0..rank {
        let (a, b) = (at(one, index), at(two, index));
        merged.push(match (a.value(), b.value()) {
            _ if a == b => a,
            (Some(1), _) => b,
            (_, Some(1)) => a,
            (Some(_), Some(_)) => return wrong(format!("{} and {} do not broadcast", shown(one), shown(two))),
            // A size that is not known is that of the other side, or 1; both give the known one.
            (Some(_), None) if !b.depends_on_batch() => a,
            (None, Some(_)) if !a.depends_on_batch() => b,
            _ => context.from([&a, &b]),
        });
    }
    Ok(merged)
}
