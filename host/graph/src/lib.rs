//! Reads ONNX files into a small, checked representation that devices build on.
//!
//! In: the bytes of an ONNX model and, for weights in files of their own, the folder they may come from. Out: a
//! [`Model`] whose structure is known to be sound (names defined before use, no cycles, tensors as long as their
//! dimensions say, external files inside the folder), its [`scorehost_core::Signature`], and on demand a [`Graph`] of
//! nodes and numbered values for executors of our own: functions inlined, subgraphs with what they capture. On it work
//! [`Graph::optimised`] (constants computed, patterns fused), [`Graph::shapes`], [`Graph::batch`] (may calls be merged?) and
//! [`MemoryPlan`].
//!
//! Everything is refused with a [`GraphError`]; hostile bytes neither panic nor use memory out of proportion to their
//! length. Deliberately not here: running anything; what nodes compute is the executors'
//! knowledge, which they lend as [`Fold`].

#![deny(missing_docs)]

mod batch;
mod check;
mod error;
mod external;
pub mod fuse;
mod infer;
mod ir;
mod messages;
mod model;
mod onnx;
mod optimise;
mod plan;
mod shapes;
mod signature;
mod tensor;
#[cfg(test)]
mod testing;
mod write;

pub use batch::Unbatchable;
pub use error::GraphError;
pub use ir::{Attribute, Capture, ExternalTensor, Graph, Initialiser, Node, Operator, ValueId};
pub use model::Model;
pub use optimise::{Fold, NoFold, Options};
pub use plan::{MemoryPlan, Slot, is_view};
pub use shapes::ValueShape;
pub use tensor::{known as dtype, read_tensor};
pub use write::{ModelWriter, Setting};
