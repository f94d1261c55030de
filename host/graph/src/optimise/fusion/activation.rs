//! Activations written out, and activations at the end of a product.

use super::net::{Net, instead, text};
use crate::{Attribute, Node, ValueId};

/// x · `HardSigmoid`(x), or x · clip(x + 3, 0, 6) / 6.
pub(super) fn hard_swish(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.node(index)?;
    let found = match &*node.operator {
        "Mul" if node.is("Mul") => Net::both_ways(node)?.into_iter().find_map(|(x, gate)| {
            let (at, gate) = net.own(gate, "HardSigmoid")?;
            let sixth = (gate.float("alpha", 0.2) - 1.0 / 6.0).abs() < 1e-5 && gate.float("beta", 0.5) == 0.5;
            (gate.input(0) == Some(x) && sixth).then(|| (x, vec![at]))
        }),
        "Div" if node.is("Div") && net.is_number(node.input(1)?, 6.0) => written_out(net, node.input(0)?),
        _ => None,
    };
    let found = found.or_else(|| {
        let (product, sixth) = net.with_constant(net.operator(index, "Mul")?)?;
        if net.is_number(sixth, 1.0 / 6.0) { written_out(net, product) } else { None }
    });
    let (x, gone) = found?;
    let last = net.node(index)?;
    if !net.is_f32(x) || net.dims(x)? != net.dims(last.output(0)?)? {
        return None;
    }
    let node = instead(last, "HardSwish", vec![Some(x)]);
    net.replace(index, &gone, node)
}

/// x · clip(x + 3, 0, 6): x and the nodes.
fn written_out(net: &Net<'_>, product: ValueId) -> Option<(ValueId, Vec<usize>)> {
    let (mul, node) = net.own(product, "Mul")?;
    Net::both_ways(node)?.into_iter().find_map(|(x, gate)| {
        let (clip, gate) = net.producer(gate).filter(|_| net.uses(gate) == 1)?;
        let add = match bounds(net, gate)? {
            (0.0, 6.0) => net.own(gate.input(0)?, "Add")?,
            _ => return None,
        };
        let (from, three) = net.with_constant(add.1)?;
        (from == x && net.is_number(three, 3.0)).then(|| (x, vec![mul, clip, add.0]))
    })
}

/// Lower and upper bound of a `Clip`, where they are constants.
fn bounds(net: &Net<'_>, node: &Node) -> Option<(f32, f32)> {
    if !node.is("Clip") {
        return None;
    }
    let bound = |name: &str, index: usize, default: f32| match node.input(index) {
        Some(value) => net.number(value),
        None => Some(node.float(name, default)),
    };
    Some((bound("min", 1, f32::MIN)?, bound("max", 2, f32::MAX)?))
}

/// x · sigmoid(alpha · x), which is nothing of ONNX's before operator set 24: a product's activation, see [`fused`].
pub(super) fn swish(net: &mut Net<'_>, index: usize) -> Option<()> {
    let (x, alpha, gone) = swish_at(net, index)?;
    let mut node = instead(net.node(index)?, "Swish", vec![Some(x)]);
    (node.domain, node.opset) = ("".into(), 24);
    node.attributes.insert("alpha".into(), Attribute::Float(alpha));
    net.replace(index, &gone, node)
}

fn swish_at(net: &Net<'_>, index: usize) -> Option<(ValueId, f32, Vec<usize>)> {
    let node = net.operator(index, "Mul")?;
    Net::both_ways(node)?.into_iter().find_map(|(x, gate)| {
        let (at, sigmoid) = net.own(gate, "Sigmoid")?;
        let inner = sigmoid.input(0)?;
        if inner == x {
            return net.is_f32(x).then(|| (x, 1.0, vec![at]));
        }
        let (scaled, mul) = net.own(inner, "Mul")?;
        let (from, alpha) = net.with_constant(mul)?;
        let same = from == x && net.is_f32(x) && net.dims(x)? == net.dims(inner)?;
        same.then(|| net.number(alpha)).flatten().map(|alpha| (x, alpha, vec![at, scaled]))
    })
}

/// An activation's name and parameters, where a fused operator can end with it.
fn activation(net: &Net<'_>, node: &Node) -> Option<(&'static str, Option<f32>, Option<f32>)> {
    if !node.domain.is_empty() {
        return None;
    }
    Some(match &*node.operator {
        "Relu" => ("Relu", None, None),
        "Sigmoid" => ("Sigmoid", None, None),
        "Tanh" => ("Tanh", None, None),
        "HardSwish" => ("HardSwish", None, None),
        "Swish" => ("Swish", Some(node.float("alpha", 1.0)), None),
        "LeakyRelu" => ("LeakyRelu", Some(node.float("alpha", 0.01)), None),
        "HardSigmoid" => ("HardSigmoid", Some(node.float("alpha", 0.2)), Some(node.float("beta", 0.5))),
        "Gelu" if node.text("approximate", "none") == "none" => ("Gelu", None, None),
        "Clip" => {
            let (low, high) = bounds(net, node)?;
            ("Clip", Some(low), Some(high))
        }
        _ => return None,
    })
}

/// An activation behind a convolution or a product that has none yet.
pub(super) fn fused(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.node(index)?;
    let (name, alpha, beta) = activation(net, node)?;
    let input = node.input(0)?;
    let (at, source) = net.producer(input).filter(|_| net.uses(input) == 1)?;
    let operator = match (&*source.domain, &*source.operator) {
        ("", "Conv") => "FusedConv",
        ("", "MatMul" | "Gemm") => "FusedMatMul",
        (crate::fuse::DOMAIN, "FusedConv" | "FusedMatMul") => &*source.operator,
        _ => return None,
    };
    if !net.is_f32(input) || source.attributes.contains_key("activation") {
        return None;
    }
    let mut fused = instead(node, operator, source.inputs.clone());
    fused.attributes = source.attributes.clone();
    if source.is("Gemm") {
        // A scaled third input would need an operator of its own.
        if fused.attributes.remove("beta").is_some_and(|beta| !matches!(beta, Attribute::Float(1.0))) {
            return None;
        }
    }
    fused.attributes.insert("activation".into(), text(name));
    for (name, value) in [("activation_alpha", alpha), ("activation_beta", beta)] {
        if let Some(value) = value {
            fused.attributes.insert(name.into(), Attribute::Float(value));
        }
    }
    net.replace(index, &[at], fused)
}
