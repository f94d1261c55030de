//! The files of a source folder that decide what is built.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::{DirEntry, WalkBuilder};

use crate::BuildError;

/// The folder below a source folder that the builder keeps for itself.
pub(crate) const OWN: &str = ".scorehost";

/// A file of the source: its path below the folder, `/`-separated, and where it is.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) file: PathBuf,
}

/// All files of `folder` that neither `.amlignore` nor `.gitignore` leaves out, sorted by path. Version control, the builder's own
/// folder and folders marked as caches are left out always.
pub(crate) fn files(folder: &Path) -> Result<Vec<SourceFile>, BuildError> {
    let mut walk = WalkBuilder::new(folder);
    walk.hidden(false).follow_links(true).require_git(false).git_global(false).git_exclude(false);
    walk.add_custom_ignore_filename(".amlignore").filter_entry(|entry| !is_left_out(entry));
    let mut files = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(|error| unreadable(folder, error))?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            files.push(SourceFile { path: parts.join("/"), file: entry.into_path() });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Copies the source's files into `stage`, so that what is left out cannot take part in the build.
pub(crate) fn stage(files: &[SourceFile], stage: &Path) -> Result<(), BuildError> {
    for source in files {
        let target = stage.join(&source.path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(BuildError::io("make", parent))?;
        }
        fs::copy(&source.file, &target).map_err(BuildError::io("copy", &source.file))?;
    }
    Ok(())
}

fn is_left_out(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    name == ".git"
        || (folder && (name == OWN || name == "__pycache__" || name == "node_modules" || is_cache(entry.path())))
}

/// Whether a folder carries the tag of the Cache Directory Tagging Specification, as cargo's `target` does.
fn is_cache(folder: &Path) -> bool {
    folder.join("CACHEDIR.TAG").is_file()
}

fn unreadable(folder: &Path, error: ignore::Error) -> BuildError {
    let source = std::io::Error::other(error.to_string());
    BuildError::Io { action: "list", path: folder.to_owned(), source: error.into_io_error().unwrap_or(source) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::files;

    #[test]
    fn both_ignore_files_are_honoured_and_own_folders_left_out() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            fs::write(path, text).expect("file");
        };
        write(".gitignore", "*.log\n");
        write(".amlignore", "data/\n!keep.log\n");
        write("score.py", "");
        write("sub/part.py", "");
        for ignored in [
            "a.log",
            "data/big.bin",
            ".scorehost/cache/x",
            ".git/HEAD",
            "__pycache__/x.pyc",
            "target/CACHEDIR.TAG",
            "target/x",
        ] {
            write(ignored, "");
        }
        write("keep.log", "");
        let found: Vec<_> = files(folder.path()).expect("files").into_iter().map(|file| file.path).collect();
        assert_eq!(found, [".amlignore", ".gitignore", "keep.log", "score.py", "sub/part.py"]);
    }
}
