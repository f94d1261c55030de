//! Compiled programs on disk, so that a restart compiles nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// Files written by this process, so that two threads never write the same one.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// A folder of compiled programs, named by what they were made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProgramCache {
    folder: Option<PathBuf>,
    limit: u64,
}

impl ProgramCache {
    /// `limit`: bytes of all files together. A folder that cannot be made is no cache.
    pub(crate) fn new(folder: Option<PathBuf>, limit: u64) -> Self {
        Self { folder: folder.filter(|folder| fs::create_dir_all(folder).is_ok()), limit }
    }

    /// The binary of a key; a torn or changed file is none.
    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let file = fs::read(self.path(key)?).ok()?;
        let (digest, binary) = file.split_at_checked(32)?;
        (Sha256::digest(binary)[..] == *digest).then(|| binary.to_vec())
    }

    /// Keeps a binary. A cache that cannot be written slows the next start and breaks nothing.
    pub(super) fn put(&self, key: &str, binary: &[u8]) {
        let (Some(path), Some(folder)) = (self.path(key), &self.folder) else { return };
        let sealed = [&Sha256::digest(binary)[..], binary].concat();
        if sealed.len() as u64 > self.limit {
            return;
        }
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{number}.part", std::process::id()));
        if fs::write(&temporary, sealed).and_then(|()| fs::rename(&temporary, &path)).is_err() {
            let _ = fs::remove_file(&temporary);
        }
        self.make_room(folder);
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("{key}.clbin")))
    }

    /// Removes the oldest files until the rest is within the limit.
    fn make_room(&self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut files: Vec<_> = entries
            .flatten()
            .filter_map(|entry| {
                let facts = entry.metadata().ok()?;
                Some((facts.modified().ok()?, facts.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if total <= self.limit {
                return;
            }
            if fs::remove_file(&path).is_ok() {
                total -= bytes;
            }
        }
    }
}
