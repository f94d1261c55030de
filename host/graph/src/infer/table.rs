//! The operators: dimensions of outputs, flow of rows, and whether load time is a time to compute them.

mod attention;
mod conv;
mod elementwise;
mod fused;
mod gather;
mod image;
mod matmul;
mod ml;
mod normalisation;
mod other;
mod pool;
mod quantise;
mod recurrent;
mod reduce;
mod reshape;
mod select;
mod sequence;

pub(super) use select::taken;

use super::flow::Rule;
use super::{Answer, Context};
use crate::Node;

/// What is known of an operator.
#[derive(Clone, Copy)]
pub(crate) struct Operator {
    /// Its outputs' dtypes and dimensions.
    pub(crate) infer: fn(&mut Context<'_>) -> Answer,
    /// Where the batch is in its outputs.
    pub(crate) rows: Rule,
    /// Whether it is computed at load where its inputs are constants: only operators whose work is in
    /// proportion to the bytes of inputs and outputs.
    pub(crate) folds: bool,
}

impl Operator {
    const fn new(infer: fn(&mut Context<'_>) -> Answer, rows: Rule) -> Self {
        Self { infer, rows, folds: false }
    }

    const fn folding(infer: fn(&mut Context<'_>) -> Answer, rows: Rule) -> Self {
        Self { infer, rows, folds: true }
    }
}

/// The entry of a node's operator, where there is one.
pub(crate) fn find(node: &Node) -> Option<Operator> {
    let name = &*node.operator;
    match &*node.domain {
        "" => [
            elementwise::find,
            reduce::find,
            reshape::find,
            select::find,
            gather::find,
            conv::find,
            pool::find,
            matmul::find,
            normalisation::find,
            recurrent::find,
            attention::find,
            quantise::find,
            image::find,
            other::find,
            sequence::find,
        ]
        .iter()
        .find_map(|family| family(name)),
        "ai.onnx.ml" => ml::find(name),
        crate::fuse::DOMAIN => fused::find(name),
        _ => None,
    }
}
