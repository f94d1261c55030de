//! Layer normalisation.

use super::net::{Net, instead};
use crate::{Attribute, Node, ValueId};

/// (x - mean(x)) / √(mean((x - mean(x))²) + ε) · scale + bias over the last dimension.
pub(super) fn layer_norm(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.operator(index, "Add")?;
    let (scaled, bias) = net.with_constant(node)?;
    let (mul, inner) = net.own(scaled, "Mul")?;
    let (divided, scale) = net.with_constant(inner)?;
    let (div, inner) = net.own(divided, "Div")?;
    let (centred, deviation) = (inner.input(0)?, inner.input(1)?);
    let (sub, inner) = net.made_by(centred, "Sub")?;
    let (x, mean) = (inner.input(0)?, inner.input(1)?);
    let mean = mean_of(net, mean, x)?;
    let (sqrt, inner) = net.own(deviation, "Sqrt")?;
    let (add, inner) = net.own(inner.input(0)?, "Add")?;
    let (variance, epsilon) = net.with_constant(inner)?;
    let epsilon = net.number(epsilon)?;
    let (average, inner) = last_mean(net, variance)?;
    let (square, uses) = squared(net, inner.input(0)?, centred, x)?;
    let alone = net.uses(centred) == uses + 1;
    let width = net.dims(x)?.last()?.value().and_then(|width| u64::try_from(width).ok())?;
    let vector = |value| net.constant(value).is_some_and(|tensor| tensor.shape() == [width]);
    if !alone || !net.is_f32(x) || !vector(scale) || !vector(bias) {
        return None;
    }
    let mut fused = instead(node, "LayerNormalization", vec![Some(x), Some(scale), Some(bias)]);
    fused.attributes.insert("axis".into(), Attribute::Int(-1));
    fused.attributes.insert("epsilon".into(), Attribute::Float(epsilon));
    let mut gone = vec![mul, div, sub, mean, sqrt, add, average];
    gone.extend(square);
    net.replace(index, &gone, fused)
}

/// A mean over the last dimension that is read once.
fn last_mean<'n>(net: &'n Net<'_>, value: ValueId) -> Option<(usize, &'n Node)> {
    let (index, node) = net.own(value, "ReduceMean")?;
    let rank = net.dims(node.input(0)?)?.len() as i64;
    let axes = match node.input(1) {
        Some(axes) => crate::infer::context::values(net.constant(axes)?)?,
        None => node.ints("axes")?.to_vec(),
    };
    let last = axes == [-1] || axes == [rank - 1];
    (last && node.int("keepdims", 1) != 0).then_some((index, node))
}

fn mean_of(net: &Net<'_>, value: ValueId, x: ValueId) -> Option<usize> {
    let (index, node) = last_mean(net, value)?;
    (node.input(0) == Some(x)).then_some(index)
}

/// The nodes of (x - mean)², and how often they read the difference that the quotient reads. Some exporters subtract twice.
fn squared(net: &Net<'_>, value: ValueId, centred: ValueId, x: ValueId) -> Option<(Vec<usize>, u32)> {
    let (mut base, mut gone) = (None, Vec::new());
    if let Some((pow, node)) = net.own(value, "Pow") {
        if net.number(node.input(1)?)? != 2.0 {
            return None;
        }
        (base, gone) = (node.input(0), vec![pow]);
    }
    if let Some((mul, node)) = net.own(value, "Mul") {
        if node.input(0) != node.input(1) || node.input(0) != Some(centred) {
            return None;
        }
        return Some((vec![mul], 2));
    }
    let base = base?;
    if base == centred {
        return Some((gone, 1));
    }
    let (again, node) = net.own(base, "Sub")?;
    if node.input(0) != Some(x) {
        return None;
    }
    gone.push(again);
    gone.push(mean_of(net, node.input(1)?, x)?);
    Some((gone, 0))
}

/// A layer normalisation of a sum; the sum is an output of its own where others read it, too.
pub(super) fn skip(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.operator(index, "LayerNormalization")?;
    let statistics = node.outputs.iter().skip(1).any(Option::is_some);
    let x = node.input(0)?;
    let rank = net.dims(x)?.len() as i64;
    let last = matches!(node.int("axis", -1), -1) || node.int("axis", -1) == rank - 1;
    let (at, add) = net.made_by(x, "Add")?;
    let (one, two) = (add.input(0)?, add.input(1)?);
    if statistics || !last || !net.is_f32(x) || net.dims(one)? != net.dims(two)? {
        return None;
    }
    // The sum moves to where the normalisation is: nobody may read it before.
    let shared = net.uses(x) > 1;
    if shared && net.read_between(x, at, index) {
        return None;
    }
    let inputs = vec![Some(one), Some(two), node.input(1), node.input(2)];
    let mut fused = instead(node, "SkipLayerNorm", inputs);
    fused.attributes.insert("epsilon".into(), Attribute::Float(node.float("epsilon", 1e-5)));
    if shared {
        fused.outputs.push(Some(x));
    }
    net.replace(index, &[at], fused)
}
