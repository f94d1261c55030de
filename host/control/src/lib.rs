//! The management API: models, services and operations, from HTTP to desired state.
//!
//! In: requests below `/management/v1` ([`Control::handle`]), `deploymentconfig.json` ([`files`]), load and unload of the Open Inference Protocol ([`scorehost_core::Repository`]). Out: objects in the
//! registry, and the [`desired::Board`] that the assembly's reconciler realises and reports upon. The command line's
//! side of the same API is [`client`].
//!
//! Deliberately not here: HTTP status codes (`ingress` maps failures), whether a credential is good (`auth`), and anything that loads,
//! compiles or runs: control writes what should be and waits to hear that it is.

mod access;
mod blobs;
mod body;
mod calls;
mod catalog;
pub mod client;
mod comparison;
mod config;
mod credentials;
mod deploy;
pub mod desired;
mod document;
mod endpoint;
mod error;
mod execution;
mod facts;
pub mod files;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod logs;
mod merge;
mod models;
mod operations;
mod plan;
mod recordings;
mod reports;
mod repository;
mod respond;
mod restore;
mod routes;
mod services;
mod show;
mod traffic;
pub mod wire;

pub use access::NewKey;
pub use body::{Body, BodyError};
pub use config::ControlConfig;
pub use error::ControlError;
pub use facts::Facts;
pub use gate::Gate;
pub use logs::{LogFeed, LogTail, ServiceLogs};
pub use recordings::Recordings;
pub use reports::{Difference, Latency, LiveReplicas, Reports, VersionReport};
pub use services::{Control, Neighbours};

#[cfg(test)]
mod tests;
