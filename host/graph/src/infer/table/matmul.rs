//! Products of matrices.

use scorehost_core::DType;

use super::Operator;
use super::elementwise::merge;
use crate::infer::context::{one, wrong};
use crate::infer::dim::shown;
use crate::infer::flow::{Axes, Flow, Flows, aligned, first, refuse};
use crate::infer::{Answer, Context, Dim, Dims, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "MatMul" => Operator::folding(matmul, matmul_rows),
        "MatMulInteger" => Operator::new(matmul_integer, integer_rows),
        "QLinearMatMul" => Operator::new(matmul_quantised, quantised_rows),
        "Gemm" => Operator::folding(gemm, gemm_rows),
        "Einsum" => Operator::new(einsum, einsum_rows),
        "Det" => Operator::new(det, det_rows),
        _ => return None,
    })
}

/// Dimensions of A B, with ONNX's (that is numpy's) rules for vectors and stacks of matrices.
pub(super) fn multiplied(context: &mut Context<'_>, a: &[Dim], b: &[Dim]) -> Result<Dims, Stop> {
    if a.is_empty() || b.is_empty() {
        return wrong("a scalar has no matrix product");
    }
    let (inner_a, inner_b) = (&a[a.len() - 1], &b[b.len().saturating_sub(2)]);
    if inner_a.differs(inner_b) {
        return wrong(format!("{} times {} has no product", shown(a), shown(b)));
    }
    let mut dims = merge(context, &a[..a.len().saturating_sub(2)], &b[..b.len().saturating_sub(2)])?;
    if a.len() > 1 {
        dims.push(a[a.len() - 2].clone());
    }
    if b.len() > 1 {
        dims.push(b[b.len() - 1].clone());
    }
    Ok(dims)
}

fn matmul(context: &mut Context<'_>) -> Answer {
    let (a, b) = (context.dims(0)?, context.dims(1)?);
    let dims = multiplied(context, &a, &b)?;
    one(context.dtype(0)?, dims)
}

fn matmul_integer(context: &mut Context<'_>) -> Answer {
    let (a, b) = (context.dims(0)?, context.dims(1)?);
    let dims = multiplied(context, &a, &b)?;
    one(DType::I32, dims)
}

fn matmul_quantised(context: &mut Context<'_>) -> Answer {
    let (a, b) = (context.dims(0)?, context.dims(3)?);
    let dims = multiplied(context, &a, &b)?;
    one(context.dtype(7)?, dims)
}

/// The batch must not be what is summed over; where it is one of the stacked dimensions, it must be that of both sides.
fn matmul_rows(flows: &Flows<'_>) -> Axes {
    flows.only(&[0, 1])?;
    product_rows(flows).map(|axis| vec![axis])
}

pub(super) fn product_rows(flows: &Flows<'_>) -> Result<usize, String> {
    let (a, b) = (flows.rank(0)?, flows.rank(1)?);
    if a < 2 || b < 2 {
        return refuse("multiplies vectors, where the batch may be summed over");
    }
    let rank = a.max(b);
    match (flows.flow(0), flows.flow(1)) {
        (Flow::Rows(axis), _) if axis == a - 1 => refuse("sums over the batch"),
        (_, Flow::Rows(axis)) if axis == b - 2 => refuse("sums over the batch"),
        // Rows of the left matrix, or columns of the right one.
        (Flow::Rows(axis), Flow::Same) if axis == a - 2 => Ok(rank - 2),
        (Flow::Same, Flow::Rows(axis)) if axis == b - 1 => Ok(rank - 1),
        (Flow::Rows(axis), Flow::Rows(_)) if axis == a - 2 => refuse("multiplies rows of the batch with one another"),
        (Flow::Rows(_), Flow::Rows(axis)) if axis == b - 1 => refuse("multiplies rows of the batch with one another"),
        _ => aligned(flows, 0..2, rank),
    }
}

/// Scales and zero points may be one for each row of the left side; then they are for certain rows.
fn single(flows: &Flows<'_>, inputs: &[usize]) -> Result<(), String> {
    for index in inputs.iter().filter(|index| flows.node.input(**index).is_some()) {
        if flows.dims(*index)?.iter().any(|dim| !dim.is(1)) {
            return refuse("has a constant for certain rows of the batch");
        }
    }
    Ok(())
}

fn integer_rows(flows: &Flows<'_>) -> Axes {
    flows.only(&[0, 1])?;
    single(flows, &[2])?;
    product_rows(flows).map(|axis| vec![axis])
}

fn quantised_rows(flows: &Flows<'_>) -> Axes {
    single(flows, &[1, 2, 6, 7])?;
    first(flows)
}

