//! One structured line per request.

use std::time::Duration;

use tracing::Level;

/// `tracing` target of access lines; an `env-filter` such as `access=off` silences them.
pub const TARGET: &str = "access";

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Door it came through, such as `http` or `grpc`.
    pub protocol: &'static str,
    /// Service asked for; empty where the request named none.
    pub service: &'a str,
    /// HTTP status or gRPC code of the answer.
    pub status: u16,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// The request's id.
    pub request_id: &'a str,
}

/// Whether a subscriber wants access lines; ask before measuring anything for one.
#[must_use]
pub fn enabled() -> bool {
    tracing::enabled!(target: TARGET, Level::INFO)
}

/// Writes the line; does nothing where no subscriber wants it.
pub fn record(access: &Access<'_>) {
    tracing::event!(
        target: TARGET,
        Level::INFO,
        protocol = access.protocol,
        service = access.service,
        status = access.status,
        duration_us = u64::try_from(access.duration.as_micros()).unwrap_or(u64::MAX),
        request_id = access.request_id,
    );
}
