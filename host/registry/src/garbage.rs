//! Taking away content that nothing refers to.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use scorehost_core::Digest;

use crate::RegistryError;

/// What a collection took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Blobs removed.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Which blobs stay.
pub(crate) struct Keep<'a> {
    pub(crate) referenced: HashSet<Digest>,
    pub(crate) by_caller: &'a BTreeSet<Digest>,
    pub(crate) grace: Duration,
    pub(crate) now: SystemTime,
}

impl Keep<'_> {
    fn keeps(&self, digest: &Digest) -> bool {
        self.referenced.contains(digest) || self.by_caller.contains(digest)
    }

    /// A time in the future (the clock was set back) counts as young.
    fn young(&self, modified: SystemTime) -> bool {
        self.now.duration_since(modified).is_ok_and(|age| age < self.grace) || modified > self.now
    }
}

/// Removes the files of `folder` that are named by a digest and not kept; other files are nobody's business here.
pub(crate) fn sweep(folder: &Path, keep: &Keep<'_>, garbage: &mut Garbage) -> Result<(), RegistryError> {
    let failed = |error| RegistryError::io("remove unused content", folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        sweep_entry(&entry.map_err(failed)?, keep, garbage).map_err(failed)?;
    }
    Ok(())
}

fn sweep_entry(entry: &DirEntry, keep: &Keep<'_>, garbage: &mut Garbage) -> io::Result<()> {
    let name = entry.file_name();
    let digest = name.to_str().and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
    if digest.is_none_or(|digest| keep.keeps(&digest)) {
        return Ok(());
    }
    let metadata = entry.metadata()?;
    if metadata.is_file() && !keep.young(metadata.modified()?) {
        fs::remove_file(entry.path())?;
        garbage.blobs += 1;
        garbage.bytes += metadata.len();
    }
    Ok(())
}
