//! Embeds the guest side (WIT, SDKs, templates) as tables of path and content, so that one binary can build scorers
//! anywhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Name of the table, and the folder below the repository's root that it holds.
const TABLES: [(&str, &str); 12] = [
    ("WIT", "wit/deps/scorehost-scoring@0.1.0"),
    ("SERVICES", "wit/deps/scorehost-services@0.1.0"),
    ("WIT_OPERATIONS", "wit/deps/scorehost-operations@0.1.0"),
    ("WASI_HTTP", "wit/deps/wasi-http@0.2.12"),
    ("SDK_RUST", "plugins/sdk/rust"),
    ("SDK_PYTHON", "plugins/sdk/python"),
    ("SDK_JAVASCRIPT", "plugins/sdk/javascript"),
    ("SDK_C", "plugins/sdk/c"),
    ("TEMPLATE_RUST", "plugins/templates/rust"),
    ("TEMPLATE_PYTHON", "plugins/templates/python"),
    ("TEMPLATE_JAVASCRIPT", "plugins/templates/javascript"),
    ("TEMPLATE_C", "plugins/templates/c"),
];

/// Folders and files that are made by use of the sources, or test them.
const LEFT_OUT: [&str; 5] = ["__pycache__", "Cargo.lock", "node_modules", "target", "tests"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..").canonicalize()?;
    let mut code = String::new();
    for (name, folder) in TABLES {
        let folder = root.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, "", &mut files)?;
        files.sort();
        let _ = writeln!(code, "pub(crate) static {name}: &[File] = &[");
        for (path, file) in files {
            let _ = writeln!(code, "    File {{ path: {path:?}, content: include_bytes!({file:?}) }},");
        }
        code.push_str("];\n");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("embedded.rs"), code)?;
    println!("cargo::rustc-env=SCOREHOST_BUILDER={:016x}", hash(&root.join("host/build/src"))?);
    Ok(())
}

/// A hash (FNV-1a) of the builder's own code: a change of compiler flags must not find what the old flags made.
fn hash(folder: &Path) -> io::Result<u64> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    collect(folder, "", &mut files)?;
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for (path, file) in files {
        for byte in path.into_bytes().into_iter().chain(fs::read(file)?) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Ok(hash)
}

/// Adds all files below `folder` with their `/`-separated paths.
fn collect(folder: &Path, below: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if fs::metadata(entry.path())?.is_dir() {
            collect(&entry.path(), &path, files)?;
        } else {
            files.push((path, entry.path().canonicalize()?));
        }
    }
    Ok(())
}
