//! What a plan asks a device to do.

use std::sync::Arc;

use scorehost_core::DType;

use super::view::{Base, View};

/// Source of one kernel, complete, and the name of its function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Kernel {
    pub(crate) source: Arc<str>,
    pub(crate) entry: &'static str,
}

/// A place in a base, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) base: Base,
    pub(crate) offset: u64,
}

impl From<&View> for Place {
    fn from(view: &View) -> Self {
        let size = view.dtype.size().unwrap_or(1) as i64;
        Self { base: view.base, offset: (view.start * size) as u64 }
    }
}

/// One argument of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arg {
    Place(Place),
    Null,
    Int(i32),
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
pub(crate) struct Gemm {
    pub(crate) a: Place,
    pub(crate) b: Place,
    pub(crate) d: Place,
    /// Added before the epilogue; laid out as `d`.
    pub(crate) residual: Option<Place>,
    /// One element a column.
    pub(crate) bias: Option<Place>,
    pub(crate) relu: bool,
    pub(crate) alpha: f32,
    pub(crate) shape: GemmShape,
}

/// What decides which algorithm fits a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GemmShape {
    pub(crate) dtype: DType,
    pub(crate) rows: u64,
    pub(crate) columns: u64,
    pub(crate) depth: u64,
    /// Whether `a` is stored as `[depth, rows]`, and `b` as `[columns, depth]`.
    pub(crate) turned: [bool; 2],
    /// Elements from one row to the next of `a`, `b` and `d` as they are stored.
    pub(crate) pitch: [i64; 3],
    pub(crate) batch: u64,
    /// Elements from one matrix to the next.
    pub(crate) step: [i64; 3],
    /// Whether F32 may be rounded to TF32.
    pub(crate) tf32: bool,
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    Kernel { kernel: Kernel, blocks: [u32; 3], threads: u32, shared: u32, args: Vec<Arg> },
    Gemm(Gemm),
    Zero { at: Place, bytes: u64 },
}

/// Work, and the node it belongs to, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) node: Arc<str>,
    pub(crate) work: Work,
    /// Bytes read and written, and floating-point operations, at least.
    pub(crate) cost: Cost,
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
