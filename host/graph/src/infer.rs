//! What is known of values before a graph runs: dtypes, dimensions, small integers that decide dimensions, and whether the
//! rows of a batch stay apart.
//!
//! Dimensions are products of a number and symbols ([`dim::Dim`]), so that one table of operators ([`table`]) serves concrete
//! shapes, where no symbol is left, and symbolic ones. Every operator has a function for its outputs' dimensions and one
//! for the flow of rows ([`flow`]).

pub(crate) mod context;
pub(crate) mod dim;
pub(crate) mod engine;
pub(crate) mod flow;
mod integers;
mod subgraphs;
pub(crate) mod table;
#[cfg(test)]
mod tests;

pub(crate) use context::{Answer, Context, Fact, Stop};
pub(crate) use dim::{Dim, Dims};
