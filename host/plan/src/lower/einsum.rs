//! `Einsum`: two operands after the other as batched products, after what only one of them has is summed up.

use scorehost_graph::{Node, ValueId};

use super::attributes::text;
use super::compose::{list, number};
use crate::planner::{Planner, Value};

/// A name of a dimension: a letter, or a place counted from the right in what `...` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Hidden(usize),
    Letter(char),
}

/// An operand with the names of its dimensions, none of which occurs twice.
struct Operand {
    id: ValueId,
    labels: Vec<Label>,
}

fn labels(term: &str, rank: usize) -> Result<Vec<Label>, String> {
    let letters = term.chars().filter(char::is_ascii_alphabetic).count();
    let hidden = if term.contains("...") { rank.saturating_sub(letters) } else { 0 };
    let (mut labels, mut rest) = (Vec::new(), term);
    while let Some(letter) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("...") {
            labels.extend((0..hidden).rev().map(Label::Hidden));
            rest = behind;
        } else if letter.is_ascii_alphabetic() {
            labels.push(Label::Letter(letter));
            rest = &rest[1..];
        } else {
            return Err(format!("'{letter}' in the equation"));
        }
    }
    Ok(labels)
}

/// The labels on the right; where there is no right side, those that occur once, in order.
fn result(to: Option<&str>, operands: &[Vec<Label>]) -> Result<Vec<Label>, String> {
    let all = || operands.iter().flatten();
    let hidden = all().filter_map(|label| if let Label::Hidden(place) = label { Some(place + 1) } else { None }).max();
    let hidden = hidden.unwrap_or(0);
    match to {
        Some(to) => labels(to, to.chars().filter(char::is_ascii_alphabetic).count() + hidden),
        None => {
            let mut letters: Vec<char> = all()
                .filter_map(|label| if let Label::Letter(letter) = label { Some(*letter) } else { None })
                .filter(|letter| all().filter(|other| **other == Label::Letter(*letter)).count() == 1)
                .collect();
            letters.sort_unstable();
            Ok((0..hidden).rev().map(Label::Hidden).chain(letters.into_iter().map(Label::Letter)).collect())
        }
    }
}

pub(super) fn einsum(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let equation: String = text(node, "equation", "").chars().filter(|letter| !letter.is_whitespace()).collect();
    let (terms, to) = equation.split_once("->").map_or((&*equation, None), |(terms, to)| (terms, Some(to)));
    let terms: Vec<&str> = terms.split(',').collect();
    if terms.len() != node.inputs.len() {
        return Err(format!("equation '{equation}' for {} operands", node.inputs.len()));
    }
    let (mut operands, mut named) = (Vec::new(), Vec::new());
    for (index, term) in terms.iter().enumerate() {
        let id = planner.input(node, index)?;
        let rank = planner.kind(id)?.0.len();
        let labels = labels(term, rank)?;
        if labels.len() != rank {
            return Err(format!("term '{term}' for an operand of {rank} dimensions"));
        }
        named.push(labels.clone());
        operands.push(diagonal(planner, id, labels)?);
    }
    let to = result(to, &named)?;
    if to.iter().any(|label| !named.iter().flatten().any(|other| other == label)) {
        return Err(format!("'{equation}' names a dimension that no operand has"));
    }
    let mut rest = operands.into_iter();
    let mut whole = rest.next().ok_or("has no operands")?;
    let mut rest: Vec<Operand> = rest.collect();
    while !rest.is_empty() {
        let other = rest.remove(0);
        let kept = |label: &Label| to.contains(label) || rest.iter().any(|operand| operand.labels.contains(label));
        whole = product(planner, whole, other, &kept)?;
    }
    let whole = summed(planner, whole, |label| to.contains(label))?;
    let y = arranged(planner, &whole, &to)?;
    planner.give(node, 0, y)
}

/// The diagonal of dimensions that have one name: a view that steps along all of them.
fn diagonal(planner: &mut Planner<'_>, id: ValueId, labels: Vec<Label>) -> Result<Operand, String> {
    if (0..labels.len()).all(|d| !labels[..d].contains(&labels[d])) {
        return Ok(Operand { id, labels });
    }
    let (mut view, dtype) = planner.view(id)?;
    let (mut kept, mut shape, mut steps) = (Vec::<Label>::new(), Vec::new(), Vec::<i64>::new());
    for (d, label) in labels.iter().enumerate() {
        match kept.iter().position(|other| other == label) {
            Some(at) if shape[at] == view.shape[d] => steps[at] += view.steps[d],
            Some(at) => return Err(format!("dimensions {} and {} of one name", shape[at], view.shape[d])),
            None => {
                kept.push(*label);
                shape.push(view.shape[d]);
                steps.push(view.steps[d]);
            }
        }
    }
    (view.shape, view.steps) = (shape, steps);
    Ok(Operand { id: planner.fresh(Some(Value::Stored(view, dtype))), labels: kept })
}

