//! The operators, by domain and name.

mod boxes;
mod cast;
mod einsum;
mod elementwise;
mod features;
mod flow;
mod fourier;
mod generate;
mod grid;
mod labels;
mod layout;
mod linear;
mod logic;
mod losses;
mod matrix;
mod neural;
mod normal;
mod numeric;
mod order;
mod pattern;
mod pictures;
mod preprocess;
mod presence;
mod quantise;
mod rearrange;
mod reduce;
mod reduce_axes;
mod scatter;
mod scores;
mod select;
mod sequence;
mod shape;
mod support_vectors;
mod text;
mod training;
mod trees;
mod unary;
mod whole_products;

use std::collections::BTreeSet;
use std::sync::Arc;

use scorehost_graph::Node;

use super::array::Array;
use super::attributes::Attributes;

/// A node's computation, its attributes read.
pub(crate) type Kernel = Box<dyn Fn(&mut Arguments<'_>) -> Results + Send + Sync>;

/// What a kernel returns: its outputs in order, or what is wrong with the arguments.
pub(crate) type Results = Result<Vec<Array>, String>;

/// Reads a node's attributes.
pub(crate) type Build = fn(&Attributes<'_>) -> Result<Kernel, String>;

/// Operators of a module: domain, name, and what reads the attributes.
pub(crate) type Table = &'static [(&'static str, &'static str, Build)];

/// Inputs of a node.
pub(crate) struct Arguments<'a>(pub(crate) &'a mut [Option<Arc<Array>>]);

impl Arguments<'_> {
    /// A required input.
    pub(crate) fn get(&self, index: usize) -> Result<&Array, String> {
        self.optional(index).ok_or_else(|| format!("input {index} is missing"))
    }

    pub(crate) fn optional(&self, index: usize) -> Option<&Array> {
        self.0.get(index).and_then(Option::as_deref)
    }

    /// All inputs of an operator that takes any number.
    pub(crate) fn all(&self) -> Result<Vec<&Array>, String> {
        (0..self.0.len()).map(|index| self.get(index)).collect()
    }

    /// An input that nothing else reads any more, to be written over; `None` where something does.
    pub(crate) fn take(&mut self, index: usize) -> Option<Array> {
        let place = self.0.get_mut(index)?;
        match Arc::try_unwrap(place.take()?) {
            Ok(array) => Some(array),
            Err(shared) => {
                *place = Some(shared);
                None
            }
        }
    }

    /// An input as the kernel's own: the memory where nothing else reads it, otherwise a copy.
    pub(crate) fn own(&mut self, index: usize) -> Result<Array, String> {
        match self.take(index) {
            Some(array) => Ok(array),
            None => self.get(index).cloned(),
        }
    }
}

const TABLES: &[Table] = &[
    boxes::OPERATORS,
    cast::OPERATORS,
    einsum::OPERATORS,
    elementwise::OPERATORS,
    features::OPERATORS,
    fourier::OPERATORS,
    generate::OPERATORS,
    grid::OPERATORS,
    labels::OPERATORS,
    linear::OPERATORS,
    logic::OPERATORS,
    losses::OPERATORS,
    matrix::OPERATORS,
    normal::OPERATORS,
    order::OPERATORS,
    pattern::OPERATORS,
    pictures::OPERATORS,
    preprocess::OPERATORS,
    presence::OPERATORS,
    quantise::OPERATORS,
    rearrange::OPERATORS,
    reduce::OPERATORS,
    reduce_axes::OPERATORS,
    scatter::OPERATORS,
    select::OPERATORS,
    sequence::OPERATORS,
    shape::OPERATORS,
    support_vectors::OPERATORS,
    text::OPERATORS,
    training::OPERATORS,
    trees::OPERATORS,
    unary::OPERATORS,
    whole_products::OPERATORS,
];

/// Number of different operators that there is an implementation of.
pub(crate) fn many() -> usize {
    let tables = TABLES.iter().copied().chain([neural::OPERATORS, flow::OPERATORS]).flatten();
    tables
        .map(|(domain, name, _)| (domain, name))
        .filter(|(domain, _)| **domain != "scorehost")
        .collect::<BTreeSet<_>>()
        .len()
}

/// The implementation of a node's operator, where there is one.
pub(crate) fn find(node: &Node) -> Option<Build> {
    let this = |(domain, name, _): &&(&str, &str, Build)| *name == &*node.operator && *domain == &*node.domain;
    neural::OPERATORS.iter().chain(flow::OPERATORS).find(this).map(|(_, _, build)| *build).or_else(|| general(node))
}

/// The implementation that takes all element types, where there is one.
fn general(node: &Node) -> Option<Build> {
    let mut operators = TABLES.iter().copied().flatten();
    operators.find(|(domain, name, _)| *name == &*node.operator && *domain == &*node.domain).map(|(_, _, build)| *build)
}

/// An axis counted from the end where it is negative, checked against the rank.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    let found = usize::try_from(counted).ok().filter(|found| *found < rank);
    found.ok_or_else(|| format!("axis {axis} is outside a tensor of rank {rank}"))
}

/// Rows and features of an `ai.onnx.ml` input: a vector counts as one row.
pub(crate) fn rows(array: &Array) -> Result<(usize, usize), String> {
    match *array.shape {
        [features] => Ok((1, features)),
        [rows, features] => Ok((rows, features)),
        _ => Err(format!("expected rows of features, got shape {:?}", array.shape)),
    }
}
