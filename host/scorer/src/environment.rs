//! What one deployment gives its scorer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{Collector, Grants, GraphLoader, Logs, ModelSet, ServiceName, Services};

/// Everything that the replicas of one deployed service share.
#[derive(Clone)]
pub struct Environment {
    /// Name of the service; the guest can read it.
    pub service: ServiceName,
    /// Version of the service; the guest can read it.
    pub version: Arc<str>,
    /// Models the guest can open.
    pub models: ModelSet,
    /// Loads graphs that the guest brings along (wasi:nn `load`).
    pub loader: Arc<dyn GraphLoader>,
    /// Other services, for a scorer that is granted to call some.
    pub services: Arc<dyn Services>,
    /// Where prints and log calls go.
    pub logs: Arc<dyn Logs>,
    /// Where collected data goes.
    pub collector: Arc<dyn Collector>,
    /// Variables of the deployment: environment variables in WASI, `context.variable` elsewhere.
    pub variables: BTreeMap<String, String>,
    /// Memory cap, clocks, randomness.
    pub grants: Grants,
    /// Longest time of one call of `run`.
    pub scoring_timeout: Duration,
}
