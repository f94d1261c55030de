//! The store in one data directory: models, components, and the documents that describe what should run.
//!
//! In: bytes, file lists, small documents. Out: verified bytes, and metadata that survives `kill -9` once a call has
//! returned. Content is addressed by its SHA-256 and kept once, however many models share it.
//!
//! Every call blocks (it waits for the disk); callers on an asynchronous runtime use `spawn_blocking`.
//! `docs/reference/data-directory.md` describes the files.
//!
//! Deliberately not here: what a document means, which digests running services still need (the caller of
//! [`Registry::collect_garbage`] says so), loading of models, HTTP.

#![deny(missing_docs)]

mod blobs;
mod config;
mod directory;
mod error;
mod files;
mod folder;
#[doc(hidden)]
pub mod fuzzing;
mod garbage;
mod metadata;
mod model;
mod path;
mod registry;

pub use blobs::{BlobPin, BlobReader, BlobWriter};
pub use config::RegistryConfig;
pub use error::RegistryError;
pub use folder::LaidOut;
pub use garbage::Garbage;
pub use model::{NewFile, NewModel, RegisteredModel, StoredFile};
pub use path::{PathError, check_path, check_paths};
pub use registry::{DocumentChange, Registry};
