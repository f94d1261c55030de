//! Components for tests, built from source by the product itself and cached between runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::{binary, root, show};

/// Builds the scorer in a folder of the repository. `None`, with the reason printed, where the machine lacks the
/// compilers and `REQUIRE_GUEST_TOOLCHAINS` does not insist on them.
pub(crate) fn build(folder: &str) -> Option<PathBuf> {
    build_folder(&root().join(folder))
}

/// The same for a folder anywhere.
pub(crate) fn build_folder(folder: &Path) -> Option<PathBuf> {
    let directory = root().join("target/it");
    std::fs::create_dir_all(&directory).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    // Each test is a process of its own; a name per process keeps them from writing one file at the same time.
    let out = directory.join(format!("{name}-{}.wasm", std::process::id()));
    let output = Command::new(binary()).args(["scorer", "build", text(folder), "-o", text(&out)]).output().unwrap();
    if output.status.success() {
        return Some(out);
    }
    let reason = show(&output.stderr);
    assert!(std::env::var_os("REQUIRE_GUEST_TOOLCHAINS").is_none(), "{} does not build: {reason}", folder.display());
    eprintln!("skipped: {} does not build here: {reason}", folder.display());
    None
}

/// The path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
