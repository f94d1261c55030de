//! The fuzz targets: one function per parser that reads what a stranger or a damaged disk wrote.
//!
//! In: any bytes. Out: nothing; a panic, an endless run or memory without bound is the finding. `fuzz_targets/` hands these to
//! libFuzzer; `tests/it/fuzz.rs` runs the same files over seeds and mutations in the ordinary test suite.

#[cfg(feature = "scorer")]
pub mod sandbox;
pub mod targets;

/// Runs the target of a name.
pub fn run(name: &str, data: &[u8]) {
    let all = targets::TARGETS.iter();
    #[cfg(feature = "scorer")]
    let all = all.chain(sandbox::TARGETS);
    for (_, target) in all.filter(|(known, _)| *known == name) {
        target(data);
    }
}
