//! What a plan asks a device to do.

use std::sync::Arc;

use scorehost_core::DType;

use super::view::{Base, View};

/// Source of one kernel, complete, and the name of its function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kernel {
    /// Source text.
    pub source: Arc<str>,
    /// Name of the function.
    pub entry: &'static str,
}

/// A place in a base, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What holds the elements.
    pub base: Base,
    /// Bytes from its start.
    pub offset: u64,
}

impl From<&View> for Place {
    fn from(view: &View) -> Self {
        let size = view.dtype.size().unwrap_or(1) as i64;
        Self { base: view.base, offset: (view.start * size) as u64 }
    }
}

/// One argument of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// An address.
    Place(Place),
    /// No address.
    Null,
    /// A 32-bit integer.
    Int(i32),
    /// A 32-bit float.
    Float(f32),
    /// A structure of 32-bit fields.
    Words(Vec<u32>),
}

/// Fields of a structure in declaration order.
pub(crate) fn words(ints: impl IntoIterator<Item = i64>) -> Vec<u32> {
    ints.into_iter().map(|int| int as i32 as u32).collect()
}

/// A product of row-major matrices: `d = epilogue(alpha * a b + c + bias)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gemm {
    /// Left matrix.
    pub a: Place,
    /// Right matrix.
    pub b: Place,
    /// Result.
    pub d: Place,
    /// Added before the epilogue; laid out as `d`.
    pub residual: Option<Place>,
    /// One element a column.
    pub bias: Option<Place>,
    /// Whether the epilogue is max(x, 0).
    pub relu: bool,
    /// Factor of the product.
    pub alpha: f32,
    /// Sizes and steps.
    pub shape: GemmShape,
}

/// What decides which algorithm fits a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GemmShape {
    /// Element type of all matrices.
    pub dtype: DType,
    /// Rows of the result.
    pub rows: u64,
    /// Columns of the result.
    pub columns: u64,
    /// Columns of the left matrix.
    pub depth: u64,
    /// Whether `a` is stored as `[depth, rows]`, and `b` as `[columns, depth]`.
    pub turned: [bool; 2],
    /// Elements from one row to the next of `a`, `b` and `d` as they are stored.
    pub pitch: [i64; 3],
    /// Products.
    pub batch: u64,
    /// Elements from one matrix to the next.
    pub step: [i64; 3],
    /// Whether F32 may be rounded to TF32.
    pub tf32: bool,
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// A kernel over a grid of blocks.
    Kernel {
        /// The function.
        kernel: Kernel,
        /// Blocks of the grid.
        blocks: [u32; 3],
        /// Threads of a block.
        threads: u32,
        /// Bytes of memory that a block's threads share, beyond what the source declares.
        shared: u32,
        /// Arguments in the function's order.
        args: Vec<Arg>,
    },
    /// A matrix product of the device's library.
    Gemm(Gemm),
    /// Zeros.
    Zero {
        /// The first byte.
        at: Place,
        /// How many.
        bytes: u64,
    },
}

/// Work, and the node it belongs to, for messages.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Name of the node.
    pub node: Arc<str>,
    /// What to do.
    pub work: Work,
    /// Bytes read and written, and floating-point operations, at least.
    pub cost: Cost,
}

/// The least that some work must move and compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes read and written.
    pub bytes: u64,
    /// Floating-point operations; a multiply-add is two.
    pub operations: u64,
}

impl Launch {
    /// The buffers that the work touches.
    pub(crate) fn buffers(&self) -> Vec<usize> {
        let places: Vec<Place> = match &self.work {
            Work::Kernel { args, .. } => {
                args.iter().filter_map(|arg| if let Arg::Place(place) = arg { Some(*place) } else { None }).collect()
            }
            Work::Gemm(gemm) => {
                [Some(gemm.a), Some(gemm.b), Some(gemm.d), gemm.residual, gemm.bias].into_iter().flatten().collect()
            }
            Work::Zero { at, .. } => vec![*at],
        };
        let buffer = |place: &Place| if let Base::Buffer(id) = place.base { Some(id) } else { None };
        places.iter().filter_map(buffer).collect()
    }
}
