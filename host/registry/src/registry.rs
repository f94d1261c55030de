//! The registry as its callers see it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use scorehost_core::{Digest, ModelFiles, ModelId, ModelName};

use crate::blobs::{BlobStore, Pins};
use crate::directory::Directory;
use crate::files::StoredModelFiles;
use crate::garbage::{Keep, sweep};
use crate::metadata::Metadata;
use crate::{
    BlobPin, BlobReader, BlobWriter, Garbage, NewFile, NewModel, RegisteredModel, RegistryConfig, RegistryError,
    StoredFile,
};

/// Bytes of a document at most.
const MAX_DOCUMENT: usize = 64 << 20;
/// Bytes of a document's kind or key at most.
const MAX_KEY: usize = 1024;

/// What becomes of one document in a change of several.
#[derive(Clone, Debug)]
pub struct DocumentChange {
    /// Kind of the document.
    pub kind: &'static str,
    /// Its key.
    pub key: String,
    /// Its new content; `None` removes it, also where there is none.
    pub bytes: Option<Vec<u8>>,
}

/// An open data directory. All calls block; share it as `Arc<Registry>`.
pub struct Registry {
    blobs: Arc<BlobStore>,
    pins: Arc<Pins>,
    metadata: Metadata,
    config: RegistryConfig,
    // Last, so that the lock outlives the open files.
    directory: Directory,
}

