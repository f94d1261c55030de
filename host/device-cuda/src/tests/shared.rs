//! Kernels that are written once for CUDA and OpenCL.

use scorehost_plan::kernels::{File, fixed};

use super::dialect;
use crate::driver::{compile, compiler_is_present};

/// A file, its kernels, and what plans define for it beside the types.
type Family = (File, &'static [&'static str], &'static [&'static [(&'static str, &'static str)]]);

const FAMILIES: [Family; 5] = [
    (
        File::Scatter,
        &["scatter_elements", "scatter_nd", "scatter_run"],
        &[&[("HOW", "0")], &[("HOW", "1")], &[("HOW", "2")], &[("HOW", "3")], &[("HOW", "4")]],
    ),
    (File::Order, &["top", "top_by_rank", "running_product", "reverse"], &[&[]]),
    (
        File::Sample,
        &["grid_sample"],
        &[
            &[("MODE", "0"), ("BEYOND", "0"), ("ALIGN", "0")],
            &[("MODE", "1"), ("BEYOND", "1"), ("ALIGN", "1")],
            &[("MODE", "2"), ("BEYOND", "2"), ("ALIGN", "0")],
        ],
    ),
    (File::Sample, &["taps", "from_columns", "largest_places", "put"], &[&[]]),
    (File::Trees, &["trees"], &[&[("HOW", "0")], &[("HOW", "2")]]),
];

#[test]
fn kernels_written_for_both_languages_compile_for_cuda() {
    if !compiler_is_present() {
        return;
    }
    for (file, entries, variants) in FAMILIES {
        for (entry, more) in entries.iter().flat_map(|entry| variants.iter().map(move |more| (entry, more))) {
            for element in ["f32", "f16", "i64"] {
                let definitions = [&[("T", element), ("I", "i64")], *more].concat();
                let kernel = fixed(dialect(80), file, entry, &definitions);
                compile(&kernel, 80).unwrap_or_else(|error| panic!("{entry} {element}: {error}"));
            }
        }
    }
}
