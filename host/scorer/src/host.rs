//! The host's side of every interface that a guest imports.

#![expect(unreachable_pub, reason = "bindgen! re-exports the types behind its resources as `pub`")]

mod collect;
mod context;
mod convert;
mod log;
mod models;
mod nn;
mod operations;
mod services;
mod tensors;

pub(crate) use convert::{from_guest_failure, specs, to_guest_failure};
pub use nn::{NnContext, NnError, NnGraph, NnTensor};

/// Names a tensor in the tables of `bindgen!`; the value itself is in [`crate::state::State`].
#[derive(Debug)]
pub enum TensorHandle {}

/// Names a model likewise.
#[derive(Debug)]
pub enum ModelHandle {}
