//! What a sandbox may use.

use crate::ServiceName;

/// What the sandbox of a scorer may use. The default grants nothing but memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// Linear memory of one replica, in bytes.
    pub memory_bytes: u64,
    /// The machine's clocks; otherwise the guest's clock stands still.
    pub clock: bool,
    /// Real randomness; otherwise the same seed in every replica.
    pub random: bool,
    /// Where the scorer may send HTTP requests; empty is nowhere.
    pub outbound: Vec<Outbound>,
    /// Services of this host that the scorer may call, as itself and without a key; sorted, each once.
    pub services: Vec<ServiceName>,
}

impl Default for Grants {
    /// 512 MiB (`memoryInGB` 0.5), no clock, no randomness, no network, no other service.
    fn default() -> Self {
        Self { memory_bytes: 512 << 20, clock: false, random: false, outbound: Vec::new(), services: Vec::new() }
    }
}

/// A place that a scorer may send HTTP requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Host name, `*.` and a domain, or an address; lower case.
    pub host: String,
    /// The port; 443 and 80 where none is named.
    pub port: Option<u16>,
    /// Whether the name may resolve to loopback, link-local or private addresses.
    pub private: bool,
}
