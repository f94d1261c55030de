//! Files that only their owner reads, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::AuthError;

/// Writes a file that only its owner can read. A crash leaves the former content or the new one.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), AuthError> {
    let failed = |cause| AuthError::File { action: "write", path: path.to_owned(), cause };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = private(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    });
    written.map_err(failed)
}

/// A new file that only its owner can read; one that an interrupted write left is replaced.
fn private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a folder that only its owner can enter.
pub(crate) fn private_folder(path: &Path) -> Result<(), AuthError> {
    let failed = |cause| AuthError::File { action: "make", path: path.to_owned(), cause };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed)
}

/// A file's content; `None` where it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, AuthError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(AuthError::File { action: "read", path: path.to_owned(), cause }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_file_is_its_owners_and_replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("auth");
        private_folder(&folder).unwrap();
        let path = folder.join("keys.json");
        // What an interrupted write left.
        fs::write(folder.join("keys.json.new"), "half").unwrap();
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert!(read(&folder.join("none")).unwrap().is_none());
    }
}
