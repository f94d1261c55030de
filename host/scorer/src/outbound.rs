//! Outgoing HTTP of scorers (`wasi:http/outgoing-handler`): only to the hosts that the deployment lists, only to addresses
//! that were checked, within the call's time.
//!
//! A request is checked by name, its name is resolved once, the addresses are checked, and the connection goes to a checked
//! address itself: an answer of a name server that changes a moment later has no effect. Redirects are the guest's business,
//! so each is a request of its own and checked as such.

mod address;
mod body;
mod connect;
mod hooks;
mod refusal;
mod resolve;
mod rules;
mod send;
mod tls;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::Outbound;
use tokio::sync::Semaphore;

pub(crate) use hooks::Http;
pub use resolve::{Resolver, SystemResolver};
pub(crate) use usage::Counters;
pub use usage::OutboundUse;

use rules::Rules;
use tls::Tls;

/// Limits of outgoing HTTP, and where names and trust come from.
#[derive(Clone)]
pub struct OutboundConfig {
    /// Turns names into addresses.
    pub resolver: Arc<dyn Resolver>,
    /// Certificate authorities trusted beside those of the machine, as DER.
    pub extra_roots: Vec<Vec<u8>>,
    /// Requests of one deployment that may be under way at once; the next one is refused.
    pub max_concurrent: usize,
    /// Bytes of one request's body, and of one response's.
    pub max_body_bytes: u64,
    /// Longest time to resolve, connect and agree on encryption.
    pub connect_timeout: Duration,
    /// Longest wait for the response's head, and between two parts of its body.
    pub idle_timeout: Duration,
}

impl Default for OutboundConfig {
    /// The machine's resolver and certificate authorities, 64 requests at once, bodies of 100 MiB, 10 s to connect, 60 s of
    /// silence.
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            extra_roots: Vec::new(),
            max_concurrent: 64,
            max_body_bytes: 100 << 20,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// What all deployments of an engine share.
pub(crate) struct Network {
    config: OutboundConfig,
    tls: Tls,
}

impl Network {
    pub(crate) fn new(config: OutboundConfig) -> Self {
        let tls = Tls::new(config.extra_roots.clone());
        Self { config, tls }
    }
}

/// The way out of one deployment.
pub(crate) struct Outgoing {
    network: Arc<Network>,
    rules: Rules,
    places: Arc<Semaphore>,
    pub(crate) counters: Arc<Counters>,
}

impl Outgoing {
    pub(crate) fn new(network: &Arc<Network>, granted: &[Outbound], counters: Arc<Counters>) -> Self {
        Self {
            rules: Rules::new(granted),
            places: Arc::new(Semaphore::new(network.config.max_concurrent)),
            network: Arc::clone(network),
            counters,
        }
    }
}
