//! From a service's name to its answer: the table of services, the choice of a version, admission, the queue, deadlines
//! and statistics.
//!
//! In: versions of services and their traffic, put by the assembly; requests from `ingress` by service name. Out: answers,
//! or failures that name the service; copies of requests for shadow versions. A no-code service calls its model; a service
//! with a scorer borrows a replica from its pool, on the caller's thread while its calls are short and on the fair
//! executor when they are long. Deliberately not here: wire formats, status codes, who the caller is, and how replicas are
//! made.

mod admission;
mod cache;
mod deadline;
pub mod difference;
mod endpoint;
mod error;
mod executor;
#[cfg(test)]
mod fakes;
mod metered;
mod router;
mod service;
mod shadow;

pub use cache::CacheSignals;
pub use error::RouteError;
pub use executor::Executor;
pub use router::Router;
pub use service::{RoutedService, Runtime, ServiceSignals, ServiceVersion};
pub use shadow::Mirror;
