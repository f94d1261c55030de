//! Sources of kernels: the fixed ones with their parameters defined, and generated ones.

use std::fmt::Write;
use std::sync::Arc;

use scorehost_core::DType;
use sha2::{Digest, Sha256};

use crate::Dialect;
use crate::launch::Kernel;

const CUDA_PRELUDE: &str = include_str!("kernels/cuda/prelude.cu");

const CUDA_SHARED: &str = include_str!("kernels/cuda/shared.cu");

const OPENCL_PRELUDE: &str = include_str!("kernels/opencl/prelude.cl");

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
    /// A matrix that the call computes, as panels.
    Pack,
    /// Products of matrices, and convolutions as such, where no library computes them.
    Panels,
    /// Reductions over dimensions.
    Reduce,
    /// Operators over rows.
    Rows,
    /// Elements put to computed places.
    Scatter,
    /// Order and runs along a dimension.
    Order,
    /// Sampling between elements, and windows that no convolution is.
    Sample,
    /// Ensembles of trees.
    Trees,
}

impl File {
    /// The kernels that are written once for both languages, in terms that each prelude gives its own meaning.
    const fn shared(self) -> Option<&'static str> {
        Some(match self {
            Self::Scatter => include_str!("kernels/shared/scatter.c"),
            Self::Order => include_str!("kernels/shared/order.c"),
            Self::Sample => include_str!("kernels/shared/sample.c"),
            Self::Trees => include_str!("kernels/shared/trees.c"),
            _ => return None,
        })
    }

    const fn opencl(self) -> &'static str {
        match self {
            Self::Conv => include_str!("kernels/opencl/conv.cl"),
            Self::Gather => include_str!("kernels/opencl/gather.cl"),
            Self::Pack => include_str!("kernels/opencl/pack.cl"),
            Self::Panels => include_str!("kernels/opencl/panels.cl"),
            Self::Reduce => include_str!("kernels/opencl/reduce.cl"),
            Self::Rows => include_str!("kernels/opencl/rows.cl"),
            // Attention is two products and a softmax; convolutions are in panels.
            Self::Attention | Self::Igemm => "",
            Self::Scatter | Self::Order | Self::Sample | Self::Trees => "",
        }
    }

    const fn cuda(self) -> &'static str {
        match self {
            Self::Attention => include_str!("kernels/cuda/attention.cu"),
            Self::Conv => include_str!("kernels/cuda/conv.cu"),
            Self::Gather => include_str!("kernels/cuda/gather.cu"),
            Self::Igemm => include_str!("kernels/cuda/igemm.cu"),
            // NVIDIA's library multiplies.
            Self::Pack | Self::Panels => "",
            Self::Reduce => include_str!("kernels/cuda/reduce.cu"),
            Self::Rows => include_str!("kernels/cuda/rows.cu"),
            Self::Scatter | Self::Order | Self::Sample | Self::Trees => "",
        }
    }
}

/// The kernel `entry` of a file under these definitions.
#[must_use]
pub fn fixed(dialect: Dialect, file: File, entry: &'static str, definitions: &[(&str, &str)]) -> Kernel {
    let mut source = String::new();
    // Writing to a string cannot fail.
    definitions.iter().for_each(|(name, value)| {
        let _ = writeln!(source, "#define {name} {value}");
    });
    let source = match dialect {
        Dialect::Cuda { .. } => match file.shared() {
            Some(shared) => [CUDA_PRELUDE, CUDA_SHARED, &source, "#define ONLY_", entry, "\n", shared].concat(),
            None => [CUDA_PRELUDE, &source, file.cuda()].concat(),
        },
        Dialect::OpenCl(_) => {
            // One program holds many kernels: what is defined for one must not reach the next.
            let _ = writeln!(source, "#define ONLY_{entry}");
            source.push_str(file.shared().unwrap_or_else(|| file.opencl()));
            definitions.iter().for_each(|(name, _)| {
                let _ = writeln!(source, "#undef {name}");
            });
            let _ = writeln!(source, "#undef ONLY_{entry}");
            source
        }
    };
    Kernel { source: Arc::from(source), entry }
}

/// A generated kernel behind the shared declarations.
#[must_use]
pub fn generated(dialect: Dialect, entry: &'static str, text: &str) -> Kernel {
    let source = match dialect {
        Dialect::Cuda { .. } => format!("{CUDA_PRELUDE}{text}"),
        Dialect::OpenCl(_) => text.to_owned(),
    };
    Kernel { source: Arc::from(source), entry }
}

/// The text of an OpenCL program with these kernels, and the name of each one's function in it. Its compiler needs
/// [`OpenCl::options`](crate::OpenCl::options).
#[must_use]
pub fn program(kernels: &[&Kernel]) -> (String, Vec<String>) {
    let mut text = String::from(OPENCL_PRELUDE);
    let mut names = Vec::with_capacity(kernels.len());
    for kernel in kernels {
        let digest = Sha256::digest(kernel.source.as_bytes());
        let number: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, "#define ID {number}\n{}\n#undef ID\n", kernel.source);
        names.push(format!("{}_{number}", kernel.entry));
    }
    (text, names)
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
