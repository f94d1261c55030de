//! What a configuration means on this host.

use std::time::Duration;

use scorehost_core::{
    Admission, Batching, Collection, DeviceKind, DeviceRequest, Grants, Recording, ResponseCache, Scaling, Secret,
    WarmUp,
};

use super::DeploymentConfig;

const GIB: f64 = (1u64 << 30) as f64;

/// Where a 32-bit linear memory ends, in GiB.
pub(super) const MOST_MEMORY: f64 = 4.0;

/// Weight of one core against other services; `cpu` 0.1, the default, weighs 100.
const WEIGHT_OF_CORE: f64 = 1000.0;

/// Who may call, as far as a file says it: keys that it does not give are generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessPlan {
    /// Everyone (`authEnabled` false).
    Open,
    /// Who has one of two keys.
    Keys {
        /// `keys.primaryKey`.
        primary: Option<Secret>,
        /// `keys.secondaryKey`.
        secondary: Option<Secret>,
    },
    /// Who has a token (`tokenAuthEnabled`).
    Tokens,
}

impl DeploymentConfig {
    /// Who may call: keys unless the file says otherwise.
    #[must_use]
    pub fn access(&self) -> AccessPlan {
        let asked = &self.authentication;
        match (asked.tokens_enabled, asked.keys_enabled) {
            (Some(true), _) => AccessPlan::Tokens,
            (_, Some(false)) => AccessPlan::Open,
            _ => AccessPlan::Keys { primary: asked.primary_key.clone(), secondary: asked.secondary_key.clone() },
        }
    }

    /// How the service takes requests in.
    #[must_use]
    pub fn admission(&self) -> Admission {
        let (extra, defaults) = (&self.extension.admission, Admission::default());
        Admission {
            requests_per_replica: self.max_concurrent_requests,
            max_queue_wait: Duration::from_millis(self.max_queue_wait_ms.into()),
            max_queue: extra.max_queue.unwrap_or(defaults.max_queue),
            scoring_timeout: Duration::from_millis(self.scoring_timeout_ms.into()),
            weight: extra.weight.or_else(|| self.resources.cpu.map(weight_of)).unwrap_or(defaults.weight),
            rate_limit: extra.requests_per_second,
        }
    }

    /// How many replicas there are.
    #[must_use]
    pub fn scaling(&self) -> Scaling {
        let (asked, extra, defaults) = (&self.scaling, &self.extension.scaling, Scaling::default());
        let seconds = |seconds: Option<u32>, otherwise| seconds.map_or(otherwise, |s| Duration::from_secs(s.into()));
        Scaling {
            min: extra.min_replicas.unwrap_or(asked.min_replicas),
            max: asked.max_replicas,
            target_utilization: asked.target_utilization.map_or(defaults.target_utilization, |target| target as u8),
            refresh: seconds(asked.refresh_period_seconds, defaults.refresh),
            idle_after: seconds(extra.idle_after_seconds, defaults.idle_after),
            processors: self.resources.cpu.unwrap_or(defaults.processors),
        }
    }

    /// What the sandbox may use: `memoryInGBLimit`, else `memoryInGB`, as the linear memory of one replica.
    #[must_use]
    pub fn grants(&self) -> Grants {
        let (extra, defaults) = (&self.extension.grants, Grants::default());
        Grants {
            memory_bytes: self
                .memory_gb()
                .map_or(defaults.memory_bytes, |memory| (memory.min(MOST_MEMORY) * GIB) as u64),
            clock: extra.clock,
            random: extra.random,
            outbound: extra.outbound.clone(),
            services: extra.services.clone(),
        }
    }

    /// Which data is stored.
    #[must_use]
    pub fn collection(&self) -> Option<Collection> {
        let by_flag = || (self.storage_enabled == Some(true)).then(Collection::default);
        self.extension.collection.clone().or_else(by_flag)
    }

    /// Which requests are kept for a replay.
    #[must_use]
    pub fn recording(&self) -> Option<Recording> {
        self.extension.recording.clone()
    }

    /// What every new replica answers before it takes requests.
    #[must_use]
    pub fn warm_up(&self) -> Option<WarmUp> {
        self.extension.warm_up.clone()
    }

    /// Which answers are kept and given again.
    #[must_use]
    pub const fn response_cache(&self) -> Option<ResponseCache> {
        self.extension.response_cache
    }

    /// Whether the models stay loaded whatever else needs the memory.
    #[must_use]
    pub const fn pin_models(&self) -> bool {
        self.extension.pin_models
    }

    /// How calls of the models are merged.
    #[must_use]
    pub fn batching(&self) -> Batching {
        self.extension.batching.clone()
    }

    /// What the models run on: `scorehost.placement`, and a copy on each of `gpuCores` GPUs.
    #[must_use]
    pub fn devices(&self) -> DeviceRequest {
        let (asked, cores) = (self.extension.placement, self.resources.gpu_cores);
        let gpus = (cores > 0).then_some(DeviceKind::Gpu);
        DeviceRequest { device: asked.device.or(gpus), copies: gpus.map(|_| cores), ..asked }
    }

    pub(super) fn memory_gb(&self) -> Option<f64> {
        self.resources.memory_gb_limit.or(self.resources.memory_gb)
    }
}

/// The weight of a number of cores: their proportion, within what a weight can be.
fn weight_of(cores: f64) -> u32 {
    (cores * WEIGHT_OF_CORE).round().clamp(1.0, WEIGHT_OF_CORE) as u32
}
