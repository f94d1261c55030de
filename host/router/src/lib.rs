//! From a service's name to its answer: the table of services, admission, the queue, deadlines and statistics.
//!
//! In: services put by the assembly, requests from `ingress` by service name. Out: answers, or failures that name the
//! service. A no-code service calls its model; a service with a scorer borrows a replica from its pool, on the caller's
//! thread while its calls are short and on the worker runtime when they are long. Deliberately not here: wire formats,
//! status codes, who the caller is, and how replicas are made.

mod admission;
mod deadline;
mod error;
mod metered;
mod router;
mod service;

pub use error::RouteError;
pub use router::Router;
pub use service::{RoutedService, Runtime, ServiceSignals, ServiceVersion};
