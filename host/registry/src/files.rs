//! The files of one model, as other rooms read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{Digest, ErrorKind, Failure, ModelFiles, ModelId};

use crate::blobs::BlobStore;
use crate::{RegisteredModel, RegistryError};

/// Files that an error names at most.
const NAMED_FILES: usize = 20;

/// The files of a registered model.
pub(crate) struct StoredModelFiles {
    id: ModelId,
    files: BTreeMap<String, Digest>,
    store: Arc<BlobStore>,
}

impl StoredModelFiles {
    pub(crate) fn new(model: RegisteredModel, store: Arc<BlobStore>) -> Self {
        let files = model.files.into_iter().map(|file| (file.path, file.digest)).collect();
        Self { id: model.id, files, store }
    }

    fn missing(&self, path: &str) -> RegistryError {
        let files = self.files.keys().take(NAMED_FILES).cloned().collect();
        RegistryError::FileMissing { id: self.id.clone(), path: path.to_owned(), files }
    }
}

impl ModelFiles for StoredModelFiles {
    fn paths(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn read(&self, path: &str) -> Result<Bytes, Failure> {
        let digest = self.files.get(path).ok_or_else(|| self.missing(path))?;
        self.store.read(digest).map_err(|error| match error {
            // Metadata that refers to content which is gone is a fault of the host, not of the caller.
            RegistryError::BlobMissing { digest } => Failure::new(
                ErrorKind::Internal,
                format!("the content {digest} of file '{path}' of model '{}' is gone", self.id),
            )
            .with_hint("register the same files again"),
            error => error.into(),
        })
    }
}
