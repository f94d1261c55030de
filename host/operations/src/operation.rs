//! The operations by name.

use scorehost_core::{Described, Tensor};

use crate::arrays::{
    Argmax, Arithmetic, ArithmeticScalar, Cast, Clip, Compare, Concat, Gather, Matmul, Pad, Reduce, Slice, Softmax,
    Stack, StackPadded, TopK, Transpose,
};
use crate::detection::NonMaxSuppression;
use crate::images::{CropAndResize, CropQuad, Decode, Letterbox, Normalize, Resize, WarpPerspective};
use crate::{OperationError, Plan, Watch};

macro_rules! operations {
    ($($(#[doc = $doc:literal])* $kind:ident),* $(,)?) => {
        /// An operation with its arguments.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[doc = $doc])* $kind($kind),)*
        }

        impl Operation {
            /// Its name, as error messages begin with it.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $kind::NAME,)*
                }
            }

            /// What it needs for these inputs; reads no more of them than the header of an image file.
            ///
            /// # Errors
            /// Where arguments or inputs cannot work.
            pub fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
                match self {
                    $(Self::$kind(operation) => operation.plan(inputs),)*
                }
            }

            /// Runs it; to be called with inputs for which there is a plan.
            pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
                match self {
                    $(Self::$kind(operation) => operation.run(inputs, watch),)*
                }
            }
        }

        $(impl From<$kind> for Operation {
            fn from(operation: $kind) -> Self {
                Self::$kind(operation)
            }
        })*
    };
}

operations! {
    /// Other element type.
    Cast,
    /// Axes in another order.
    Transpose,
    /// A part of each axis.
    Slice,
    /// Tensors one behind the other.
    Concat,
    /// Tensors along a new axis.
    Stack,
    /// Tensors of several shapes along a new first axis.
    StackPadded,
    /// A margin of one value.
    Pad,
    /// Slices by index.
    Gather,
    /// Two tensors, element by element.
    Arithmetic,
    /// A tensor and a number, element by element.
    ArithmeticScalar,
    /// Which elements compare with a number.
    Compare,
    /// Elements within bounds.
    Clip,
    /// Exponentials that sum to 1.
    Softmax,
    /// Products of matrices.
    Matmul,
    /// Sums, means, maxima, minima.
    Reduce,
    /// Where the greatest element is.
    Argmax,
    /// The greatest or least elements.
    TopK,
    /// A picture file to its pixels.
    Decode,
    /// A picture at another size.
    Resize,
    /// A picture at another size with its proportions kept.
    Letterbox,
    /// Boxes of a picture, each at one size.
    CropAndResize,
    /// A quadrilateral of a picture, straightened.
    CropQuad,
    /// A picture seen through a projection.
    WarpPerspective,
    /// Pixels to a network's input.
    Normalize,
    /// The best of boxes that overlap.
    NonMaxSuppression,
}
