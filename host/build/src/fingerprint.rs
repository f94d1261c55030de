//! The key of a build: one hash over everything that decides its result.

use std::path::Path;
use std::{fs, io};

use sha2::{Digest as _, Sha256};

use scorehost_core::Digest;

use crate::BuildError;
use crate::embedded::File;
use crate::source::SourceFile;

/// Collects what decides a build; every part is length-prefixed, so parts cannot run into each other.
pub(crate) struct Fingerprint(Sha256);

impl Fingerprint {
    /// A fingerprint of `purpose`, which separates it from others.
    pub(crate) fn new(purpose: &str) -> Self {
        let mut fingerprint = Self(Sha256::new());
        fingerprint.part("purpose", purpose.as_bytes());
        fingerprint
    }

    /// Adds a named part.
    pub(crate) fn part(&mut self, name: &str, value: &[u8]) {
        for bytes in [name.as_bytes(), value] {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
    }

    /// Adds a table of embedded files.
    pub(crate) fn embedded(&mut self, files: &[File]) {
        for file in files {
            self.part(file.path, file.content);
        }
    }

    /// Adds files by path and content; modes and times do not count.
    pub(crate) fn files(&mut self, files: &[SourceFile]) -> Result<(), BuildError> {
        for source in files {
            let digest = of_file(&source.file).map_err(BuildError::io("read", &source.file))?;
            self.part(&source.path, digest.as_bytes());
        }
        Ok(())
    }

    /// Adds identity without content: path, size and modification time of a file, or that it is missing.
    pub(crate) fn stat(&mut self, path: &Path) {
        self.part("path", path.as_os_str().as_encoded_bytes());
        let Ok(data) = fs::metadata(path) else { return self.part("missing", b"") };
        let modified = data.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        self.part("size", &data.len().to_le_bytes());
        self.part("modified", &modified.unwrap_or_default().as_nanos().to_le_bytes());
    }

    /// The hash of all parts.
    pub(crate) fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

/// SHA-256 of bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

fn of_file(path: &Path) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hash)?;
    Ok(Digest::from_bytes(hash.finalize().into()))
}
