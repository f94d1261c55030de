//! A look at the library before `ort` loads it, which would panic over some wrong files.

use std::ffi::CStr;
use std::path::Path;

use libloading::{Library, Symbol};
use ort::sys::{ORT_API_VERSION, OrtApiBase};

use crate::DeviceError;

/// Variables that decide what the library does, for which it offers no setting that comes in time.
const VARIABLES: [(&str, &str); 2] = [
    // The library records its use and sends it to its maker; nothing of a host leaves it unasked. The switch in the C API
    // comes too late, after the recorder has made its files.
    ("ORT_DISABLE_TELEMETRY", "1"),
    // A model of an operator set that is newer than the library runs as far as it uses operators that the library has.
    ("ALLOW_RELEASED_ONNX_OPSET_ONLY", "0"),
];

/// Sets [`VARIABLES`]. To be called before the library is loaded. An operator's own settings stay.
pub(crate) fn settle() {
    for (name, value) in VARIABLES {
        if std::env::var_os(name).is_none() {
            // SAFETY: devices are discovered when the process starts, before it has threads that read the environment.
            unsafe { std::env::set_var(name, value) }
        }
    }
}

/// The version of the library at `path`, such as `1.31.1`, and the library: loading it again costs nothing while it lives.
///
/// # Errors
/// When it is no ONNX Runtime library, or is older than the C API that this program is made for.
pub(crate) fn probe(path: &Path) -> Result<(String, Library), DeviceError> {
    let unusable = |error: libloading::Error| DeviceError::Library(format!("{}: {error}", path.display()));
    // SAFETY: the operator, or the system's library folders, name the file; running its initialisers is the purpose.
    let library = unsafe { Library::new(path) }.map_err(unusable)?;
    // SAFETY: the symbol has this type in every version of the library.
    let entry: Symbol<'_, unsafe extern "C" fn() -> *const OrtApiBase> = unsafe { library.get(b"OrtGetApiBase\0") }
        .map_err(|_| DeviceError::Library(format!("{} is another library: no OrtGetApiBase", path.display())))?;
    // SAFETY: the function takes nothing and returns null or a pointer to a static structure.
    let base = unsafe { entry().as_ref() };
    let base = base.ok_or_else(|| DeviceError::Library(format!("{} offers no API", path.display())))?;
    // SAFETY: the string is static and ends with NUL.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()).unwrap_or(0);
    // SAFETY: takes a number and returns null or a pointer to a static structure.
    if minor < ORT_API_VERSION || unsafe { (base.GetApi)(ORT_API_VERSION) }.is_null() {
        let problem = format!("{} is version {version}, 1.{ORT_API_VERSION} or newer is needed", path.display());
        return Err(DeviceError::Library(problem));
    }
    Ok((version, library))
}
