//! What a configuration means on this host, and what of it this host does not do.

use std::time::Duration;

use scorehost_core::{Admission, Collection, ErrorKind, Failure, Grants, Scaling};

use super::{ComputeType, DeploymentConfig, Liveness};

const GIB: f64 = (1u64 << 30) as f64;

/// Where a 32-bit linear memory ends, in GiB.
const MOST_MEMORY: f64 = 4.0;

impl DeploymentConfig {
    /// How the service takes requests in.
    #[must_use]
    pub fn admission(&self) -> Admission {
        Admission {
            requests_per_replica: self.max_concurrent_requests,
            max_queue_wait: Duration::from_millis(self.max_queue_wait_ms.into()),
            scoring_timeout: Duration::from_millis(self.scoring_timeout_ms.into()),
            ..Admission::default()
        }
    }

    /// How many replicas there are.
    #[must_use]
    pub fn scaling(&self) -> Scaling {
        let (asked, defaults) = (&self.scaling, Scaling::default());
        Scaling {
            min: asked.min_replicas,
            max: asked.max_replicas,
            target_utilization: asked.target_utilization.map_or(defaults.target_utilization, |target| target as u8),
            refresh: asked
                .refresh_period_seconds
                .map_or(defaults.refresh, |seconds| Duration::from_secs(seconds.into())),
            ..defaults
        }
    }

    /// What the sandbox may use: `memoryInGBLimit`, else `memoryInGB`, as the linear memory of one replica.
    #[must_use]
    pub fn grants(&self) -> Grants {
        let memory = self.memory_gb();
        Grants {
            memory_bytes: memory
                .map_or(Grants::default().memory_bytes, |memory| (memory.min(MOST_MEMORY) * GIB) as u64),
            ..Grants::default()
        }
    }

    /// Which data is stored.
    #[must_use]
    pub fn collection(&self) -> Option<Collection> {
        self.storage_enabled.then(Collection::default)
    }

    fn memory_gb(&self) -> Option<f64> {
        self.resources.memory_gb_limit.or(self.resources.memory_gb)
    }

    /// Refuses what would be dangerous or useless to ignore.
    ///
    /// # Errors
    /// `Unsupported`, naming every key that this host cannot honour.
    pub fn check_supported(&self) -> Result<(), Failure> {
        let mut keys = Vec::new();
        if self.authentication.tokens_enabled == Some(true) {
            keys.push("tokenAuthEnabled: this host does not check tokens");
        }
        if self.resources.gpu_cores > 0 {
            keys.push("gpuCores: this host runs models on the CPU");
        }
        if self.version_name.is_some() || self.traffic_percentile.is_some() {
            keys.push("versionName, trafficPercentile: this host has no endpoints with versions");
        }
        if keys.is_empty() {
            return Ok(());
        }
        let message = format!("deploymentconfig.json asks for what this host does not offer:\n  {}", keys.join("\n  "));
        Err(Failure::new(ErrorKind::Unsupported, message)
            .with_hint("remove these keys, or deploy to a host that has it"))
    }

    /// Keys that the file gives and this host does not act upon, each with what happens instead.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let resources = &self.resources;
        let scaling = &self.scaling;
        let rows = [
            (
                self.compute_type != ComputeType::Local,
                "computeType: the service runs on this host, whatever the target".to_owned(),
            ),
            (
                self.authentication.keys_enabled == Some(true),
                "authEnabled: this host does not check keys yet; it listens on loopback only".to_owned(),
            ),
            (
                self.authentication.primary_key.is_some() || self.authentication.secondary_key.is_some(),
                "keys: not stored, because this host does not check keys yet".to_owned(),
            ),
            (
                scaling.refresh_period_seconds.is_some() || scaling.target_utilization.is_some(),
                format!(
                    "autoScaler.refreshPeriodInSeconds, targetUtilization: replicas are added when requests need them, up to {}",
                    scaling.max_replicas
                ),
            ),
            (
                resources.cpu.is_some() || resources.cpu_limit.is_some(),
                "containerResourceRequirements.cpu, cpuLimit: cores are shared between services and not limited"
                    .to_owned(),
            ),
            (
                resources.memory_gb.is_some() && resources.memory_gb_limit.is_some(),
                "containerResourceRequirements.memoryInGB: only memoryInGBLimit acts, as the memory of one replica"
                    .to_owned(),
            ),
            (
                self.memory_gb().is_some_and(|memory| memory > MOST_MEMORY),
                "containerResourceRequirements.memoryInGB: a scorer's memory ends at 4 GiB".to_owned(),
            ),
            (
                self.app_insights_enabled,
                "appInsightsEnabled: nothing is sent; see the service's log and statistics".to_owned(),
            ),
            (
                self.liveness != Liveness::default(),
                "livenessProbeRequirements: a replica is replaced when a call fails in it, not by probes".to_owned(),
            ),
            (
                self.namespace.is_some() || self.compute_target.is_some(),
                "namespace, computeTargetName: this host has neither".to_owned(),
            ),
            (self.port.is_some(), "port: the service answers on the server's own port".to_owned()),
        ];
        rows.into_iter().filter(|(given, _)| *given).map(|(_, warning)| warning).collect()
    }
}
