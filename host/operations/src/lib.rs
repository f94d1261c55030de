//! Operations on tensors: what scorers do before and after a model, without moving elements into the sandbox.
//!
//! In: an [`Operation`] and immutable tensors. Out: new tensors, and before that a [`Plan`]: how many bytes and about how much
//! time the operation takes, from dtypes, shapes and file headers alone, so that the caller can refuse it before anything is
//! allocated. Results depend on the inputs only: the order of every sum is fixed, no operation uses threads. Long
//! loops ask a [`Watch`] whether they may go on.
//!
//! [`Device`] is where an operation runs: [`Cpu`], or [`WhereTheyAre`], which follows values into the memory of a device, where it is a
//! small model.
//!
//! Deliberately not here: models and their graphs (`device`), Wasm and its handles (`scorer`), who pays for the time.

mod arrays;
mod detection;
mod device;
mod element;
mod error;
mod images;
mod model;
mod near;
mod operation;
mod plan;
mod shape;

pub use arrays::{
    Argmax, Arithmetic, ArithmeticScalar, Cast, Clip, Compare, Comparison, Concat, Gather, Matmul, Operator, Pad,
    Range, Reduce, Reduction, Slice, Softmax, Stack, StackPadded, TopK, Transpose,
};
pub use detection::{BoxFormat, NonMaxSuppression};
pub use device::{Cpu, Device, WhereTheyAre};
pub use error::OperationError;
pub use images::{
    Color, CropAndResize, CropQuad, Decode, Interpolation, Layout, Letterbox, Normalize, Placement, Resize,
    WarpPerspective,
};
pub use operation::Operation;
pub use plan::{Plan, Watch};

#[cfg(test)]
mod tests;
