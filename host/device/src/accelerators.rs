//! GPUs and other accelerators: whether their drivers are here. No executor of this version uses them.

use std::path::{Path, PathBuf};

use crate::DeviceReport;

/// Name, the driver's library, and whose it is.
const DRIVERS: [(&str, &str, &str); 2] =
    [("cuda", "libcuda.so.1", "NVIDIA's driver"), ("opencl", "libOpenCL.so", "an OpenCL driver")];

/// Where the system keeps libraries; drivers install nowhere else.
const FOLDERS: [&str; 8] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/cuda/compat",
    "/usr/lib/wsl/lib",
];

/// One row for each kind of accelerator, none of them usable.
pub(crate) fn reports() -> Vec<DeviceReport> {
    let given = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&given).chain(FOLDERS.map(PathBuf::from)).collect();
    DRIVERS.iter().map(|driver| report(*driver, &folders)).collect()
}

/// Looks for the file instead of loading it: a driver's first call takes long and may write to the terminal.
fn report((kind, library, owner): (&'static str, &str, &str), folders: &[PathBuf]) -> DeviceReport {
    let found = folders.iter().filter(|folder| !folder.as_os_str().is_empty()).find_map(|folder| file(folder, library));
    let detail = match found {
        Some(path) => format!("{owner} is here ({}), and this version has no executor for it", path.display()),
        None => format!("{library} of {owner} is not installed; this version has no executor for it"),
    };
    DeviceReport { name: "none", kind, available: false, detail }
}

/// The library itself, or one with a longer version in its name.
fn file(folder: &Path, library: &str) -> Option<PathBuf> {
    let exact = folder.join(library);
    if exact.exists() {
        return Some(exact);
    }
    let entries = std::fs::read_dir(folder).ok()?;
    let longer = format!("{library}.");
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&longer)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_found_by_its_file_and_never_makes_a_device() {
        let folder = std::env::temp_dir().join(format!("scorehost-drivers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let look = || report(("opencl", "libOpenCL.so", "an OpenCL driver"), std::slice::from_ref(&folder));
        let before = look();
        std::fs::write(folder.join("libOpenCL.so.1"), "").unwrap();
        let after = look();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(before.detail.contains("is not installed"), "{before:?}");
        assert!(after.detail.contains("is here") && after.detail.contains("no executor"), "{after:?}");
        assert!(!before.available && !after.available);
    }
}
