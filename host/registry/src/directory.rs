//! The data directory: who owns it, where things lie, and how it is put in order when it is opened.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::RegistryError;

/// An open data directory; the lock is held as long as this value lives.
pub(crate) struct Directory {
    root: PathBuf,
    // Held for its lock, which the operating system releases when the process ends, however it ends.
    _lock: File,
}

impl Directory {
    /// Makes the directory where it is missing, takes its lock, and removes what an interrupted process left.
    pub(crate) fn open(root: &Path) -> Result<Self, RegistryError> {
        make_root(root)?;
        let lock = lock(root)?;
        let directory = Self { root: root.to_owned(), _lock: lock };
        for folder in [directory.incoming(), directory.blobs(), directory.damaged()] {
            fs::create_dir_all(&folder).map_err(|error| RegistryError::io("make a folder", &folder, error))?;
        }
        remove_leftovers(&directory.incoming())?;
        for folder in [&directory.root, &directory.root.join("blobs"), &directory.blobs()] {
            sync_folder(folder)?;
        }
        Ok(directory)
    }

    /// Unfinished uploads; nothing in it outlives the process.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Content by digest.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs").join("sha256")
    }

    /// Content that no longer has its digest, put aside.
    pub(crate) fn damaged(&self) -> PathBuf {
        self.root.join("damaged")
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), RegistryError> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(|error| RegistryError::io("make a folder durable", folder, error))
}

fn make_root(root: &Path) -> Result<(), RegistryError> {
    if root.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(root).map_err(|error| RegistryError::io("make the data directory", root, error))?;
    match root.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_folder(Path::new(".")),
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

fn lock(root: &Path) -> Result<File, RegistryError> {
    let path = root.join("lock");
    let failed = |error| RegistryError::io("lock the data directory", &path, error);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(RegistryError::InUse { dir: root.to_owned(), pid: owner(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// The process id in a lock file, for the message only.
fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn remove_leftovers(incoming: &Path) -> Result<(), RegistryError> {
    let remove = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
    };
    let all = || -> io::Result<()> { fs::read_dir(incoming)?.try_for_each(remove) };
    all().map_err(|error| RegistryError::io("remove unfinished uploads", incoming, error))
}
