//! Components for tests, built from source by the product itself and cached between runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::{binary, root, show};

/// Builds the scorer in a folder below the repository. `None`, with the reason printed, where the machine lacks the
/// compilers and `REQUIRE_GUEST_TOOLCHAINS` does not insist on them.
pub(crate) fn build(folder: &str) -> Option<PathBuf> {
    let directory = root().join("target/it");
    std::fs::create_dir_all(&directory).unwrap();
    // Each test is a process of its own; a name per process keeps them from writing one file at the same time.
    let out = directory.join(format!("{}-{}.wasm", folder.replace('/', "-"), std::process::id()));
    let output = Command::new(binary())
        .args(["scorer", "build", root().join(folder).to_str().unwrap(), "-o", out.to_str().unwrap()])
        .output()
        .unwrap();
    if output.status.success() {
        return Some(out);
    }
    let reason = show(&output.stderr);
    assert!(std::env::var_os("REQUIRE_GUEST_TOOLCHAINS").is_none(), "{folder} does not build: {reason}");
    eprintln!("skipped: {folder} does not build here: {reason}");
    None
}

/// The path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
