//! The operators that fusion makes; see [`crate::fuse`].

use super::Operator;
use super::attention::own_rows;
use super::conv::conv;
use super::elementwise::merge;
use super::matmul::{multiplied, product_rows};
use crate::infer::context::{Fact, one};
use crate::infer::flow::{Axes, Flow, Flows, aligned, refuse};
use crate::infer::{Answer, Context, Dims};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "FusedConv" => Operator::new(conv, conv_rows),
        "FusedMatMul" => Operator::new(matmul, matmul_rows),
        "FusedAttention" => Operator::new(attention, attention_rows),
        "SkipLayerNorm" => Operator::new(skip_norm, skip_norm_rows),
        _ => return None,
    })
}

fn conv_rows(flows: &Flows<'_>) -> Axes {
    flows.only(&[0, 3])?;
    let residual = flows.node.input(3).is_none() || flows.flow(3) == Flow::Rows(0);
    if flows.flow(0) == Flow::Rows(0) && residual { Ok(vec![0]) } else { refuse("has the batch where it mixes") }
}

fn turned(context: &Context<'_>, index: usize, attribute: &str) -> Result<Dims, crate::infer::Stop> {
    let mut dims = context.dims(index)?;
    let rank = dims.len();
    if context.node.int(attribute, 0) != 0 && rank > 1 {
        dims.swap(rank - 1, rank - 2);
    }
    Ok(dims)
}

fn matmul(context: &mut Context<'_>) -> Answer {
    let (a, b) = (turned(context, 0, "transA")?, turned(context, 1, "transB")?);
    let mut dims = multiplied(context, &a, &b)?;
    for index in [2, 3] {
        if context.given(index) {
            dims = merge(context, &dims, &context.dims(index)?)?;
        }
    }
    one(context.dtype(0)?, dims)
}

fn matmul_rows(flows: &Flows<'_>) -> Axes {
    let plain = flows.node.int("transA", 0) == 0 && (flows.flow(1) == Flow::Same || flows.node.int("transB", 0) == 0);
    if !plain {
        return refuse("has the batch where it may be summed over");
    }
    flows.only(&[0, 1, 2, 3])?;
    let axis = product_rows(flows)?;
    let rank = flows.output_rank()?;
    for index in [2, 3] {
        match flows.flow(index) {
            Flow::Rows(_) => {
                if aligned(flows, std::iter::once(index), rank)? != axis {
                    return refuse("combines rows of the batch with one another");
                }
            }
            Flow::Count => return refuse("computes with the batch's size"),
            Flow::Same => flows.serves_all(index, axis, rank)?,
        }
    }
    Ok(vec![axis])
}

fn attention(context: &mut Context<'_>) -> Answer {
    let (mut q, v) = (context.dims(0)?, context.dims(2)?);
    if let (Some(last), Some(width)) = (q.last_mut(), v.last()) {
        *last = width.clone();
    }
    one(context.dtype(0)?, q)
}

fn attention_rows(flows: &Flows<'_>) -> Axes {
    own_rows(flows, &[0, 1, 2], &[], 3)
}

fn skip_norm(context: &mut Context<'_>) -> Answer {
    let (x, skip) = (context.dims(0)?, context.dims(1)?);
    let dims = merge(context, &x, &skip)?;
    let fact = Some(Fact::new(context.dtype(0)?, Some(dims)));
    Ok(vec![fact.clone(), fact])
}

fn skip_norm_rows(flows: &Flows<'_>) -> Axes {
    flows.only(&[0, 1])?;
    let rank = flows.output_rank()?;
    let axis = aligned(flows, 0..2, rank)?;
    if axis + 1 == rank { refuse("normalises over the batch") } else { Ok(vec![axis]) }
}
