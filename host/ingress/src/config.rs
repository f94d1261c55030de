//! What an operator can set.

mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

pub use tls::{ClientCertificates, TlsConfig, TlsVersion};

use crate::IngressError;
use crate::server::Tls;

/// Addresses, threads, limits and timeouts of the doors.
#[derive(Clone, Debug)]
pub struct IngressConfig {
    /// Address of the HTTP door; port 0 takes any free port.
    pub http: SocketAddr,
    /// Address of the gRPC door; port 0 takes any free port. Both doors answer both protocols.
    pub grpc: Option<SocketAddr>,
    /// Both doors speak TLS with these files; plain where there are none.
    pub tls: Option<TlsConfig>,
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
            tls: None,
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
    /// A limit of zero, or TLS files that cannot be used.
    pub fn validate(&self) -> Result<(), IngressError> {
        self.limits.validate()?;
        if let Some(tls) = &self.tls {
            Tls::load(tls.clone(), SystemTime::now())?;
        }
        Ok(())
    }

    /// Addresses that others on the network can reach, and whose traffic they can read: beyond loopback, without TLS.
    pub fn exposed(&self) -> impl Iterator<Item = SocketAddr> {
        let plain = self.tls.is_none();
        std::iter::once(self.http).chain(self.grpc).filter(move |address| plain && !address.ip().is_loopback())
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
    /// From a connection's start to the end of its TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its headers.
    pub header: Duration,
    /// Between two pieces of a request body.
    pub body: Duration,
    /// For requests in flight when the host shuts down.
    pub drain: Duration,
}

impl Default for Timeouts {
    /// 120 s idle, 10 s of handshake, 20 s of headers, 60 s between pieces of a body, 30 s of draining.
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(120),
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(20),
            body: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}
