//! Models as they are registered, and how they are written down.

use std::collections::BTreeMap;

use scorehost_core::{Digest, ModelId, ModelName};
use serde::{Deserialize, Serialize};

use crate::{RegistryError, check_paths};

/// Files of one model at most.
const MAX_FILES: usize = 100_000;
/// Bytes of a description at most.
const MAX_DESCRIPTION: usize = 64 << 10;
/// Tags of one model at most.
const MAX_TAGS: usize = 1000;
/// Bytes of a tag's key and value together at most.
const MAX_TAG: usize = 8 << 10;

/// A model to register. Its blobs are stored already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewModel {
    /// Name; the registry gives the version.
    pub name: ModelName,
    /// Free text.
    pub description: String,
    /// Free keys and values.
    pub tags: BTreeMap<String, String>,
    /// At least one file.
    pub files: Vec<NewFile>,
}

/// A file of a model to register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Path below the model's folder; see [`crate::check_path`].
    pub path: String,
    /// Its stored content.
    pub digest: Digest,
}

/// A registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredModel {
    /// Name and version.
    pub id: ModelId,
    /// Free text.
    pub description: String,
    /// Free keys and values.
    pub tags: BTreeMap<String, String>,
    /// Seconds since 1970-01-01 UTC.
    pub created: u64,
    /// Files sorted by path.
    pub files: Vec<StoredFile>,
}

/// A file of a registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Path below the model's folder, `/`-separated.
    pub path: String,
    /// Its content.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
}

impl NewModel {
    /// Checks what needs no store: paths and bounds.
    pub(crate) fn check(&self) -> Result<(), RegistryError> {
        if self.files.is_empty() {
            return Err(RegistryError::NoFiles { name: self.name.clone() });
        }
        let longest_tag = self.tags.iter().map(|(key, value)| key.len() + value.len()).max().unwrap_or(0);
        bound("files", self.files.len(), MAX_FILES)?;
        bound("bytes of description", self.description.len(), MAX_DESCRIPTION)?;
        bound("tags", self.tags.len(), MAX_TAGS)?;
        bound("bytes in one tag", longest_tag, MAX_TAG)?;
        Ok(check_paths(self.files.iter().map(|file| file.path.as_str()))?)
    }
}

fn bound(what: &'static str, actual: usize, limit: usize) -> Result<(), RegistryError> {
    if actual > limit { Err(RegistryError::Limit { what, actual, limit }) } else { Ok(()) }
}

/// The stored form of a model; name and version are its key.
#[derive(Serialize, Deserialize)]
struct Record {
    description: String,
    tags: BTreeMap<String, String>,
    created: u64,
    files: Vec<FileRecord>,
}

#[derive(Serialize, Deserialize)]
struct FileRecord {
    path: String,
    digest: String,
    size: u64,
}

impl RegisteredModel {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let file = |file: &StoredFile| FileRecord {
            path: file.path.clone(),
            digest: file.digest.to_string(),
            size: file.size,
        };
        let record = Record {
            description: self.description.clone(),
            tags: self.tags.clone(),
            created: self.created,
            files: self.files.iter().map(file).collect(),
        };
        serde_json::to_vec(&record).expect("a record of texts and numbers is always JSON")
    }

    pub(crate) fn decode(name: &str, version: u32, bytes: &[u8]) -> Result<Self, RegistryError> {
        let damaged = |cause: &dyn std::fmt::Display| RegistryError::MetadataDamaged {
            cause: format!("record of model '{name}:{version}': {cause}"),
        };
        let record: Record = serde_json::from_slice(bytes).map_err(|error| damaged(&error))?;
        let name = name.parse().map_err(|error| damaged(&error))?;
        let file = |file: FileRecord| {
            let digest = file.digest.parse().map_err(|error| damaged(&error))?;
            Ok(StoredFile { path: file.path, digest, size: file.size })
        };
        let files = record.files.into_iter().map(file).collect::<Result<_, RegistryError>>()?;
        let id = ModelId { name, version };
        Ok(Self { id, description: record.description, tags: record.tags, created: record.created, files })
    }
}
