//! What an operator can set.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::IngressError;

/// Addresses, threads, limits and timeouts of the doors.
#[derive(Clone, Debug)]
pub struct IngressConfig {
    /// Address of the HTTP door; port 0 takes any free port. Loopback only.
    pub http: SocketAddr,
    /// Address of the gRPC door; port 0 takes any free port. Loopback only. Both doors answer both protocols.
    pub grpc: Option<SocketAddr>,
    /// Acceptor threads, each with its own listener and runtime; the machine's cores when `None`.
    pub threads: Option<NonZeroUsize>,
    /// Bounds on what one caller may send.
    pub limits: Limits,
    /// How long a silent or slow connection lives.
    pub timeouts: Timeouts,
    /// Origins that browsers may call the scoring door from; `*` allows all. Empty answers no CORS request.
    pub cors_origins: Vec<String>,
    /// Responses of at least this many bytes are compressed where the caller accepts it.
    pub compress_from: usize,
}

impl Default for IngressConfig {
    /// `127.0.0.1:8080` and `127.0.0.1:8081`, a thread per core, no CORS, compression from 1 KiB on.
    fn default() -> Self {
        Self {
            http: (Ipv4Addr::LOCALHOST, 8080).into(),
            grpc: Some((Ipv4Addr::LOCALHOST, 8081).into()),
            threads: None,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            cors_origins: Vec::new(),
            compress_from: 1 << 10,
        }
    }
}

impl IngressConfig {
    /// Checks everything that can be checked before a port opens.
    ///
    /// # Errors
    /// An address that is not loopback, or a limit of zero.
    pub fn validate(&self) -> Result<(), IngressError> {
        for address in std::iter::once(self.http).chain(self.grpc) {
            if !address.ip().is_loopback() {
                return Err(IngressError::NotLoopback(address));
            }
        }
        self.limits.validate()
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// Bounds on what callers may send; each answers with its own status (see `docs/reference/http.md`).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request body, before and after its content encoding is undone, and of one gRPC message.
    pub body_bytes: u64,
    /// Bytes of the request line and all headers.
    pub header_bytes: usize,
    /// Connections open at once, all threads and doors together.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Inputs, and outputs asked for, of one inference request.
    pub tensors: usize,
}

impl Default for Limits {
    /// 100 MB bodies, 64 KiB headers, 10 000 connections, 256 streams, 1024 tensors.
    fn default() -> Self {
        Self { body_bytes: 100_000_000, header_bytes: 64 << 10, connections: 10_000, streams: 256, tensors: 1024 }
    }
}

impl Limits {
    fn validate(&self) -> Result<(), IngressError> {
        let zero = [
            ("body_bytes", self.body_bytes == 0),
            ("connections", self.connections == 0),
            ("streams", self.streams == 0),
            ("tensors", self.tensors == 0),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, zero)| *zero) {
            return Err(IngressError::ZeroLimit(name));
        }
        // hyper refuses smaller read buffers.
        if self.header_bytes < 8192 { Err(IngressError::HeaderLimit(self.header_bytes)) } else { Ok(()) }
    }
}

/// How long a connection may do nothing. Swept once a second, so each is exact to a second.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// Between requests.
    pub idle: Duration,
    /// From the first byte of a request to the end of its headers.
    pub header: Duration,
    /// Between two pieces of a request body.
    pub body: Duration,
    /// For requests in flight when the host shuts down.
    pub drain: Duration,
}

impl Default for Timeouts {
    /// 120 s idle, 20 s of headers, 60 s between pieces of a body, 30 s of draining.
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(120),
            header: Duration::from_secs(20),
            body: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}
