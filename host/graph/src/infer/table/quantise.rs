//! Numbers to small integers and back.

use scorehost_core::DType;

use super::Operator;
use crate::infer::context::{Fact, axis, dtype_of, one};
use crate::infer::flow::{Axes, Flows, mixes, refuse};
use crate::infer::{Answer, Context, Dims};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "QuantizeLinear" => Operator::folding(quantise, rows),
        "DequantizeLinear" => Operator::folding(dequantise, rows),
        "DynamicQuantizeLinear" => Operator::new(dynamic, mixes),
        _ => return None,
    })
}

fn quantise(context: &mut Context<'_>) -> Answer {
    let dtype = match (context.given(2), context.node.int("output_dtype", 0)) {
        (true, _) => context.dtype(2)?,
        (false, 0) => DType::U8,
        (false, code) => dtype_of(code)?,
    };
    one(dtype, context.dims(0)?)
}

fn dequantise(context: &mut Context<'_>) -> Answer {
    one(context.dtype(1)?, context.dims(0)?)
}

/// Scales: one, or one for each place of an axis, which must not be the batch's.
fn rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let scale = flows.dims(1)?;
    if scale.len() == flows.rank(0)? && scale.len() > 1 {
        return refuse("has scales for blocks, which may be for certain rows");
    }
    if scale.iter().all(|dim| dim.is(1)) {
        return Ok(vec![batch]);
    }
    let own = axis(flows.node.int("axis", 1), flows.rank(0)?).map_err(|_| "has an axis outside its input")?;
    if own == batch { refuse("has scales for certain rows of the batch") } else { Ok(vec![batch]) }
}

/// One scale for all rows together.
fn dynamic(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let scalar = |dtype| Some(Fact::new(dtype, Some(Dims::new())));
    Ok(vec![Some(Fact::new(DType::U8, Some(dims))), scalar(DType::F32), scalar(DType::U8)])
}
