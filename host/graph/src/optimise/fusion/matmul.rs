//! Matrix products with what is added to them.

use super::net::{Net, instead};
use crate::{Node, ValueId};

/// A product and a vector, one number for each column.
pub(super) fn bias(net: &mut Net<'_>, index: usize) -> Option<()> {
    let (product, bias) = net.with_constant(net.operator(index, "Add")?)?;
    let (at, node) = net.own(product, "MatMul")?;
    let dims = net.dims(product)?;
    let shape = net.constant(bias)?.shape();
    let vector = shape.len() <= 1
        && dims.len() >= 2
        && shape.first().is_none_or(|width| dims.last().is_some_and(|last| last.is(*width as i64)));
    if !vector || !net.is_f32(product) || !net.is_f32(bias) {
        return None;
    }
    let fused = instead(net.node(index)?, "FusedMatMul", vec![node.input(0), node.input(1), Some(bias)]);
    net.replace(index, &[at], fused)
}

/// A product and an earlier value of the same shape.
pub(super) fn residual(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.operator(index, "Add")?;
    let (at, inputs, other) = Net::both_ways(node)?.into_iter().find_map(|(value, other)| {
        let (at, product) = plain(net, value)?;
        let same = net.is_f32(value) && net.dims(value)? == net.dims(other)?;
        same.then(|| (at, product.inputs.clone(), other))
    })?;
    let mut fused = instead(node, "FusedMatMul", inputs);
    fused.attributes = net.node(at)?.attributes.clone();
    fused.inputs.resize(3, None);
    fused.inputs.push(Some(other));
    net.replace(index, &[at], fused)
}

/// A product that nothing but perhaps a vector was added to.
fn plain<'n>(net: &'n Net<'_>, value: ValueId) -> Option<(usize, &'n Node)> {
    let (at, node) = net.producer(value).filter(|_| net.uses(value) == 1)?;
    let fused = &*node.domain == crate::fuse::DOMAIN && &*node.operator == "FusedMatMul";
    let free = node.input(3).is_none() && !node.attributes.contains_key("activation");
    ((fused && free) || node.is("MatMul")).then_some((at, node))
}
