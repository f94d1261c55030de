//! Content by digest: one file per blob, written once, verified whenever it is read.

mod durable;
mod pin;
mod reader;
mod verdict;
mod writer;

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use scorehost_core::Digest;

use crate::RegistryError;
use crate::directory::Directory;
use durable::DurableShards;
pub use pin::BlobPin;
pub(crate) use pin::Pins;
pub use reader::BlobReader;
use verdict::{Stamp, Verdicts};
pub use writer::BlobWriter;

/// Bytes held at a time while content streams.
const BUFFER_BYTES: usize = 128 << 10;

/// The blobs of a data directory.
pub(crate) struct BlobStore {
    root: PathBuf,
    incoming: PathBuf,
    damaged: PathBuf,
    shards: DurableShards,
    verdicts: Verdicts,
    /// Shared by those who add blobs or refer to them, exclusive for those who take blobs away.
    pub(crate) shelf: RwLock<()>,
}

impl BlobStore {
    pub(crate) fn open(directory: &Directory) -> Self {
        let root = directory.blobs();
        Self {
            shards: DurableShards::find(&root),
            root,
            incoming: directory.incoming(),
            damaged: directory.damaged(),
            verdicts: Verdicts::default(),
            shelf: RwLock::new(()),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn damaged(&self) -> &Path {
        &self.damaged
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join(&hex[..2]).join(hex)
    }

    /// Length of a stored blob; `None` where it is not stored.
    pub(crate) fn size(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RegistryError::io("look at content", &path, error)),
        }
    }

    /// The whole content, verified.
    pub(crate) fn read(self: &Arc<Self>, digest: &Digest) -> Result<Bytes, RegistryError> {
        let mut reader = self.reader(digest)?;
        let mut content = Vec::with_capacity(usize::try_from(reader.size()).unwrap_or(0));
        reader.read_to_end(&mut content)?;
        Ok(content.into())
    }

    /// Checks the content unless this process has checked the same file before, and returns its path.
    pub(crate) fn verify(self: &Arc<Self>, digest: &Digest) -> Result<PathBuf, RegistryError> {
        let path = self.path(digest);
        if let Ok(metadata) = fs::metadata(&path)
            && self.verdicts.holds(digest, &Stamp::of(&metadata))
        {
            return Ok(path);
        }
        let mut reader = self.reader(digest)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        while reader.read(&mut buffer)? > 0 {}
        self.verdicts.add(*digest, reader.stamp());
        Ok(path)
    }

    /// Opens the file of a blob. `BlobDamaged` also where damaged content has been put aside.
    fn open_file(&self, digest: &Digest) -> Result<(File, Metadata), RegistryError> {
        let path = self.path(digest);
        let open = || -> io::Result<_> {
            let file = File::open(&path)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        open().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if self.damaged.join(digest.hex()).exists() => {
                RegistryError::BlobDamaged { digest: *digest }
            }
            io::ErrorKind::NotFound => RegistryError::BlobMissing { digest: *digest },
            _ => RegistryError::io("read content", &path, error),
        })
    }

    /// Puts damaged content aside, so that the same content can be stored anew; `inode` names the file that was read,
    /// since good content may have taken its place in the meantime.
    fn put_aside(&self, digest: &Digest, inode: u64) {
        let _exclusive = self.shelf.write();
        let path = self.path(digest);
        self.verdicts.forget(digest);
        if fs::metadata(&path).is_ok_and(|metadata| metadata.ino() == inode) {
            // Where this fails the content stays, and every read of it goes on failing.
            let _ = fs::rename(&path, self.damaged.join(digest.hex()));
        }
    }
}
