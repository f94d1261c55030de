//! Finding the shared library.

use std::env;
use std::path::{Path, PathBuf};

use crate::{DeviceConfig, DeviceError};

/// The library's file name on this system.
const FILE: &str = if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else if cfg!(windows) {
    "onnxruntime.dll"
} else {
    "libonnxruntime.so"
};

/// Variables that name the library, the first one set wins.
const VARIABLES: [&str; 2] = ["SCOREHOST_ONNXRUNTIME", "ORT_DYLIB_PATH"];

/// Where to load the library from. A path that someone set is taken or refused, never passed over.
pub(super) fn locate(config: &DeviceConfig) -> Result<PathBuf, DeviceError> {
    if let Some(path) = &config.onnxruntime {
        return explicit(path.clone(), "the configuration");
    }
    for variable in VARIABLES {
        if let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) {
            return explicit(path.into(), variable);
        }
    }
    let candidates = candidates(&config.library_dirs, env::current_exe().ok().as_deref().and_then(Path::parent));
    match candidates.iter().find(|path| path.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(DeviceError::LibraryNotFound(candidates)),
    }
}

fn explicit(path: PathBuf, origin: &'static str) -> Result<PathBuf, DeviceError> {
    let path = if path.is_dir() { path.join(FILE) } else { path };
    if path.is_file() { Ok(path) } else { Err(DeviceError::LibraryMissing { path, origin }) }
}

/// Beside the program, in the configured folders, and where system packages put libraries; in this order.
fn candidates(configured: &[PathBuf], program: Option<&Path>) -> Vec<PathBuf> {
    let beside = program.into_iter().flat_map(|folder| [folder.join("lib"), folder.to_owned(), folder.join("../lib")]);
    let arch = Path::new("/usr/lib").join(format!("{}-linux-gnu", env::consts::ARCH));
    let system = [PathBuf::from("/usr/local/lib"), arch, "/usr/lib64".into(), "/usr/lib".into()];
    let system = system.into_iter().filter(|_| cfg!(unix));
    beside.chain(configured.iter().cloned()).chain(system).map(|folder| folder.join(FILE)).collect()
}

#[cfg(test)]
mod tests;
