//! Attention: Softmax(scale · Q Kᵀ + mask) V.

use super::net::{Net, instead, text};
use crate::infer::Dim;
use crate::{Attribute, Node, ValueId};

/// The middle of attention over \[batch, heads, sequence, size\].
pub(super) fn heads(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.operator(index, "MatMul")?;
    let (weights, v) = (node.input(0)?, node.input(1)?);
    let (softmax, inner) = net.own(weights, "Softmax")?;
    let rank = net.dims(weights)?.len();
    if rank != 4 || !matches!(inner.int("axis", if inner.opset < 13 { 1 } else { -1 }), -1 | 3) {
        return None;
    }
    let mut gone = vec![softmax];
    let mut scores = inner.input(0)?;
    let mut mask = None;
    if let Some((add, inner)) = net.own(scores, "Add") {
        let product = |value: &ValueId| scaled(net, *value).is_some();
        let (inside, outside) = Net::both_ways(inner)?.into_iter().find(|(value, _)| product(value))?;
        (scores, mask) = (inside, Some(outside));
        gone.push(add);
    }
    let (product, mut scale, nodes) = scaled(net, scores)?;
    gone.extend(nodes);
    let inner = net.node(product)?;
    let (q, k) = (inner.input(0)?, inner.input(1)?);
    gone.push(product);
    let (q, factor) = scaled_side(net, q, &mut gone);
    scale *= factor;
    let (k, factor) = scaled_side(net, k, &mut gone);
    scale *= factor;
    let (turn, inner) = net.own(k, "Transpose")?;
    let perm = inner.ints("perm")?.to_vec();
    let before = inner.input(0)?;
    let heads = net.dims(q)?.get(1)?.value().filter(|heads| *heads > 0)?;
    let (k, inner_scale, turned) = match &*perm {
        [0, 1, 3, 2] => {
            let mut more = Vec::new();
            let (k, factor) = scaled_side(net, before, &mut more);
            gone.extend(more);
            gone.push(turn);
            (k, factor, None)
        }
        // From [batch, sequence, heads, size]: the heads still have to come before the sequence.
        [0, 2, 3, 1] => (k, 1.0, Some(turn)),
        _ => return None,
    };
    scale *= inner_scale;
    let floats = [q, before, v].iter().all(|value| net.is_f32(*value)) && mask.is_none_or(|mask| net.is_f32(mask));
    let four = |value: ValueId| net.dims(value).is_some_and(|dims| dims.len() == 4);
    if !floats || !four(q) || !four(before) || !four(v) || !batches_agree(net, [q, before, v], turned.is_some()) {
        return None;
    }
    // A mask with more dimensions than the scores would widen them.
    if mask.is_some_and(|mask| !mask_fits(net, mask, weights)) {
        return None;
    }
    let mut fused = instead(node, "FusedAttention", vec![Some(q), Some(k), Some(v)]);
    if let Some(mask) = mask {
        fused.inputs.push(Some(mask));
    }
    fused.attributes.insert("heads".into(), Attribute::Int(heads));
    fused.attributes.insert("scale".into(), Attribute::Float(scale));
    fused.attributes.insert("layout".into(), text("BNSH"));
    net.replace(index, &gone, fused)?;
    if let Some(turn) = turned {
        net.turn(turn, vec![0, 2, 1, 3]);
    }
    Some(())
}

/// Queries, keys and values must have the same batch and heads: a product would broadcast them, the fused operator does not.
fn batches_agree(net: &Net<'_>, [q, k, v]: [ValueId; 3], sequence_first: bool) -> bool {
    let at = |value: ValueId, axis: usize| net.dims(value).and_then(|dims| dims.get(axis)).cloned();
    let heads_of_k = if sequence_first { 2 } else { 1 };
    at(q, 0) == at(k, 0) && at(q, 0) == at(v, 0) && at(q, 1) == at(k, heads_of_k) && at(q, 1) == at(v, 1)
}

