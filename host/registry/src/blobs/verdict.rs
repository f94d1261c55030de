//! Which files have been found intact, so that a model of gigabytes is hashed once per process and not at each load.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use parking_lot::Mutex;
use scorehost_core::Digest;

/// Verdicts kept at most; beyond it they start anew, which costs hashing and nothing else.
const MAX_VERDICTS: usize = 1 << 16;

/// What changes when a file is replaced or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { inode: metadata.ino(), size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }

    pub(super) const fn inode(&self) -> u64 {
        self.inode
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }
}

/// Positive verdicts of this process.
#[derive(Default)]
pub(super) struct Verdicts(Mutex<HashMap<Digest, Stamp>>);

impl Verdicts {
    pub(super) fn holds(&self, digest: &Digest, stamp: &Stamp) -> bool {
        self.0.lock().get(digest) == Some(stamp)
    }

    pub(super) fn add(&self, digest: Digest, stamp: Stamp) {
        let mut verdicts = self.0.lock();
        if verdicts.len() >= MAX_VERDICTS {
            verdicts.clear();
        }
        verdicts.insert(digest, stamp);
    }

    pub(super) fn forget(&self, digest: &Digest) {
        self.0.lock().remove(digest);
    }
}
