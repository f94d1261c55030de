//! Operations on tensors of any rank.

mod arithmetic;
mod arrange;
mod cast;
mod join;
mod matmul;
mod reduce;
mod search;
mod softmax;

pub use arithmetic::{Arithmetic, ArithmeticScalar, Clip, Compare, Comparison, Operator};
pub use arrange::{Range, Slice, Transpose};
pub use cast::Cast;
pub use join::{Concat, Gather, Pad, Stack, StackPadded};
pub use matmul::Matmul;
pub use reduce::{Reduce, Reduction};
pub use search::{Argmax, TopK};
pub use softmax::Softmax;
