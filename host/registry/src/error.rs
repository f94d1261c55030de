//! What goes wrong in the registry.

use std::io;
use std::path::{Path, PathBuf};

use scorehost_core::{Digest, ErrorKind, Failure, ModelId, ModelName};

use crate::PathError;

/// Errors of the registry. Paths of the machine are in the variants for the operator, never in the public message of
/// the [`Failure`] (but for the directory that the operator named).
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Another process has the data directory open.
    #[error("data directory '{}' is in use by another process{}", dir.display(), pid_text(*.pid))]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The process, where its lock file says so.
        pid: Option<u32>,
    },
    /// A later release wrote the directory.
    #[error("data directory '{}' has format {found}; this release knows formats up to {known}", dir.display())]
    FormatTooNew {
        /// The directory.
        dir: PathBuf,
        /// Format found.
        found: u64,
        /// Latest format that this release reads.
        known: u64,
    },
    /// The metadata file cannot be read.
    #[error("the registry's metadata is damaged: {cause}")]
    MetadataDamaged {
        /// What the storage engine or the decoder said.
        cause: String,
    },
    /// The storage engine failed.
    #[error("the registry's metadata failed")]
    Metadata(#[source] redb::Error),
    /// No space left on the device, or a quota or the process's limit on file sizes is reached.
    #[error("no space left to {action}")]
    DiskFull {
        /// What was tried.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The process may not read or write there.
    #[error("not permitted to {action} at '{}'", path.display())]
    NotPermitted {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} at '{}'", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The bytes are not those that the digest promised.
    #[error("the content has the digest {actual}, expected {expected}")]
    DigestMismatch {
        /// What the caller said.
        expected: Digest,
        /// What the bytes are.
        actual: Digest,
    },
    /// Stored content no longer has its digest.
    #[error("the stored content {digest} is damaged")]
    BlobDamaged {
        /// The content.
        digest: Digest,
    },
    /// No such content is stored.
    #[error("no content {digest} is stored")]
    BlobMissing {
        /// The content.
        digest: Digest,
    },
    /// No such version of a model.
    #[error("model '{id}' is not registered; versions of '{}': {}", id.name, list(versions))]
    ModelMissing {
        /// What was asked for.
        id: ModelId,
        /// Versions there are.
        versions: Vec<u32>,
    },
    /// No version of a model.
    #[error("no model '{name}' is registered")]
    NameMissing {
        /// What was asked for.
        name: ModelName,
    },
    /// The model has no such file.
    #[error("model '{id}' has no file '{path}'; it has: [{}]", files.join(", "))]
    FileMissing {
        /// The model.
        id: ModelId,
        /// What was asked for.
        path: String,
        /// Files there are; the first 20.
        files: Vec<String>,
    },
    /// A path that a model file may not have.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A model without files.
    #[error("model '{name}' has no files; a model needs at least one")]
    NoFiles {
        /// The model.
        name: ModelName,
    },
    /// More than the registry keeps.
    #[error("{actual} {what}; the limit is {limit}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        actual: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The name has used up its versions.
    #[error("model '{name}' has no version numbers left")]
    VersionsUsedUp {
        /// The model.
        name: ModelName,
    },
}

impl RegistryError {
    /// Sorts an error of the file system by what the operator can do about it.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_owned();
        match source.kind() {
            kind if no_space(kind) => Self::DiskFull { action, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotPermitted { action, path, source }
            }
            _ => Self::Io { action, path, source },
        }
    }
}

impl From<redb::Error> for RegistryError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Corrupted(cause) => Self::MetadataDamaged { cause },
            redb::Error::Io(source) => match source.kind() {
                kind if no_space(kind) => Self::DiskFull { action: "write metadata", source },
                io::ErrorKind::InvalidData => Self::MetadataDamaged { cause: source.to_string() },
                _ => Self::Metadata(redb::Error::Io(source)),
            },
            other => Self::Metadata(other),
        }
    }
}

/// For the errors of [`crate::BlobReader`] and [`crate::BlobWriter`] as `io::Read` and `io::Write`.
impl From<io::Error> for RegistryError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) => Self::io("read or write content", "", error),
        }
    }
}

impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> Self {
        let kind = match &error {
            RegistryError::BlobDamaged { .. } => io::ErrorKind::InvalidData,
            RegistryError::BlobMissing { .. } => io::ErrorKind::NotFound,
            RegistryError::DiskFull { .. } => io::ErrorKind::StorageFull,
            RegistryError::NotPermitted { .. } => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let failure = Self::new(kind(&error), message(&error)).with_detail(chain(&error));
        match hint(&error) {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

/// The device is full, or a quota or the process's limit on file sizes is reached: more room is the remedy of all three.
fn no_space(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

fn kind(error: &RegistryError) -> ErrorKind {
    use RegistryError as E;
    match error {
        E::ModelMissing { .. } | E::NameMissing { .. } | E::FileMissing { .. } | E::BlobMissing { .. } => {
            ErrorKind::NotFound
        }
        E::DigestMismatch { .. } | E::Path(_) | E::NoFiles { .. } => ErrorKind::InvalidInput,
        E::Limit { .. } => ErrorKind::TooLarge,
        E::InUse { .. } | E::DiskFull { .. } => ErrorKind::Unavailable,
        E::VersionsUsedUp { .. } => ErrorKind::Conflict,
        E::FormatTooNew { .. } => ErrorKind::Unsupported,
        E::MetadataDamaged { .. } | E::Metadata(_) | E::NotPermitted { .. } | E::Io { .. } | E::BlobDamaged { .. } => {
            ErrorKind::Internal
        }
    }
}

/// The public message: the error's own text, but for the variants that name paths or the storage engine's words.
fn message(error: &RegistryError) -> String {
    use RegistryError as E;
    match error {
        E::NotPermitted { action, .. } => format!("the host is not permitted to {action} in its data directory"),
        E::Io { action, .. } => format!("the host cannot {action} in its data directory"),
        E::MetadataDamaged { .. } => "the registry's metadata is damaged".to_owned(),
        other => other.to_string(),
    }
}

fn hint(error: &RegistryError) -> Option<&'static str> {
    use RegistryError as E;
    Some(match error {
        E::InUse { .. } => "stop the other process, or name another --data-dir",
        E::FormatTooNew { .. } => "use the release that wrote it, or a later one",
        E::MetadataDamaged { .. } | E::Metadata(_) => {
            "see the host's log; where the file is damaged, restore metadata.redb from a backup"
        }
        E::DiskFull { .. } => "nothing was stored; free space on the host's data directory and send the request again",
        E::NotPermitted { .. } => "let the host's user read and write its data directory",
        E::DigestMismatch { .. } => "the content changed or was cut off on its way; send it again",
        E::BlobDamaged { .. } => "register the same files again, which replaces the damaged content",
        E::BlobMissing { .. } => "send the content before what refers to it",
        _ => return None,
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

fn list(versions: &[u32]) -> String {
    if versions.is_empty() {
        return "none".to_owned();
    }
    versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
