//! Satisfies `-lOpenCL`, which the bindings below `ocl` put on the linker's command line, with an empty archive: the functions are
//! this crate's own forwarders (`src/driver/entry.rs`), and the library that they reach is opened at run time.

use std::path::PathBuf;
use std::{env, fs, io};

/// An archive without members.
const EMPTY: &str = "!<arch>\n";

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?);
    fs::write(folder.join("libOpenCL.a"), EMPTY)?;
    println!("cargo::rustc-link-search=native={}", folder.display());
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
