//! Calls to loaded graphs: checked, run on the caller's thread while they are short, handed to workers when they are long, and merged there.
//!
//! In: a [`scorehost_core::Graph`] from `device` and the tensors of a call. Out: a [`scorehost_core::Model`] that
//! scorers and no-code services call. Long calls of all services wait in one line, by what each service has used; a worker that takes
//! one takes along what else can run with it, whichever replica, version or service it is of. How large such a batch may be follows from
//! what runs of each size were measured to take ([`CostCurve`]). Deliberately not here: which
//! device a graph runs on, whether dimension 0 of it is a batch (`graph` and the operator know), where settings come from.

mod batch;
mod call;
mod config;
mod curve;
mod customer;
mod dispatcher;
mod error;
mod forming;
mod gather;
mod lane;
mod model;
mod rows;
mod workers;

pub use config::{BatchConfig, QueueLimits, RowsFrom};
pub use curve::{Bounds, CostCurve};
pub use customer::Caller;
pub use dispatcher::{Deployed, DispatchConfig, DispatchSignals, Dispatcher};
pub use error::DispatchError;