fn gemm(context: &mut Context<'_>) -> Answer {
    let (a, b) = (context.ranked(0, 2)?, context.ranked(1, 2)?);
    let turned = |name: &str| context.node.int(name, 0) != 0;
    let (m, k) = if turned("transA") { (&a[1], &a[0]) } else { (&a[0], &a[1]) };
    let (other, n) = if turned("transB") { (&b[1], &b[0]) } else { (&b[0], &b[1]) };
    if k.differs(other) {
        return wrong(format!("{} times {} has no product", shown(&a), shown(&b)));
    }
    one(context.dtype(0)?, Dims::from_iter([m.clone(), n.clone()]))
}

fn gemm_rows(flows: &Flows<'_>) -> Axes {
    flows.only(&[0, 2])?;
    let rows = usize::from(flows.node.int("transA", 0) != 0);
    if flows.axis(0) != Some(rows) {
        return refuse("sums over the batch");
    }
    match flows.flow(2) {
        Flow::Same => flows.serves_all(2, 0, 2)?,
        Flow::Rows(0) if flows.rank(2)? == 2 => {}
        _ => return refuse("adds rows of the batch to one another"),
    }
    Ok(vec![0])
}

/// The letters of an equation's inputs and output; `None` where it has an ellipsis or is none.
fn letters(equation: &str) -> Option<(Vec<Vec<char>>, Vec<char>)> {
    let clean: String = equation.chars().filter(|letter| !letter.is_whitespace()).collect();
    if clean.contains('.') || clean.len() > 256 {
        return None;
    }
    let (inputs, output) = match clean.split_once("->") {
        Some((inputs, output)) => (inputs.to_owned(), output.chars().collect()),
        None => {
            let mut all: Vec<char> = clean.chars().filter(|letter| *letter != ',').collect();
            all.sort_unstable();
            let once = |letter: &char| all.iter().filter(|other| *other == letter).count() == 1;
            let once = all.iter().filter(|letter| once(letter)).copied().collect();
            (clean, once)
        }
    };
    Some((inputs.split(',').map(|input| input.chars().collect()).collect(), output))
}

fn einsum(context: &mut Context<'_>) -> Answer {
    let (inputs, output) = letters(context.node.text("equation", "")).ok_or(Stop::Unknown)?;
    let mut sizes: Vec<(char, Dim)> = Vec::new();
    for (index, names) in inputs.iter().enumerate() {
        let dims = context.dims(index)?;
        if dims.len() != names.len() {
            return wrong(format!("input {index} has rank {}, the equation has {} letters", dims.len(), names.len()));
        }
        for (name, dim) in names.iter().zip(dims) {
            match sizes.iter_mut().find(|(known, _)| known == name) {
                Some((_, size)) if size.is(1) || dim.depends_on_batch() => *size = dim,
                Some((_, size)) if size.differs(&dim) && !dim.is(1) => {
                    return wrong(format!("'{name}' is both {size} and {dim}"));
                }
                Some(_) => {}
                None => sizes.push((*name, dim)),
            }
        }
    }
    let size = |name: &char| sizes.iter().find(|(known, _)| known == name).map(|(_, size)| size.clone());
    let dims: Option<Dims> = output.iter().map(size).collect();
    match dims {
        Some(dims) => one(context.dtype(0)?, dims),
        None => wrong("its equation has an output letter that no input has"),
    }
}

fn einsum_rows(flows: &Flows<'_>) -> Axes {
    let (inputs, output) = letters(flows.node.text("equation", "")).ok_or("has an equation that is not followed")?;
    let mut batch = None;
    for (index, names) in inputs.iter().enumerate() {
        if let Flow::Rows(axis) = flows.flow(index) {
            let letter = names.get(axis).copied();
            if letter.is_none() || batch.is_some_and(|batch| letter != Some(batch)) {
                return refuse("combines rows of the batch with one another");
            }
            batch = letter;
        }
    }
    let batch = batch.ok_or("does not take rows")?;
    for (index, names) in inputs.iter().enumerate() {
        let count = names.iter().filter(|name| **name == batch).count();
        let rows = matches!(flows.flow(index), Flow::Rows(_));
        if flows.flow(index) == Flow::Count || count != usize::from(rows) {
            return refuse("combines rows of the batch with one another");
        }
    }
    let place = output.iter().position(|name| *name == batch);
    place.map(|axis| vec![axis]).ok_or_else(|| "sums over the batch".to_owned())
}

fn det(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let Some(outer) = dims.len().checked_sub(2) else { return wrong("it takes matrices") };
    one(context.dtype(0)?, dims[..outer].iter().cloned().collect())
}

fn det_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    if batch + 2 < flows.rank(0)? { Ok(vec![batch]) } else { refuse("works along the batch") }
}
