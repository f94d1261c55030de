//! `deploymentconfig.json`: every key, its default and its rule (the parser of record is that of `azureml-core`).

mod apply;

use serde_json::Value;

use super::reader::{Findings, Object, ROOT, Violations};

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
    pub primary_key: Option<String>,
    /// `keys.secondaryKey` (generated).
    pub secondary_key: Option<String>,
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
    /// `dataCollection.storageEnabled`.
    pub storage_enabled: bool,
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
    /// `versionName`.
    pub version_name: Option<String>,
    /// `trafficPercentile`.
    pub traffic_percentile: Option<f64>,
    /// `port`.
    pub port: Option<u16>,
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
            storage_enabled: false,
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
        }
    }
}

const FILE: &str = "deploymentconfig.json";
const KEYS: [&str; 18] = [
    "computeType",
    "autoScaler",
    "numReplicas",
    "authEnabled",
    "tokenAuthEnabled",
    "containerResourceRequirements",
    "gpuCores",
    "dataCollection",
    "appInsightsEnabled",
    "scoringTimeoutMs",
    "maxConcurrentRequestsPerContainer",
    "maxQueueWaitMs",
    "keys",
    "livenessProbeRequirements",
    "namespace",
    "computeTargetName",
    "versionName",
    "trafficPercentile",
];
const LOCAL_KEYS: [&str; 1] = ["port"];
const AUTO_SCALER: [&str; 5] =
    ["autoscaleEnabled", "minReplicas", "maxReplicas", "refreshPeriodInSeconds", "targetUtilization"];
const RESOURCES: [&str; 4] = ["cpu", "memoryInGB", "cpuLimit", "memoryInGBLimit"];
const LIVENESS: [&str; 5] =
    ["periodSeconds", "initialDelaySeconds", "timeoutSeconds", "successThreshold", "failureThreshold"];

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
        let known: Vec<&str> = KEYS.into_iter().chain(LOCAL_KEYS).collect();
        let config = Object::open(ROOT, value, &known, &mut found).map(|root| read(&root, &mut found));
        found.finish(FILE, config.unwrap_or_default())
    }
}

fn read(root: &Object<'_>, found: &mut Findings) -> DeploymentConfig {
    let defaults = DeploymentConfig::default();
    let compute_type = compute_type(root, found);
    let config = DeploymentConfig {
        compute_type: compute_type.unwrap_or(ComputeType::Local),
        scaling: scaling(root, found),
        authentication: authentication(root, found),
        resources: resources(root, found),
        storage_enabled: root
            .object("dataCollection", &["storageEnabled"], found)
            .and_then(|data| data.flag("storageEnabled", found))
            .unwrap_or(false),
        app_insights_enabled: root.flag("appInsightsEnabled", found).unwrap_or(false),
        scoring_timeout_ms: root.count("scoringTimeoutMs", found).unwrap_or(defaults.scoring_timeout_ms),
        max_concurrent_requests: root
            .count("maxConcurrentRequestsPerContainer", found)
            .unwrap_or(defaults.max_concurrent_requests),
        max_queue_wait_ms: root.count("maxQueueWaitMs", found).unwrap_or(defaults.max_queue_wait_ms),
        liveness: liveness(root, found),
        namespace: root.text("namespace", found),
        compute_target: root.text("computeTargetName", found),
        version_name: root.text("versionName", found),
        traffic_percentile: root.between("trafficPercentile", 0.0, 100.0, found),
        port: root.whole("port", 1, 65535, "a port from 1 to 65535", found).map(|port| port as u16),
    };
    check_names(root, &config, found);
    if let Some(compute_type) = compute_type {
        check_place(root, compute_type, found);
    }
    config
}

fn compute_type(root: &Object<'_>, found: &mut Findings) -> Option<ComputeType> {
    const EXPECTED: &str = "one of aks, aksendpoint, local, aci";
    let at = root.at("computeType");
    if root.value("computeType").is_none() {
        found.add(at, format!("is required: {EXPECTED}"));
        return None;
    }
    let text = root.text("computeType", found)?;
    match text.to_ascii_lowercase().as_str() {
        "aks" => Some(ComputeType::Aks),
        "aksendpoint" => Some(ComputeType::AksEndpoint),
        "local" => Some(ComputeType::Local),
        "aci" => Some(ComputeType::Aci),
        _ => {
            found.add(at, format!("must be {EXPECTED}, is '{text}'"));
            None
        }
    }
}

