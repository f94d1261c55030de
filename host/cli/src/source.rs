//! Local files: what a model consists of, bodies, components.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::CliError;

/// A file of a model on this machine.
pub(crate) struct LocalFile {
    /// Path below the model's folder, `/`-separated.
    pub(crate) path: String,
    /// Where it lies.
    pub(crate) place: PathBuf,
    /// Bytes.
    pub(crate) size: u64,
}

/// The files of a model: one file under its own name, or everything below a folder.
pub(crate) fn model_files(path: &Path) -> Result<Vec<LocalFile>, CliError> {
    let metadata = fs::metadata(path).map_err(file("read", path))?;
    let mut files = Vec::new();
    if metadata.is_dir() {
        walk(path, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
    } else {
        let name = path.file_name().unwrap_or_default();
        files.push(LocalFile { path: text(name, path)?, place: path.to_owned(), size: metadata.len() });
    }
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<LocalFile>) -> Result<(), CliError> {
    for entry in fs::read_dir(folder).map_err(file("read", folder))? {
        let entry = entry.map_err(file("read", folder))?;
        let place = entry.path();
        let path = format!("{prefix}{}", text(&entry.file_name(), &place)?);
        let metadata = fs::metadata(&place).map_err(file("read", &place))?;
        if !metadata.is_dir() {
            files.push(LocalFile { path, place, size: metadata.len() });
        } else if entry.path().is_symlink() {
            // It could lead out of the model, or in a circle.
            let reason = std::io::Error::other("a link to a folder; register what it points to");
            return Err(CliError::File { action: "register", path: place, source: reason });
        } else {
            walk(&place, &format!("{path}/"), files)?;
        }
    }
    Ok(())
}

fn text(name: &std::ffi::OsStr, place: &Path) -> Result<String, CliError> {
    let unreadable = || file("register", place)(std::io::Error::other("its name is not UTF-8"));
    name.to_str().map(str::to_owned).ok_or_else(unreadable)
}

/// A whole file, or standard input where none is named or it is `-`.
pub(crate) fn body(path: Option<&Path>) -> Result<Vec<u8>, CliError> {
    match path {
        Some(path) if path != Path::new("-") => read(path),
        _ => {
            let mut body = Vec::new();
            std::io::stdin().lock().read_to_end(&mut body).map_err(file("read", Path::new("standard input")))?;
            Ok(body)
        }
    }
}

/// A whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(file("read", path))
}

/// A file as text.
pub(crate) fn read_text(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(file("read", path))
}

pub(crate) fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(file("read", path))
}

/// Gives an I/O error the words for what was tried.
pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CliError {
    let path = path.to_owned();
    move |source| CliError::File { action, path, source }
}
