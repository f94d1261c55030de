//! The folders that blobs are spread over, and that each is durable before a blob in it is acknowledged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use scorehost_core::Digest;

use crate::RegistryError;
use crate::directory::sync_folder;

/// Which of the 256 folders are there and durable.
pub(super) struct DurableShards {
    root: PathBuf,
    durable: Mutex<[bool; 256]>,
}

impl DurableShards {
    /// Takes the folders there are as durable: the caller has synced `root`.
    pub(super) fn find(root: &Path) -> Self {
        let durable = std::array::from_fn(|shard| root.join(format!("{shard:02x}")).is_dir());
        Self { root: root.to_owned(), durable: Mutex::new(durable) }
    }

    /// The folder for a digest; makes it, durably, where it is missing.
    pub(super) fn folder(&self, digest: &Digest) -> Result<PathBuf, RegistryError> {
        let shard = digest.as_bytes()[0];
        let folder = self.root.join(format!("{shard:02x}"));
        // Others who need a missing folder wait until it is durable.
        let mut durable = self.durable.lock();
        if !durable[usize::from(shard)] {
            make(&folder)?;
            sync_folder(&self.root)?;
            durable[usize::from(shard)] = true;
        }
        Ok(folder)
    }
}

fn make(folder: &Path) -> Result<(), RegistryError> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(RegistryError::io("make a folder for content", folder, error))
        }
        _ => Ok(()),
    }
}
