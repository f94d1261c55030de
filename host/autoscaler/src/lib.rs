//! How many replicas there should be: pure functions of what a service does, its policy and the time.
//!
//! In: signals of a service ([`Signals`]), its bounds and aim ([`Policy`]), what all services need and what the host has
//! ([`Need`], [`Budget`]). Out: numbers of replicas. [`simulator`] replays made-up traffic against this rule and two others,
//! and [`size`] computes how many replicas a known load needs. Moments are durations since any fixed moment.
//!
//! Deliberately not here: reading signals and changing pools (the assembly does both), clocks, randomness without a seed,
//! and nodes of a cluster: this room decides about replicas only.

mod budget;
mod history;
mod policy;
pub mod simulator;
mod sizing;

pub use budget::{Budget, Need, Resource, share, shortage, spare};
pub use history::History;
pub use policy::{Policy, Signals, decide};
pub use sizing::{Sizing, size};
