//! The access log: one line per answered request, in text or JSON, written by a thread of its own.
//!
//! A request that is logged pays for forming its line and for copying it into its core's buffer; the writer empties the
//! buffers twenty times a second. Lines that find their buffer full are dropped and counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use scorehost_core::{ErrorKind, ServiceName};

mod line;
mod sink;
mod writer;

pub use sink::Sink;

use crate::outbox::OutboxCounts;
use writer::Buffers;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// `key=value`, for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// When it came.
    pub time: SystemTime,
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
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body; `None` where they are not known at its head.
    pub bytes_out: Option<u64>,
    /// The request's id; empty where neither side gave it one.
    pub request_id: &'a str,
    /// The trace that it is part of.
    pub trace_id: Option<u128>,
    /// The service and its version.
    pub service: Option<(&'a ServiceName, &'a str)>,
    /// Who called, where somebody was asked.
    pub caller: Option<&'a str>,
    /// Address of the other end of the connection.
    pub peer: IpAddr,
    /// Why it failed.
    pub kind: Option<ErrorKind>,
    /// Waiting for a replica.
    pub queue: Duration,
    /// The scorer or the model.
    pub compute: Duration,
}

/// An access log that is being written.
pub struct AccessLog {
    format: AccessFormat,
    buffers: Arc<Buffers>,
    dropped: AtomicU64,
}

impl AccessLog {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread does not start.
    pub fn start(format: AccessFormat, sink: Sink) -> std::io::Result<Self> {
        Ok(Self { format, buffers: Buffers::start(sink)?, dropped: AtomicU64::new(0) })
    }

    /// Writes a line, or drops and counts it.
    pub fn record(&self, access: &Access<'_>) {
        if !line::with(self.format, access, |line| self.buffers.append(line)) {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Writes what is in the buffers; returns when it is written.
    pub fn flush(&self) {
        self.buffers.flush();
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn counts(&self) -> OutboxCounts {
        let (sent, failed) = self.buffers.counts();
        OutboxCounts { sent, dropped: self.dropped.load(Relaxed), failed }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.buffers.end();
    }
}

#[cfg(test)]
mod tests;
