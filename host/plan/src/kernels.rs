//! Sources of kernels: the fixed ones with their parameters defined, and generated ones.

use std::fmt::Write;
use std::sync::Arc;

use scorehost_core::DType;

use crate::Dialect;
use crate::launch::Kernel;

const CUDA_PRELUDE: &str = include_str!("kernels/cuda/prelude.cu");

/// A file of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// Attention without storing the scores.
    Attention,
    /// Convolutions and pooling, one output element a thread.
    Conv,
    /// Operators that read at computed places.
    Gather,
    /// Convolutions as products on tensor cores.
    Igemm,
    /// Reductions over dimensions.
    Reduce,
    /// Operators over rows.
    Rows,
}

impl File {
    const fn cuda(self) -> &'static str {
        match self {
            Self::Attention => include_str!("kernels/cuda/attention.cu"),
            Self::Conv => include_str!("kernels/cuda/conv.cu"),
            Self::Gather => include_str!("kernels/cuda/gather.cu"),
            Self::Igemm => include_str!("kernels/cuda/igemm.cu"),
            Self::Reduce => include_str!("kernels/cuda/reduce.cu"),
            Self::Rows => include_str!("kernels/cuda/rows.cu"),
        }
    }
}

/// The kernel `entry` of a file under these definitions.
#[must_use]
pub fn fixed(dialect: Dialect, file: File, entry: &'static str, definitions: &[(&str, &str)]) -> Kernel {
    let Dialect::Cuda { .. } = dialect;
    let mut source = String::from(CUDA_PRELUDE);
    for (name, value) in definitions {
        // Writing to a string cannot fail.
        let _ = writeln!(source, "#define {name} {value}");
    }
    source.push_str(file.cuda());
    Kernel { source: Arc::from(source), entry }
}

/// A generated kernel behind the shared declarations.
#[must_use]
pub fn generated(dialect: Dialect, entry: &'static str, text: &str) -> Kernel {
    let Dialect::Cuda { .. } = dialect;
    Kernel { source: Arc::from(format!("{CUDA_PRELUDE}{text}")), entry }
}

/// The kernels' name of a stored element type; `None` for strings.
pub(crate) const fn name(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::Bool => "truth",
        DType::U8 => "u8",
        DType::U16 => "u16",
        DType::U32 => "u32",
        DType::U64 => "u64",
        DType::I8 => "i8",
        DType::I16 => "i16",
        DType::I32 => "i32",
        DType::I64 => "i64",
        DType::F16 => "f16",
        DType::BF16 => "bf16",
        DType::F32 => "f32",
        DType::F64 => "f64",
        DType::Bytes => return None,
    })
}

/// The type that arithmetic on a dtype is done in.
pub(crate) const fn wide(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "double",
        DType::Bool => "bool",
        DType::I8 | DType::I16 | DType::I32 => "int",
        DType::I64 => "i64",
        DType::U8 | DType::U16 | DType::U32 => "u32",
        DType::U64 => "u64",
        DType::F16 | DType::BF16 | DType::F32 | DType::Bytes => "float",
    }
}
