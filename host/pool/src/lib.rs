//! The life of a service's replicas: created, lent to one call at a time, taken back, retired and replaced.
//!
//! In: a [`scorehost_core::ReplicaFactory`] and bounds. Out: lent replicas ([`Lent`]) and the signals that decide how
//! many there should be ([`PoolLoad`]). Callers wait in a bounded line, by priority; those who would wait in vain are
//! told so at once. Deliberately not here: what a replica does (`scorer`), how many there should
//! be (an autoscaler calls [`Pool::resize`]), and what a refused caller is told of its service (`router`).

mod config;
mod creation;
mod error;
mod lent;
mod load;
mod pool;
mod state;
mod waiting;

pub use config::PoolConfig;
pub use error::PoolError;
pub use lent::Lent;
pub use load::PoolLoad;
pub use pool::{Pool, WhenShort};
pub use state::PoolSignals;
pub use waiting::Want;
