//! Facts about the request being handled, asked for one by one: what is not asked for costs nothing.

use std::time::Duration;

use crate::bindings::scorer::scorehost::scoring::context as host;

/// The request's id; empty inside `init`.
#[must_use]
pub fn request_id() -> String {
    host::request_id()
}

/// The service's name.
#[must_use]
pub fn service() -> String {
    host::service()
}

/// The service's version.
#[must_use]
pub fn version() -> String {
    host::version()
}

/// First value of a request header; names are compared without case.
#[must_use]
pub fn header(name: &str) -> Option<String> {
    host::header(name)
}

/// All request headers.
#[must_use]
pub fn headers() -> Vec<(String, String)> {
    host::headers()
}

/// Time until the host stops this call; `None` without a limit.
#[must_use]
pub fn remaining() -> Option<Duration> {
    host::remaining().map(Duration::from_nanos)
}

/// A variable of the deployment (`environmentVariables`).
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    host::variable(name)
}
