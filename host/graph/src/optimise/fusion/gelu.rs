//! The Gaussian error linear unit, written out with the error function or with tanh.

use super::net::{Net, instead, text};
use crate::{Node, ValueId};

/// x / 2 · (1 + erf(x / √2)), or x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))).
pub(super) fn gelu(net: &mut Net<'_>, index: usize) -> Option<()> {
    net.operator(index, "Mul")?;
    let product = Product::of(net, net.node(index)?);
    let [one, two] = product.factors[..] else { return None };
    if (product.number - 0.5).abs() > 1e-5 {
        return None;
    }
    let (x, approximate, mut gone) = [(one, two), (two, one)].into_iter().find_map(|(x, gate)| {
        let (add, node) = net.own(gate, "Add")?;
        let (inner, number) = net.with_constant(node)?;
        if !net.is_number(number, 1.0) {
            return None;
        }
        let (approximate, mut gone) = match (net.own(inner, "Erf"), net.own(inner, "Tanh")) {
            (Some((erf, node)), _) => ("none", chain(erf, root_of_two(net, node.input(0)?, x)?)),
            (_, Some((tanh, node))) => ("tanh", chain(tanh, polynomial(net, node.input(0)?, x)?)),
            _ => return None,
        };
        gone.push(add);
        Some((x, approximate, gone))
    })?;
    let last = net.node(index)?;
    if !net.is_f32(x) || net.dims(x)? != net.dims(last.output(0)?)? {
        return None;
    }
    gone.extend(product.nodes);
    let mut node = instead(last, "Gelu", vec![Some(x)]);
    if approximate == "tanh" {
        node.attributes.insert("approximate".into(), text("tanh"));
    }
    net.replace(index, &gone, node)
}

fn chain(first: usize, mut rest: Vec<usize>) -> Vec<usize> {
    rest.push(first);
    rest
}

/// x / √2.
fn root_of_two(net: &Net<'_>, value: ValueId, x: ValueId) -> Option<Vec<usize>> {
    if let Some((at, node)) = net.own(value, "Div") {
        let fits = node.input(0) == Some(x) && net.is_number(node.input(1)?, std::f32::consts::SQRT_2);
        return fits.then(|| vec![at]);
    }
    let (at, node) = net.own(value, "Mul")?;
    let (from, number) = net.with_constant(node)?;
    (from == x && net.is_number(number, std::f32::consts::FRAC_1_SQRT_2)).then(|| vec![at])
}

/// √(2/π) · (x + 0.044715 · x³).
fn polynomial(net: &Net<'_>, value: ValueId, x: ValueId) -> Option<Vec<usize>> {
    let (at, node) = net.own(value, "Mul")?;
    let (sum, number) = net.with_constant(node)?;
    if !net.is_number(number, 0.797_884_6) {
        return None;
    }
    let (add, node) = net.own(sum, "Add")?;
    let (_, cube) = Net::both_ways(node)?.into_iter().find(|(one, _)| *one == x)?;
    let (mul, node) = net.own(cube, "Mul")?;
    let product = Product::of(net, node);
    if (product.number - 0.044_715).abs() > 1e-5 {
        return None;
    }
    let mut gone = vec![at, add, mul];
    match product.factors[..] {
        [a, b, c] if [a, b, c] == [x; 3] => {}
        [power] => {
            let (pow, node) = net.own(power, "Pow")?;
            if node.input(0) != Some(x) || !net.is_number(node.input(1)?, 3.0) {
                return None;
            }
            gone.push(pow);
        }
        _ => return None,
    }
    gone.extend(product.nodes);
    Some(gone)
}

/// A product of several factors, its constants multiplied out.
struct Product {
    number: f32,
    factors: Vec<ValueId>,
    /// The nodes below the first.
    nodes: Vec<usize>,
}

impl Product {
    fn of(net: &Net<'_>, node: &Node) -> Self {
        let mut product = Self { number: 1.0, factors: Vec::new(), nodes: Vec::new() };
        let mut open: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
        while let Some(value) = open.pop() {
            // Longer products are none of those that are looked for.
            if product.factors.len() > 4 {
                break;
            }
            match (net.number(value), net.own(value, "Mul")) {
                (Some(number), _) => product.number *= number,
                (None, Some((at, inner))) => {
                    product.nodes.push(at);
                    open.extend(inner.inputs.iter().flatten());
                }
                (None, None) => product.factors.push(value),
            }
        }
        product
    }
}
