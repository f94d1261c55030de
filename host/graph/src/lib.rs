//! Reads ONNX files into a small, checked representation that devices build on.
//!
//! In: the bytes of an ONNX model and, for weights in files of their own, the folder they may come from. Out: a
//! [`Model`] whose structure is known to be sound (names defined before use, no cycles, tensors as long as their
//! dimensions say, external files inside the folder), its [`scorehost_core::Signature`], and on demand a [`Graph`] of
//! nodes and numbered values for executors of our own.
//!
//! Everything is refused with a [`GraphError`]; hostile bytes neither panic nor use memory out of proportion to their
//! length. Deliberately not here: running anything, operator semantics, shape inference and fusion.

#![deny(missing_docs)]

mod check;
mod error;
mod external;
mod ir;
mod messages;
mod model;
mod onnx;
mod signature;
mod tensor;

pub use error::GraphError;
pub use ir::{Attribute, ExternalTensor, Graph, Initialiser, Node, Operator, ValueId};
pub use model::Model;
