//! The management API: models, services and operations, from HTTP to desired state.
//!
//! In: requests below `/management/v1` ([`Control::handle`]), `deploymentconfig.json` ([`files`]), load and unload of the Open Inference Protocol ([`scorehost_core::Repository`]). Out: objects in the
//! registry, and the [`desired::Board`] that the assembly's reconciler realises and reports upon. The command line's
//! side of the same API is [`client`].
//!
//! Deliberately not here: HTTP status codes (`ingress` maps failures), who may call (`auth`), and anything that loads,
//! compiles or runs: control writes what should be and waits to hear that it is.

mod blobs;
mod body;
mod catalog;
pub mod client;
mod config;
mod deploy;
pub mod desired;
mod document;
mod error;
mod facts;
pub mod files;
mod logs;
mod models;
mod operations;
mod repository;
mod respond;
mod routes;
mod services;
pub mod wire;

pub use body::{Body, BodyError};
pub use config::ControlConfig;
pub use error::ControlError;
pub use facts::Facts;
pub use logs::{LogFeed, LogTail, ServiceLogs};
pub use services::Control;

#[cfg(test)]
mod tests;
