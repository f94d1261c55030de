//! A model's files under their own names, for readers that follow paths from one file to another.

use std::fs;
use std::io;
use std::path::Path;

use scorehost_core::Digest;
use tempfile::TempDir;

use crate::{Registry, RegistryError, check_path};

/// A folder with files of a model; it goes when this is dropped. The files are the stored ones under further names (hard links),
/// so that they take no space and must not be written to.
pub struct LaidOut(TempDir);

impl LaidOut {
    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Registry {
    /// Puts stored content, verified, under its paths in a new folder.
    ///
    /// # Errors
    /// `Path` where one leads out of the folder; `BlobMissing`, `BlobDamaged`; those of the disk.
    pub fn lay_out<'a>(&self, files: impl Iterator<Item = (&'a str, Digest)>) -> Result<LaidOut, RegistryError> {
        let incoming = self.incoming();
        let failed = |error| RegistryError::io("make a folder for a model", &incoming, error);
        let folder = TempDir::new_in(&incoming).map_err(failed)?;
        for (path, digest) in files {
            check_path(path)?;
            let (stored, named) = (self.verify_blob(&digest)?, folder.path().join(path));
            let place = || -> io::Result<()> {
                if let Some(parent) = named.parent() {
                    fs::create_dir_all(parent)?;
                }
                // Not every file system has links.
                fs::hard_link(&stored, &named).or_else(|_| fs::copy(&stored, &named).map(drop))
            };
            place().map_err(|error| RegistryError::io("lay out a model's file", &named, error))?;
        }
        Ok(LaidOut(folder))
    }
}
