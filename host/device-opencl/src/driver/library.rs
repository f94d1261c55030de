//! OpenCL's library, opened once in a process.
#![expect(unsafe_code, reason = "opening a library")]

use std::env;
use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

use super::entry;
use crate::OpenClError;

/// The environment variable that names the library.
const VARIABLE: &str = "SCOREHOST_OPENCL";
/// Names that the system's loader is asked for.
const NAMES: [&str; 2] = ["libOpenCL.so.1", "libOpenCL.so"];

/// Never closed: drivers keep threads of their own.
static LIBRARY: OnceLock<Library> = OnceLock::new();

/// Opens the library at `path`, or the one that the environment names, or the system's. A process has one: once it is open, later
/// calls find it open.
pub(crate) fn open(path: Option<&Path>) -> Result<(), OpenClError> {
    if LIBRARY.get().is_some() {
        return Ok(());
    }
    std::hint::black_box(entry::all());
    let named = path.map(Path::to_owned).or_else(|| env::var_os(VARIABLE).map(PathBuf::from));
    let tried = named.map_or_else(|| NAMES.map(PathBuf::from).to_vec(), |path| vec![path]);
    let mut reason = String::new();
    for path in &tried {
        // SAFETY: opening a library runs its initialisers; this one is OpenCL's, by its name or by the administrator's word.
        match unsafe { Library::new(path) } {
            Ok(library) => return keep(library, path),
            Err(error) => reason = error.to_string(),
        }
    }
    let tried = tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(OpenClError::Library { tried, reason })
}

fn keep(library: Library, path: &Path) -> Result<(), OpenClError> {
    if symbol(&library, "clGetPlatformIDs").is_none() {
        let reason = "it has no function clGetPlatformIDs, so it is not OpenCL's".to_owned();
        return Err(OpenClError::Library { tried: path.display().to_string(), reason });
    }
    LIBRARY.get_or_init(|| library);
    Ok(())
}

/// The address of a function.
pub(super) fn function(name: &str) -> Option<*mut c_void> {
    symbol(LIBRARY.get()?, name)
}

fn symbol(library: &Library, name: &str) -> Option<*mut c_void> {
    let name = CString::new(name).ok()?;
    // SAFETY: only the address is taken; who calls it knows the function's signature.
    let symbol = unsafe { library.get::<unsafe extern "C" fn()>(name.as_bytes_with_nul()) }.ok()?;
    Some(*symbol as *mut c_void)
}
