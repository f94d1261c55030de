//! The doors of the host: HTTP and gRPC on the outside, `scorehost_core` values on the inside.
//!
//! In: bytes on connections. Out: calls of [`Plane`](scorehost_core::Plane),
//! [`Repository`](scorehost_core::Repository) and [`Management`], and their results as wire bodies. This is the only room that
//! knows wire formats and status codes: the Open Inference Protocol v2 over REST and gRPC, and the Azure scoring door.
//! One single-threaded runtime per core answers requests where they arrive; nothing here spawns a task for one request
//! of HTTP/1.1. Deliberately not here: admission, queues, deadlines' enforcement (`router`), who may call (`auth`), and
//! what the management paths mean (`control`).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod access;
mod auth;
mod body;
mod call;
mod config;
mod direct;
mod doors;
mod encoding;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod handler;
mod json;
mod metrics;
mod observe;
mod offload;
mod oip;
mod read;
mod route;
mod score;
mod server;
mod status;
mod terms;

pub use body::Body;
pub use config::{ClientCertificates, IngressConfig, Limits, Timeouts, TlsConfig, TlsVersion};
pub use direct::score_once;
pub use doors::{Counters, Doors, Management, Span, StatisticsSource};
pub use error::IngressError;
pub use metrics::MetricsDoor;
pub use observe::{MetricsSource, MetricsText, Observe, error_answers};
pub use server::{Bound, Certificate, Certificates, Ingress, SelfSigned, TlsError, self_signed};
pub use status::{Status, status_of};
