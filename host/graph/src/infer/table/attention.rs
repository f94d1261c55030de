//! Attention and positions (operator set 23 on).

use super::Operator;
use crate::infer::context::{Fact, one, wrong};
use crate::infer::flow::{Axes, Flow, Flows, mixes, refuse};
use crate::infer::{Answer, Context, Dim, Dims, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "Attention" => Operator::new(attention, attention_rows),
        "RotaryEmbedding" => Operator::new(same, mixes),
        _ => return None,
    })
}

fn same(context: &mut Context<'_>) -> Answer {
    one(context.dtype(0)?, context.dims(0)?)
}

/// Q of \[batch, heads, sequence, size\] or \[batch, sequence, heads · size\].
fn attention(context: &mut Context<'_>) -> Answer {
    let (q, k, v) = (context.dims(0)?, context.dims(1)?, context.dims(2)?);
    let dtype = context.dtype(0)?;
    let heads = |name: &str| context.node.int(name, 0).max(1);
    let (q_heads, kv_heads) = (Dim::known(heads("q_num_heads")), Dim::known(heads("kv_num_heads")));
    let fact = |dims: [&Dim; 4]| Some(Fact::new(dtype, Some(dims.into_iter().cloned().collect())));
    if q.len() != k.len() || k.len() != v.len() {
        return wrong("its queries, keys and values differ in rank");
    }
    let mut total = match q.len() {
        3 => k[1].clone(),
        4 => k[2].clone(),
        rank => return wrong(format!("its queries have rank {rank}, 3 or 4 is needed")),
    };
    if context.given(4) {
        total = context.dims(4)?.get(2).and_then(|past| past.plus(&total)).ok_or(Stop::Unknown)?;
    }
    if q.len() == 4 {
        let y = fact([&q[0], &q[1], &q[2], &v[3]]);
        let past = [fact([&k[0], &k[1], &total, &k[3]]), fact([&v[0], &v[1], &total, &v[3]])];
        return Ok(vec![y, past[0].clone(), past[1].clone(), fact([&q[0], &q[1], &q[2], &total])]);
    }
    let size = |dims: &Dims, heads: &Dim| dims[2].over(heads).ok_or(Stop::Unknown);
    let (k_size, v_size) = (size(&k, &kv_heads)?, size(&v, &kv_heads)?);
    let width = q_heads.times(&v_size).ok_or(Stop::Unknown)?;
    let y = Fact::new(dtype, Some(Dims::from_iter([q[0].clone(), q[1].clone(), width])));
    let past = [fact([&k[0], &kv_heads, &total, &k_size]), fact([&v[0], &kv_heads, &total, &v_size])];
    Ok(vec![Some(y), past[0].clone(), past[1].clone(), fact([&q[0], &q_heads, &q[1], &total])])
}

/// Everything has the batch first; the mask may serve all rows alike.
fn attention_rows(flows: &Flows<'_>) -> Axes {
    own_rows(flows, &[0, 1, 2], &[4, 5, 6], 3)
}

/// Required and optional inputs with the batch first, and a mask that broadcasts to four dimensions.
pub(super) fn own_rows(flows: &Flows<'_>, required: &[usize], optional: &[usize], mask: usize) -> Axes {
    let all: Vec<usize> = required.iter().chain(optional).copied().chain([mask]).collect();
    flows.only(&all)?;
    let given = |index: &usize| flows.node.input(*index).is_some();
    let needed = required.iter().chain(optional.iter().filter(|index| given(index)));
    if needed.into_iter().any(|index| flows.flow(*index) != Flow::Rows(0)) {
        return refuse("has queries, keys or values that are not those of rows");
    }
    if !given(&mask) {
        return Ok(vec![0]);
    }
    let dims = flows.dims(mask)?;
    match flows.flow(mask) {
        Flow::Rows(0) if dims.len() == 4 => Ok(vec![0]),
        Flow::Same if dims.len() < 4 || dims[0].is(1) => Ok(vec![0]),
        _ => refuse("has a mask that is not that of rows"),
    }
}
