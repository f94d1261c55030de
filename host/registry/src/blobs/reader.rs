//! Reading content, and proving that it is what its name says.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use scorehost_core::Digest;
use sha2::{Digest as _, Sha256};

use super::{BlobStore, Stamp};
use crate::RegistryError;

/// Verified content as a stream. The read that would hand over the last bytes fails instead where the content is
/// damaged; its `io::Error` turns into [`RegistryError::BlobDamaged`] by `RegistryError::from`.
pub struct BlobReader {
    file: File,
    digest: Digest,
    stamp: Stamp,
    hash: Sha256,
    read: u64,
    state: State,
    store: Arc<BlobStore>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Verified,
    Damaged,
}

impl BlobStore {
    pub(crate) fn reader(self: &Arc<Self>, digest: &Digest) -> Result<BlobReader, RegistryError> {
        let (file, metadata) = self.open_file(digest)?;
        let stamp = Stamp::of(&metadata);
        let store = Arc::clone(self);
        Ok(BlobReader { file, digest: *digest, stamp, hash: Sha256::new(), read: 0, state: State::Reading, store })
    }
}

impl BlobReader {
    /// Length of the stored file in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.stamp.size()
    }

    pub(super) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Accepts the content, or puts it aside.
    fn judge(&mut self) -> Result<(), RegistryError> {
        let actual = Digest::from_bytes(self.hash.finalize_reset().into());
        if self.read == self.stamp.size() && actual == self.digest {
            self.state = State::Verified;
            return Ok(());
        }
        self.state = State::Damaged;
        self.store.put_aside(&self.digest, self.stamp.inode());
        Err(RegistryError::BlobDamaged { digest: self.digest })
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::Reading if buffer.is_empty() => return Ok(0),
            State::Reading => {}
            State::Verified => return Ok(0),
            State::Damaged => return Err(RegistryError::BlobDamaged { digest: self.digest }.into()),
        }
        // Never past the length at opening: the reader's promise is about those bytes.
        let left = usize::try_from(self.stamp.size() - self.read).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.file.read(&mut buffer[..wanted])?;
        self.hash.update(&buffer[..count]);
        self.read += count as u64;
        // The end is judged with the last bytes, for callers who know the length and never ask for more.
        if count == 0 || self.read == self.stamp.size() {
            self.judge()?;
        }
        Ok(count)
    }
}
