//! One structured line per request.

use std::time::Duration;

use tracing::Level;

/// `tracing` target of access lines, which are of level DEBUG: the filter `info,access=debug` switches them on.
pub const TARGET: &str = "access";

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Door it came through, such as `http` or `grpc`.
    pub protocol: &'static str,
    /// Method of the request.
    pub method: &'a str,
    /// Path of the request, which names the service (HTTP) or the procedure (gRPC).
    pub path: &'a str,
    /// HTTP status or gRPC code of the answer.
    pub status: u16,
    /// From the request's head to the answer's head.
    pub duration: Duration,
    /// The request's id; empty where neither side gave it one.
    pub request_id: &'a str,
}

/// Whether a subscriber wants access lines; ask before measuring anything for one.
#[must_use]
pub fn enabled() -> bool {
    tracing::enabled!(target: TARGET, Level::DEBUG)
}

/// Writes the line; does nothing where no subscriber wants it.
pub fn record(access: &Access<'_>) {
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        protocol = access.protocol,
        method = access.method,
        path = access.path,
        status = access.status,
        duration_us = u64::try_from(access.duration.as_micros()).unwrap_or(u64::MAX),
        request_id = access.request_id,
    );
}
