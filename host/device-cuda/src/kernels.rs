//! Sources of kernels: the fixed ones with their parameters defined, and generated ones.

use std::fmt::Write;
use std::sync::Arc;

use scorehost_core::DType;

use crate::plan::launch::Kernel;

const PRELUDE: &str = include_str!("kernels/prelude.cu");

/// A file of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Attention,
    Conv,
    Gather,
    Igemm,
    Reduce,
    Rows,
}

impl File {
    const fn text(self) -> &'static str {
        match self {
            Self::Attention => include_str!("kernels/attention.cu"),
            Self::Conv => include_str!("kernels/conv.cu"),
            Self::Gather => include_str!("kernels/gather.cu"),
            Self::Igemm => include_str!("kernels/igemm.cu"),
            Self::Reduce => include_str!("kernels/reduce.cu"),
            Self::Rows => include_str!("kernels/rows.cu"),
        }
    }
}

/// The kernel `entry` of a file under these definitions.
pub(crate) fn fixed(file: File, entry: &'static str, definitions: &[(&str, &str)]) -> Kernel {
    let mut source = String::from(PRELUDE);
    for (name, value) in definitions {
        // Writing to a string cannot fail.
        let _ = writeln!(source, "#define {name} {value}");
    }
    source.push_str(file.text());
    Kernel { source: Arc::from(source), entry }
}

/// A generated kernel behind the shared declarations.
pub(crate) fn generated(entry: &'static str, text: &str) -> Kernel {
    Kernel { source: Arc::from(format!("{PRELUDE}{text}")), entry }
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

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every file under the definitions that plans use, for an architecture.
    pub(crate) fn everything(architecture: u32) -> BTreeSet<Kernel> {
        let mut all = BTreeSet::new();
        let floats = ["f16", "bf16", "f32"];
        for name in floats.into_iter().chain(["f64", "u8", "i64"]) {
            all.insert(fixed(File::Conv, "conv_direct", &[("T", name), ("ACT", "0"), ("VEC", "2")]));
            all.insert(fixed(File::Gather, "gather", &[("T", name), ("I", "i32")]));
            all.insert(fixed(File::Rows, "softmax", &[("T", name)]));
            all.insert(fixed(File::Reduce, "reduce_warp", &[("T", name), ("OP", "9")]));
        }
        for act in ["2", "8", "10"] {
            all.insert(fixed(File::Conv, "conv_direct", &[("T", "f16"), ("ACT", act), ("VEC", "8")]));
        }
        all.insert(fixed(File::Gather, "gather", &[("T", "truth"), ("I", "i64")]));
        for name in floats {
            all.insert(fixed(File::Attention, "attention", &[("T", name), ("HEAD", "32"), ("TENSOR", "0")]));
            if architecture < 80 {
                continue;
            }
            for (m, n, wm, wn, stages) in
                [("128", "128", "2", "4", "3"), ("128", "64", "4", "2", "3"), ("64", "64", "2", "4", "4")]
            {
                let tile = [("BM", m), ("BN", n), ("WARPS_M", wm), ("WARPS_N", wn), ("STAGES", stages)];
                all.insert(fixed(File::Igemm, "igemm", &[&[("T", name), ("ACT", "1")], &tile[..]].concat()));
            }
            if name != "f32" {
                for head in ["16", "64", "128"] {
                    all.insert(fixed(File::Attention, "attention", &[("T", name), ("HEAD", head), ("TENSOR", "1")]));
                }
            }
        }
        all
    }
}
