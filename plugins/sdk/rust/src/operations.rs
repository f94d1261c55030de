//! Operations that run in the host: tensors in, new tensors out, no element in the scorer's memory.
//!
//! Most are methods of [`Tensor`]:
//!
//! ```no_run
//! # fn run(file: scorehost::Tensor) -> scorehost::Result<scorehost::Tensor> {
//! use scorehost::operations::{DecodeOptions, Normalization, Sampling};
//!
//! let photo = file.decode(DecodeOptions::default())?;
//! let small = photo.resize(224, 224, Sampling::default())?;
//! let input = small.normalize(&Normalization {
//!     mean: vec![0.485, 0.456, 0.406],
//!     std: vec![0.229, 0.224, 0.225],
//!     ..Normalization::default()
//! })?;
//! input.reshape([1, 3, 224, 224])
//! # }
//! ```
//!
//! Their failures are `InvalidInput` where dtypes, shapes or arguments do not work, or the result is more than the scorer may hold,
//! and `Deadline` where the request's time is up.

mod arrays;
mod images;

use crate::bindings::operations::scorehost::operations::detection;
use crate::{Error, Result, Tensor};

pub use crate::bindings::operations::scorehost::operations::arrays::{Comparison, Operator, Range, Reduction};
pub use crate::bindings::operations::scorehost::operations::detection::{BoxFormat, Suppression};
pub use crate::bindings::operations::scorehost::operations::images::{
    Color, DecodeOptions, Interpolation, Layout, Normalization, Point, Rectangle, Sampling,
};
pub use arrays::{Operand, concat, stack, stack_padded};
pub use images::Letterboxed;

/// Indices of boxes (`fp32 [n, 4]`), best first by `scores` (`fp32 [n]`), without those that overlap a better one of their class
/// (`i64 [n]`, where there are classes): `i64 [k]`.
///
/// # Errors
/// See the module.
pub fn non_max_suppression(
    boxes: &Tensor,
    scores: &Tensor,
    classes: Option<&Tensor>,
    suppression: Suppression,
) -> Result<Tensor> {
    let classes = classes.map(Tensor::handle);
    result(detection::non_max_suppression(boxes.handle(), scores.handle(), classes, suppression))
}

type Handle = crate::bindings::scorer::scorehost::scoring::tensors::Tensor;
type Failure = crate::bindings::scorer::scorehost::scoring::failures::Failure;

fn result(answer: std::result::Result<Handle, Failure>) -> Result<Tensor> {
    answer.map(Tensor::from_handle).map_err(Error::from_host)
}
