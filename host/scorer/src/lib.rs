//! Scorers in their sandbox: compile a component once, make replicas of it, call them, stop them.
//!
//! In: component bytes, and per deployment an [`Environment`] (models, variables, grants, log and collection sinks). Out:
//! a [`scorehost_core::ReplicaFactory`] whose replicas turn tensors into tensors, or a request body into a response, and
//! [`inspect`], which says what a component can reach without running it. A guest that traps, loops, eats memory or
//! floods its log costs one request and one replica, never the process.
//!
//! Deliberately not here: how many replicas there are and who gets one (`pool`), HTTP and its status codes (`ingress`),
//! batching and devices (behind [`scorehost_core::Model`]). This is the only room that runs `bindgen!` on the host side.

mod advisories;
mod bindings;
mod cache;
mod command;
mod contract;
mod dependencies;
mod deployed;
mod engine;
mod environment;
mod error;
mod factory;
mod fault;
mod handler;
mod host;
mod imports;
mod inspect;
mod journal;
mod limits;
mod linker;
mod lower;
mod outbound;
mod replica;
mod residency;
mod sandbox;
mod signature;
mod slab;
mod state;
mod stdio;
mod ticker;
mod wasi;

pub use advisories::{Advisories, AdvisoryError, Finding, Severity};
pub use bindings::World;
pub use dependencies::Dependency;
pub use engine::{Engine, EngineConfig};
pub use environment::Environment;
pub use error::ScorerError;
pub use factory::Scorer;
pub use imports::Need;
pub use inspect::{Capability, Inspection, Tool, inspect};
pub use outbound::{OutboundConfig, OutboundUse, Resolver, SystemResolver};
pub use signature::{PrivateKey, PublicKey, Signature, SignatureError, verify};
