//! Calls to loaded graphs: checked, run on the caller's thread while they are short, handed to workers when they are long.
//!
//! In: a [`scorehost_core::Graph`] from `device` and the tensors of a call. Out: a [`scorehost_core::Model`] that
//! scorers and no-code services call. Long calls of all services wait in one line, by what each service has used, so
//! that this is the place where calls of several sandboxes can become one batch. Deliberately not here: merging calls (each run is one call), which
//! device a graph runs on, and anything about services.

mod customer;
mod dispatcher;
mod error;
mod lane;
mod model;
mod workers;

pub use dispatcher::{DispatchConfig, DispatchSignals, Dispatcher, QueueLimits};
pub use error::DispatchError;