/// Summed over the dimensions that nobody needs any more.
fn summed(planner: &mut Planner<'_>, operand: Operand, needed: impl Fn(&Label) -> bool) -> Result<Operand, String> {
    let gone: Vec<i64> = (0..operand.labels.len()).filter(|d| !needed(&operand.labels[*d])).map(|d| d as i64).collect();
    if gone.is_empty() {
        return Ok(operand);
    }
    let axes = planner.known_ints(&[gone.len() as u64], &gone)?;
    let id = planner.apply("ReduceSum", &[operand.id, axes], &[("keepdims", number(0))])?;
    Ok(Operand { id, labels: operand.labels.into_iter().filter(|label| needed(label)).collect() })
}

/// The operand's dimensions in the order of `labels`, those it has not of size 1.
fn arranged(planner: &mut Planner<'_>, operand: &Operand, labels: &[Label]) -> Result<ValueId, String> {
    let shape = planner.kind(operand.id)?.0;
    let places: Vec<Option<usize>> =
        labels.iter().map(|label| operand.labels.iter().position(|other| other == label)).collect();
    let order: Vec<i64> = places.iter().flatten().map(|d| *d as i64).collect();
    let turned = planner.apply("Transpose", &[operand.id], &[("perm", list(&order))])?;
    let sizes: Vec<u64> = places.iter().map(|place| place.map_or(1, |d| shape[d])).collect();
    planner.reshape_to(turned, &sizes)
}

/// Two operands as one. Dimensions of both that stay are a batch, those that go are the depth of a product.
fn product(
    planner: &mut Planner<'_>,
    a: Operand,
    b: Operand,
    kept: &dyn Fn(&Label) -> bool,
) -> Result<Operand, String> {
    let (in_a, in_b) = (a.labels.clone(), b.labels.clone());
    let a = summed(planner, a, |label| kept(label) || in_b.contains(label))?;
    let b = summed(planner, b, |label| kept(label) || in_a.contains(label))?;
    let both = |label: &&Label| b.labels.contains(label);
    let batch: Vec<Label> = a.labels.iter().filter(both).filter(|label| kept(label)).copied().collect();
    let depth: Vec<Label> = a.labels.iter().filter(both).filter(|label| !kept(label)).copied().collect();
    let left: Vec<Label> = a.labels.iter().filter(|label| !b.labels.contains(label)).copied().collect();
    let right: Vec<Label> = b.labels.iter().filter(|label| !a.labels.contains(label)).copied().collect();
    let (shape_a, shape_b) = (planner.kind(a.id)?.0, planner.kind(b.id)?.0);
    let size_in = |operand: &Operand, shape: &[u64], label: &Label| {
        operand.labels.iter().position(|other| other == label).map_or(1, |d| shape[d])
    };
    let sizes = |all: &[Label]| -> Vec<u64> {
        all.iter().map(|label| size_in(&a, &shape_a, label).max(size_in(&b, &shape_b, label))).collect()
    };
    if depth.iter().any(|label| size_in(&a, &shape_a, label) != size_in(&b, &shape_b, label)) {
        return Err(format!("shapes {shape_a:?} and {shape_b:?} do not fit the equation"));
    }
    let count = |all: &[Label]| sizes(all).iter().product::<u64>();
    let first = arranged(planner, &a, &[&batch[..], &left, &depth].concat())?;
    let second = arranged(planner, &b, &[&batch[..], &depth, &right].concat())?;
    let of = |operand: &Operand, shape: &[u64]| -> Vec<u64> {
        batch.iter().map(|label| size_in(operand, shape, label)).collect()
    };
    let (batch_a, batch_b) = (of(&a, &shape_a), of(&b, &shape_b));
    let first = planner.reshape_to(first, &[&batch_a[..], &[count(&left), count(&depth)]].concat())?;
    let second = planner.reshape_to(second, &[&batch_b[..], &[count(&depth), count(&right)]].concat())?;
    let y = planner.apply("MatMul", &[first, second], &[])?;
    let y = planner.reshape_to(y, &[sizes(&batch), sizes(&left), sizes(&right)].concat())?;
    Ok(Operand { id: y, labels: [batch, left, right].concat() })
}
