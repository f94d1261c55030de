//! How much outgoing HTTP there was.

use std::sync::atomic::{AtomicU64, Ordering};

use scorehost_core::ServiceName;

/// Outgoing requests of one version of a service since it was deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundUse {
    /// The service.
    pub service: ServiceName,
    /// Its version.
    pub version: String,
    /// Requests that got a response, whatever its status.
    pub answered: u64,
    /// Requests that went out, or tried to, and got no response.
    pub failed: u64,
    /// Requests that a rule or a limit kept from going out.
    pub refused: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
}

/// The same as it is counted.
#[derive(Debug)]
pub(crate) struct Counters {
    service: ServiceName,
    version: String,
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) received: AtomicU64,
}

impl Counters {
    pub(crate) fn new(service: ServiceName, version: &str) -> Self {
        let version = version.to_owned();
        let (answered, failed) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { service, version, answered, failed, refused: AtomicU64::new(0), received: AtomicU64::new(0) }
    }

    pub(crate) fn shown(&self) -> OutboundUse {
        OutboundUse {
            service: self.service.clone(),
            version: self.version.clone(),
            answered: self.answered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            received_bytes: self.received.load(Ordering::Relaxed),
        }
    }
}
