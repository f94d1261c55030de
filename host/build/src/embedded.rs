//! The files of WIT, SDKs and templates that this binary carries.

use std::path::Path;
use std::{fs, io};

/// One embedded file: its `/`-separated path below its table's folder, and its bytes.
pub(crate) struct File {
    pub(crate) path: &'static str,
    pub(crate) content: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Writes a table's files below `folder`. Files that have the right content already are left alone, so that compilers that
/// watch modification times see no change.
pub(crate) fn write(files: &[File], folder: &Path) -> io::Result<()> {
    for file in files {
        let path = folder.join(file.path);
        if fs::read(&path).is_ok_and(|present| present == file.content) {
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, file.content)?;
    }
    Ok(())
}
