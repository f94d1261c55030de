//! Writing content: a temporary file until it is complete and durable, then its digest is its name.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use scorehost_core::Digest;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{BUFFER_BYTES, BlobStore, Stamp};
use crate::RegistryError;
use crate::directory::sync_folder;

/// Content on its way in. Dropped without [`BlobWriter::finish`], it leaves nothing behind.
pub struct BlobWriter {
    file: BufWriter<NamedTempFile>,
    hash: Sha256,
    written: u64,
    store: Arc<BlobStore>,
}

impl BlobStore {
    pub(crate) fn writer(self: &Arc<Self>) -> Result<BlobWriter, RegistryError> {
        let file = NamedTempFile::new_in(&self.incoming)
            .map_err(|error| RegistryError::io("begin an upload", &self.incoming, error))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(BlobWriter { file, hash: Sha256::new(), written: 0, store: Arc::clone(self) })
    }
}

impl BlobWriter {
    /// Stores what was written, durably, and returns its digest and its length in bytes. Content stored before is
    /// replaced by this copy, which repairs it where it was damaged.
    ///
    /// # Errors
    /// `DigestMismatch` where the content is not what `expected` says, `DiskFull`, `NotPermitted`, `Io`; then nothing
    /// is stored.
    pub fn finish(self, expected: Option<Digest>) -> Result<(Digest, u64), RegistryError> {
        let Self { file, hash, written, store } = self;
        let digest = Digest::from_bytes(hash.finalize().into());
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(RegistryError::DigestMismatch { expected, actual: digest });
        }
        let failed = |error| RegistryError::io("store content", &store.incoming, error);
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        store.shelve(file, digest)?;
        Ok((digest, written))
    }
}

impl BlobStore {
    /// Gives complete, durable content its name, durably.
    fn shelve(&self, file: NamedTempFile, digest: Digest) -> Result<(), RegistryError> {
        let folder = self.shards.folder(&digest)?;
        let path = self.path(&digest);
        let failed = |error| RegistryError::io("store content", &path, error);
        let _shared = self.shelf.read();
        let file = file.persist(&path).map_err(|error| failed(error.error))?;
        sync_folder(&folder)?;
        self.verdicts.add(digest, Stamp::of(&file.metadata().map_err(failed)?));
        // A damaged copy has no use once the content is back; where it cannot be removed, garbage collection will.
        let _ = fs::remove_file(self.damaged.join(digest.hex()));
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
