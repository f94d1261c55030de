//! One folder of built components by key. Entries appear whole or not at all and are verified when read.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, str};

use scorehost_core::Digest;

use crate::fingerprint;

/// A component in a cache, and which compiler made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) component: Vec<u8>,
    pub(crate) digest: Digest,
    pub(crate) toolchain: String,
}

/// A folder of entries, one file each: a line with the component's digest, a line with the toolchain, the component.
pub(crate) struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// The cache in `folder`, holding about `limit` bytes.
    pub(crate) fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit }
    }

    /// The entry of a key. A damaged one is removed and not there.
    pub(crate) fn get(&self, key: &Digest) -> Option<Entry> {
        let path = self.path(key);
        let entry = parse(fs::read(&path).ok()?);
        match &entry {
            Some(_) => touch(&path),
            None => drop(fs::remove_file(&path)),
        }
        entry
    }

    /// Stores an entry and removes the least recently used ones beyond the limit.
    pub(crate) fn put(&self, key: &Digest, entry: &Entry) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        write!(file, "{}\n{}\n", entry.digest, entry.toolchain.replace('\n', " "))?;
        file.write_all(&entry.component)?;
        file.as_file().sync_all()?;
        file.persist(self.path(key)).map_err(|error| error.error)?;
        self.prune()
    }

    fn path(&self, key: &Digest) -> PathBuf {
        self.folder.join(format!("{}.scorer", key.hex()))
    }

    fn prune(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.folder)?.flatten() {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "scorer")
                && let Ok(data) = file.metadata()
            {
                entries.push((data.modified().unwrap_or(SystemTime::UNIX_EPOCH), data.len(), path));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, size, _)| size).sum();
        // The newest entry stays, however large: it is the one just asked for.
        entries.pop();
        for (_, size, path) in entries {
            if total <= self.limit {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }
}

fn parse(mut bytes: Vec<u8>) -> Option<Entry> {
    let digest_end = bytes.iter().position(|byte| *byte == b'\n')?;
    let digest: Digest = str::from_utf8(&bytes[..digest_end]).ok()?.parse().ok()?;
    let toolchain_end = digest_end + 1 + bytes[digest_end + 1..].iter().position(|byte| *byte == b'\n')?;
    let toolchain = str::from_utf8(&bytes[digest_end + 1..toolchain_end]).ok()?.to_owned();
    bytes.drain(..=toolchain_end);
    (fingerprint::of_bytes(&bytes) == digest).then_some(Entry { component: bytes, digest, toolchain })
}

/// Marks an entry as used; an entry that cannot be marked is only evicted earlier.
fn touch(path: &Path) {
    if let Ok(file) = fs::File::options().append(true).open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

#[cfg(test)]
mod tests;