impl Registry {
    /// Opens a data directory with the default settings; makes it where it is missing.
    ///
    /// # Errors
    /// `InUse`, `FormatTooNew`, `MetadataDamaged`, `DiskFull`, `NotPermitted`, `Io`.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, RegistryError> {
        Self::open_with(dir, RegistryConfig::default())
    }

    /// Opens a data directory; see [`Registry::open`].
    ///
    /// # Errors
    /// Those of [`Registry::open`].
    pub fn open_with(dir: impl AsRef<Path>, config: RegistryConfig) -> Result<Self, RegistryError> {
        let directory = Directory::open(dir.as_ref())?;
        let metadata = Metadata::open(directory.root())?;
        let blobs = Arc::new(BlobStore::open(&directory));
        Ok(Self { blobs, pins: Arc::default(), metadata, config, directory })
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.directory.root()
    }

    /// Where unfinished things lie; nothing in it outlives the process.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.directory.incoming()
    }

    /// Begins to store content.
    ///
    /// # Errors
    /// `DiskFull`, `NotPermitted`, `Io`.
    pub fn blob_writer(&self) -> Result<BlobWriter, RegistryError> {
        self.blobs.writer()
    }

    /// Length of stored content in bytes; `None` where it is not stored.
    ///
    /// # Errors
    /// `NotPermitted`, `Io`.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        self.blobs.size(digest)
    }

    /// Opens content as a verified stream.
    ///
    /// # Errors
    /// `BlobMissing`, `BlobDamaged`, `NotPermitted`, `Io`.
    pub fn open_blob(&self, digest: &Digest) -> Result<BlobReader, RegistryError> {
        self.blobs.reader(digest)
    }

    /// Reads content whole and verified, for what fits in memory.
    ///
    /// # Errors
    /// Those of [`Registry::open_blob`].
    pub fn read_blob(&self, digest: &Digest) -> Result<Bytes, RegistryError> {
        self.blobs.read(digest)
    }

    /// Where content lies, stored or not; for consumers that open files themselves, after [`Registry::verify_blob`].
    /// The file is read-only by agreement: a changed byte makes it damaged.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs.path(digest)
    }

    /// Verifies content and returns its path. A positive verdict is kept for the life of the process, as long as the
    /// file's time, length and inode stay.
    ///
    /// # Errors
    /// Those of [`Registry::open_blob`].
    pub fn verify_blob(&self, digest: &Digest) -> Result<PathBuf, RegistryError> {
        self.blobs.verify(digest)
    }

    /// Keeps content from being collected as garbage until the pin is dropped, stored already or not.
    #[must_use]
    pub fn pin(&self, digest: &Digest) -> BlobPin {
        let _shared = self.blobs.shelf.read();
        self.pins.pin(*digest)
    }

    /// Registers a model under the next version of its name. Durable when it returns.
    ///
    /// # Errors
    /// `Path`, `NoFiles`, `Limit`; `BlobMissing` or `BlobDamaged` where a file's content is not stored or no longer
    /// intact; those of the disk.
    pub fn register(&self, model: NewModel) -> Result<RegisteredModel, RegistryError> {
        model.check()?;
        // Content of this process's uploads is known to be intact; older content is checked here rather than at the
        // first load.
        model.files.iter().try_for_each(|file| self.blobs.verify(&file.digest).map(drop))?;
        let _shared = self.blobs.shelf.read();
        let mut files = model.files.iter().map(|file| self.stored(file)).collect::<Result<Vec<_>, _>>()?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let created = self.config.clock.wall().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let id = ModelId { name: model.name, version: 0 };
        self.metadata.insert(RegisteredModel { id, description: model.description, tags: model.tags, created, files })
    }

    /// All models, sorted by name and version.
    ///
    /// # Errors
    /// `MetadataDamaged`, `Metadata`.
    pub fn models(&self) -> Result<Vec<RegisteredModel>, RegistryError> {
        self.metadata.models()
    }

    /// One version of a model.
    ///
    /// # Errors
    /// `NameMissing`, `ModelMissing` naming the versions there are, `MetadataDamaged`, `Metadata`.
    pub fn model(&self, id: &ModelId) -> Result<RegisteredModel, RegistryError> {
        match self.metadata.model(id)? {
            Some(model) => Ok(model),
            None => Err(self.no_such_model(id)?),
        }
    }

    /// The highest registered version of a model.
    ///
    /// # Errors
    /// `NameMissing`, `MetadataDamaged`, `Metadata`.
    pub fn latest(&self, name: &ModelName) -> Result<RegisteredModel, RegistryError> {
        let latest = self.metadata.versions(name)?.pop();
        latest.ok_or_else(|| RegistryError::NameMissing { name: name.clone() })
    }

    /// Removes a model's metadata, durably; its version is never given again. Its content goes with the next
    /// [`Registry::collect_garbage`], since only the caller knows what running services still use.
    ///
    /// # Errors
    /// Those of [`Registry::model`] and of the disk.
    pub fn delete_model(&self, id: &ModelId) -> Result<(), RegistryError> {
        if self.metadata.remove(id)? { Ok(()) } else { Err(self.no_such_model(id)?) }
    }

    /// The files of a model.
    ///
    /// # Errors
    /// Those of [`Registry::model`].
    pub fn model_files(&self, id: &ModelId) -> Result<Arc<dyn ModelFiles>, RegistryError> {
        Ok(Arc::new(StoredModelFiles::new(self.model(id)?, Arc::clone(&self.blobs))))
    }

    /// Writes a document, replacing one of the same kind and key. Durable when it returns.
    ///
    /// # Errors
    /// `Limit` above 64 MiB of content or 1024 bytes of kind or key; those of the disk.
    pub fn put_document(&self, kind: &str, key: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        check_document(kind, key, bytes)?;
        self.metadata.put_document(kind, key, bytes)
    }

    /// Writes and removes several documents in one step: all of it is durable when it returns, or none of it happens, also
    /// where the process is killed.
    ///
    /// # Errors
    /// Those of [`Registry::put_document`].
    pub fn change_documents(&self, changes: &[DocumentChange]) -> Result<(), RegistryError> {
        for DocumentChange { kind, key, bytes } in changes {
            check_document(kind, key, bytes.as_deref().unwrap_or_default())?;
        }
        self.metadata.change_documents(changes)
    }

    /// One document; `None` where there is none.
    ///
    /// # Errors
    /// `MetadataDamaged`, `Metadata`.
    pub fn document(&self, kind: &str, key: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        self.metadata.document(kind, key)
    }

    /// All documents of a kind as (key, bytes), sorted by key.
    ///
    /// # Errors
    /// `MetadataDamaged`, `Metadata`.
    pub fn documents(&self, kind: &str) -> Result<Vec<(String, Vec<u8>)>, RegistryError> {
        self.metadata.documents(kind)
    }

    /// Removes a document, durably; whether there was one.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete_document(&self, kind: &str, key: &str) -> Result<bool, RegistryError> {
        self.metadata.delete_document(kind, key)
    }

    /// Removes content that no model refers to, that is not in `keep` (what services and documents use), not pinned,
    /// and older than [`RegistryConfig::upload_grace`].
    ///
    /// # Errors
    /// `MetadataDamaged`, `Metadata`, `NotPermitted`, `Io`; what was removed until then stays removed.
    pub fn collect_garbage(&self, keep: &BTreeSet<Digest>) -> Result<Garbage, RegistryError> {
        // No model can begin to refer to a blob between the look at the references and the removal.
        let _exclusive = self.blobs.shelf.write();
        let models = self.metadata.models()?;
        let in_models = models.iter().flat_map(|model| model.files.iter().map(|file| file.digest));
        let keep = Keep {
            referenced: in_models.chain(self.pins.digests()).collect(),
            by_caller: keep,
            grace: self.config.upload_grace,
            now: self.config.clock.wall(),
        };
        let mut garbage = Garbage::default();
        for folder in self.shards()? {
            sweep(&folder, &keep, &mut garbage)?;
        }
        sweep(self.blobs.damaged(), &keep, &mut garbage)?;
        Ok(garbage)
    }

    fn shards(&self) -> Result<Vec<PathBuf>, RegistryError> {
        let root = self.blobs.root();
        let failed = |error| RegistryError::io("list content", root, error);
        let entries = fs::read_dir(root).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
    }

    fn stored(&self, file: &NewFile) -> Result<StoredFile, RegistryError> {
        let size = self.blobs.size(&file.digest)?.ok_or(RegistryError::BlobMissing { digest: file.digest })?;
        Ok(StoredFile { path: file.path.clone(), digest: file.digest, size })
    }

    /// The error for a model that is not there.
    fn no_such_model(&self, id: &ModelId) -> Result<RegistryError, RegistryError> {
        let versions: Vec<u32> = self.metadata.versions(&id.name)?.iter().map(|model| model.id.version).collect();
        if versions.is_empty() {
            return Ok(RegistryError::NameMissing { name: id.name.clone() });
        }
        Ok(RegistryError::ModelMissing { id: id.clone(), versions })
    }
}

fn check_document(kind: &str, key: &str, bytes: &[u8]) -> Result<(), RegistryError> {
    for (what, actual, limit) in [
        ("bytes in a document's kind", kind.len(), MAX_KEY),
        ("bytes in a document's key", key.len(), MAX_KEY),
        ("bytes in a document", bytes.len(), MAX_DOCUMENT),
    ] {
        if actual > limit {
            return Err(RegistryError::Limit { what, actual, limit });
        }
    }
    Ok(())
}
