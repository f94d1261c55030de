//! `deploymentconfig.json`: every key, its default and its rule (the parser of record is that of `azureml-core`).

mod apply;
pub(crate) mod batching;
mod extension;
pub(crate) mod outbound;
mod read;
mod warnings;

use scorehost_core::{Secret, VersionName};
use serde_json::Value;

use super::reader::{Findings, Object, ROOT, Violations};

pub use apply::AccessPlan;
pub use extension::{Extension, ExtraAdmission, ExtraGrants, ExtraScaling};
use read::{CONTAINER_INSTANCE, KEYS};

/// Where a service is meant to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeType {
    /// A Kubernetes cluster.
    Aks,
    /// A version behind an endpoint on a Kubernetes cluster.
    AksEndpoint,
    /// This machine.
    Local,
    /// A container instance.
    Aci,
}

/// `autoScaler`, with its defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoScaler {
    /// Whether the number of replicas follows the load.
    pub enabled: bool,
    /// Replicas at least.
    pub min_replicas: u32,
    /// Replicas at most.
    pub max_replicas: u32,
    /// Seconds between two decisions; `None` where the file does not say (1).
    pub refresh_period_seconds: Option<u32>,
    /// Busy replicas in percent; `None` where the file does not say (70).
    pub target_utilization: Option<u32>,
}

/// Who may call. `None` where the file does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    /// `authEnabled` (true).
    pub keys_enabled: Option<bool>,
    /// `tokenAuthEnabled` (false).
    pub tokens_enabled: Option<bool>,
    /// `keys.primaryKey` (generated).
    pub primary_key: Option<Secret>,
    /// `keys.secondaryKey` (generated).
    pub secondary_key: Option<Secret>,
}

/// `containerResourceRequirements` and `gpuCores`. `None` where the file does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    /// Cores (0.1).
    pub cpu: Option<f64>,
    /// Cores at most.
    pub cpu_limit: Option<f64>,
    /// GiB of memory (0.5).
    pub memory_gb: Option<f64>,
    /// GiB of memory at most.
    pub memory_gb_limit: Option<f64>,
    /// GPU cores.
    pub gpu_cores: u32,
}

/// `livenessProbeRequirements`. `None` where the file does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// Seconds between two probes (10).
    pub period_seconds: Option<u32>,
    /// Seconds before the first probe (310).
    pub initial_delay_seconds: Option<u32>,
    /// Seconds until a probe counts as failed (2).
    pub timeout_seconds: Option<u32>,
    /// Successes until the replica counts as live (1).
    pub success_threshold: Option<u32>,
    /// Failures until it does not (3).
    pub failure_threshold: Option<u32>,
}

/// A `deploymentconfig.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentConfig {
    /// `computeType`.
    pub compute_type: ComputeType,
    /// `autoScaler` and `numReplicas`.
    pub scaling: AutoScaler,
    /// `authEnabled`, `tokenAuthEnabled`, `keys`.
    pub authentication: Authentication,
    /// `containerResourceRequirements`, `gpuCores`.
    pub resources: Resources,
    /// `dataCollection.storageEnabled` (false); `None` where the file does not say.
    pub storage_enabled: Option<bool>,
    /// `appInsightsEnabled`.
    pub app_insights_enabled: bool,
    /// `scoringTimeoutMs`.
    pub scoring_timeout_ms: u32,
    /// `maxConcurrentRequestsPerContainer`.
    pub max_concurrent_requests: u32,
    /// `maxQueueWaitMs`.
    pub max_queue_wait_ms: u32,
    /// `livenessProbeRequirements`.
    pub liveness: Liveness,
    /// `namespace`.
    pub namespace: Option<String>,
    /// `computeTargetName`.
    pub compute_target: Option<String>,
    /// `versionName`: the version that is deployed.
    pub version_name: Option<VersionName>,
    /// `trafficPercentile`: percent of the endpoint's requests that the version gets.
    pub traffic_percentile: Option<f64>,
    /// `port`.
    pub port: Option<u16>,
    /// Keys given that only a container instance has, such as `dnsNameLabel`.
    pub container_instance: Vec<&'static str>,
    /// `scorehost`: what the Azure file has no key for.
    pub extension: Extension,
}

impl Default for DeploymentConfig {
    /// What a file with nothing but `"computeType": "local"` says.
    fn default() -> Self {
        Self {
            compute_type: ComputeType::Local,
            scaling: AutoScaler {
                enabled: true,
                min_replicas: 1,
                max_replicas: 10,
                refresh_period_seconds: None,
                target_utilization: None,
            },
            authentication: Authentication::default(),
            resources: Resources::default(),
            storage_enabled: None,
            app_insights_enabled: false,
            scoring_timeout_ms: 60_000,
            max_concurrent_requests: 1,
            max_queue_wait_ms: 500,
            liveness: Liveness::default(),
            namespace: None,
            compute_target: None,
            version_name: None,
            traffic_percentile: None,
            port: None,
            container_instance: Vec::new(),
            extension: Extension::default(),
        }
    }
}

const FILE: &str = "deploymentconfig.json";

impl DeploymentConfig {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Everything that is wrong in it, or where it is not JSON.
    pub fn parse(text: &str) -> Result<Self, Violations> {
        match serde_json::from_str(text) {
            Ok(value) => Self::from_value(&value),
            Err(error) => {
                let mut found = Findings::default();
                found.add(ROOT, format!("is not JSON: {error}"));
                found.finish(FILE, Self::default())
            }
        }
    }

    /// Reads a JSON value.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn from_value(value: &Value) -> Result<Self, Violations> {
        let mut found = Findings::default();
        let known: Vec<&str> = KEYS.into_iter().chain(CONTAINER_INSTANCE).collect();
        let config = Object::open(ROOT, value, &known, &mut found).map(|root| read::read(&root, &mut found));
        found.finish(FILE, config.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