fn scaling(root: &Object<'_>, found: &mut Findings) -> AutoScaler {
    let defaults = DeploymentConfig::default().scaling;
    let replicas = root.count("numReplicas", found);
    let given = root.value("numReplicas").is_some();
    let scaler = root.object("autoScaler", &AUTO_SCALER, found);
    let field = |key, found: &mut Findings| scaler.as_ref().and_then(|scaler| scaler.count(key, found));
    let min = field("minReplicas", found);
    let max = field("maxReplicas", found);
    let (min_replicas, max_replicas) = (min.unwrap_or(defaults.min_replicas), max.unwrap_or(defaults.max_replicas));
    if min_replicas > max_replicas {
        let message = format!("must not be above maxReplicas: {min_replicas} > {max_replicas}");
        found.add(format!("{ROOT}.autoScaler.minReplicas"), message);
    }
    let refresh_period_seconds = field("refreshPeriodInSeconds", found);
    let target_utilization = scaler.as_ref().and_then(|scaler| {
        scaler.whole("targetUtilization", 1, 100, "a whole number from 1 to 100", found).map(|target| target as u32)
    });
    let asked = scaler.as_ref().and_then(|scaler| scaler.flag("autoscaleEnabled", found));
    match asked {
        Some(true) if given => {
            found.add(root.at("numReplicas"), "must not be given where autoScaler.autoscaleEnabled is true");
        }
        Some(false) if !given => {
            found.add(root.at("numReplicas"), "is required where autoScaler.autoscaleEnabled is false");
        }
        _ => {}
    }
    match replicas {
        Some(replicas) => AutoScaler {
            enabled: false,
            min_replicas: replicas,
            max_replicas: replicas,
            refresh_period_seconds,
            target_utilization,
        },
        None => AutoScaler { enabled: true, min_replicas, max_replicas, refresh_period_seconds, target_utilization },
    }
}

fn authentication(root: &Object<'_>, found: &mut Findings) -> Authentication {
    let keys = root.object("keys", &["primaryKey", "secondaryKey"], found);
    let key = |name, found: &mut Findings| keys.as_ref().and_then(|keys| keys.text(name, found));
    let authentication = Authentication {
        keys_enabled: root.flag("authEnabled", found),
        tokens_enabled: root.flag("tokenAuthEnabled", found),
        primary_key: key("primaryKey", found),
        secondary_key: key("secondaryKey", found),
    };
    if authentication.keys_enabled == Some(true) && authentication.tokens_enabled == Some(true) {
        found.add(root.at("tokenAuthEnabled"), "must not be true where authEnabled is true");
    }
    authentication
}

fn resources(root: &Object<'_>, found: &mut Findings) -> Resources {
    let gpu_cores = root.whole("gpuCores", 0, 1024, "a whole number from 0 to 1024", found);
    let resources = match root.object("containerResourceRequirements", &RESOURCES, found) {
        Some(given) => Resources {
            cpu: given.positive("cpu", found),
            cpu_limit: given.positive("cpuLimit", found),
            memory_gb: given.positive("memoryInGB", found),
            memory_gb_limit: given.positive("memoryInGBLimit", found),
            gpu_cores: 0,
        },
        None => Resources::default(),
    };
    let mut check = |name: &str, limit: Option<f64>, request: f64| {
        if let Some(limit) = limit.filter(|limit| *limit < request) {
            let path = format!("{ROOT}.containerResourceRequirements.{name}Limit");
            found.add(path, format!("must not be below {name}: {limit} < {request}"));
        }
    };
    check("cpu", resources.cpu_limit, resources.cpu.unwrap_or(0.1));
    check("memoryInGB", resources.memory_gb_limit, resources.memory_gb.unwrap_or(0.5));
    Resources { gpu_cores: gpu_cores.unwrap_or(0) as u32, ..resources }
}

fn liveness(root: &Object<'_>, found: &mut Findings) -> Liveness {
    let Some(probe) = root.object("livenessProbeRequirements", &LIVENESS, found) else { return Liveness::default() };
    Liveness {
        period_seconds: probe.count("periodSeconds", found),
        initial_delay_seconds: probe.count("initialDelaySeconds", found),
        timeout_seconds: probe.count("timeoutSeconds", found),
        success_threshold: probe.count("successThreshold", found),
        failure_threshold: probe.count("failureThreshold", found),
    }
}

fn check_names(root: &Object<'_>, config: &DeploymentConfig, found: &mut Findings) {
    if let Some(namespace) = config.namespace.as_ref().filter(|namespace| !is_label(namespace)) {
        let message = format!("must be 1-63 characters of a-z, 0-9 and '-', not at either end, is '{namespace}'");
        found.add(root.at("namespace"), message);
    }
    if let Some(version) = &config.version_name
        && let Err(error) = version.parse::<scorehost_core::ServiceName>()
    {
        found.add(root.at("versionName"), error.to_string());
    }
}

/// A DNS label: `^[a-z0-9]([a-z0-9-]{,61}[a-z0-9])?$`.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Keys that only one kind of place has.
fn check_place(root: &Object<'_>, compute_type: ComputeType, found: &mut Findings) {
    let only = |key: &str, wanted: ComputeType, name: &str, found: &mut Findings| {
        if root.value(key).is_some() && compute_type != wanted {
            found.add(root.at(key), format!("is only for computeType {name}"));
        }
    };
    only("versionName", ComputeType::AksEndpoint, "aksendpoint", found);
    only("trafficPercentile", ComputeType::AksEndpoint, "aksendpoint", found);
    only("port", ComputeType::Local, "local", found);
}

#[cfg(test)]
mod tests;