/// Whether a mask broadcasts to the scores without widening them.
fn mask_fits(net: &Net<'_>, mask: ValueId, scores: ValueId) -> bool {
    let (Some(mask), Some(scores)) = (net.dims(mask), net.dims(scores)) else { return false };
    let offset = scores.len().checked_sub(mask.len());
    offset.is_some_and(|offset| mask.iter().zip(&scores[offset..]).all(|(mask, score)| mask.is(1) || mask == score))
}

/// A product of matrices, perhaps times or over a number: its node, the number, and the nodes of the scale.
fn scaled(net: &Net<'_>, value: ValueId) -> Option<(usize, f32, Vec<usize>)> {
    if let Some((at, _)) = net.own(value, "MatMul") {
        return Some((at, 1.0, Vec::new()));
    }
    let (inner, factor, at) = scale_of(net, value)?;
    let (product, _) = net.own(inner, "MatMul")?;
    Some((product, factor, vec![at]))
}

/// A value times or over a number.
fn scale_of(net: &Net<'_>, value: ValueId) -> Option<(ValueId, f32, usize)> {
    if let Some((at, node)) = net.own(value, "Div") {
        let number = net.number(node.input(1)?).filter(|number| *number != 0.0)?;
        return Some((node.input(0)?, 1.0 / number, at));
    }
    let (at, node) = net.own(value, "Mul")?;
    let (inner, number) = net.with_constant(node)?;
    Some((inner, net.number(number)?, at))
}

/// One side of the product without its own scale.
fn scaled_side(net: &Net<'_>, value: ValueId, gone: &mut Vec<usize>) -> (ValueId, f32) {
    match scale_of(net, value).filter(|(inner, ..)| net.dims(*inner) == net.dims(value)) {
        Some((inner, factor, at)) => {
            gone.push(at);
            (inner, factor)
        }
        None => (value, 1.0),
    }
}

/// Attention between the reshapes and transposes that make heads of \[batch, sequence, heads · size\] and back.
pub(super) fn layout(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.operator(index, "Reshape")?;
    let (turn, inner) = net.own(node.input(0)?, "Transpose")?;
    if inner.ints("perm") != Some(&[0, 2, 1, 3]) {
        return None;
    }
    let (at, attention) = net.producer(inner.input(0)?)?;
    let ours = &*attention.domain == crate::fuse::DOMAIN && &*attention.operator == "FusedAttention";
    if !ours || net.uses(inner.input(0)?) != 1 {
        return None;
    }
    let mut gone = vec![turn, at];
    let mut inputs = Vec::new();
    for index in 0..3 {
        inputs.push(Some(joined(net, attention.input(index)?, &mut gone)?));
    }
    let (from, to) = (net.dims(inner.output(0)?)?, net.dims(node.output(0)?)?);
    if !joins(from, to) {
        return None;
    }
    inputs.extend(attention.inputs.get(3).copied());
    let mut fused: Node = instead(node, "FusedAttention", inputs);
    fused.attributes = attention.attributes.clone();
    fused.attributes.insert("layout".into(), text("BSH"));
    net.replace(index, &gone, fused)
}

/// What was reshaped and transposed to heads, where nobody else reads the heads.
fn joined(net: &Net<'_>, heads: ValueId, gone: &mut Vec<usize>) -> Option<ValueId> {
    let (turn, node) = net.own(heads, "Transpose")?;
    if node.ints("perm") != Some(&[0, 2, 1, 3]) {
        return None;
    }
    let (reshape, node) = net.own(node.input(0)?, "Reshape")?;
    let whole = node.input(0)?;
    if !joins(net.dims(node.output(0)?)?, net.dims(whole)?) {
        return None;
    }
    gone.extend([turn, reshape]);
    Some(whole)
}

/// Whether \[a, b, c, d\] and \[a, b, c · d\] are the same elements.
fn joins(four: &[Dim], three: &[Dim]) -> bool {
    let ([a, b, c, d], [x, y, z]) = (four, three) else { return false };
    a == x && b == y && c.times(d).as_ref() == Some(z)
}
