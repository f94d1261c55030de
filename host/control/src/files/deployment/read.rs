//! Reads the file key by key.

use scorehost_core::{DeviceKind, VersionName};

use super::{Authentication, AutoScaler, ComputeType, DeploymentConfig, Liveness, Resources, extension};
use crate::files::reader::{Findings, Object, ROOT};

/// Every key of the file, those of a container instance aside.
pub(crate) const KEYS: [&str; 21] = [
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
    "port",
    "scorehost",
    "$schema",
];
/// Keys that only a container instance has; the parser of record reads them, this host has no use for them.
pub(crate) const CONTAINER_INSTANCE: [&str; 11] = [
    "location",
    "sslEnabled",
    "sslCertificate",
    "sslKey",
    "cname",
    "dnsNameLabel",
    "vaultBaseUrl",
    "keyName",
    "keyVersion",
    "vnetName",
    "subnetName",
];
pub(crate) const AUTO_SCALER: [&str; 5] =
    ["autoscaleEnabled", "minReplicas", "maxReplicas", "refreshPeriodInSeconds", "targetUtilization"];
pub(crate) const RESOURCES: [&str; 4] = ["cpu", "memoryInGB", "cpuLimit", "memoryInGBLimit"];
pub(crate) const LIVENESS: [&str; 5] =
    ["periodSeconds", "initialDelaySeconds", "timeoutSeconds", "successThreshold", "failureThreshold"];

/// Reads every key of an opened file.
pub(super) fn read(root: &Object<'_>, found: &mut Findings) -> DeploymentConfig {
    let defaults = DeploymentConfig::default();
    let compute_type = compute_type(root, found);
    let config = DeploymentConfig {
        compute_type: compute_type.unwrap_or(ComputeType::Local),
        scaling: scaling(root, found),
        authentication: authentication(root, found),
        resources: resources(root, found),
        storage_enabled: root
            .object("dataCollection", &["storageEnabled"], found)
            .and_then(|data| data.flag("storageEnabled", found)),
        app_insights_enabled: root.flag("appInsightsEnabled", found).unwrap_or(false),
        scoring_timeout_ms: root.count("scoringTimeoutMs", found).unwrap_or(defaults.scoring_timeout_ms),
        max_concurrent_requests: root
            .count("maxConcurrentRequestsPerContainer", found)
            .unwrap_or(defaults.max_concurrent_requests),
        max_queue_wait_ms: root.count("maxQueueWaitMs", found).unwrap_or(defaults.max_queue_wait_ms),
        liveness: liveness(root, found),
        namespace: root.text("namespace", found),
        compute_target: root.text("computeTargetName", found),
        version_name: version_name(root, found),
        traffic_percentile: root.between("trafficPercentile", 0.0, 100.0, found),
        port: root.whole("port", 1, 65535, "a port from 1 to 65535", found).map(|port| port as u16),
        container_instance: CONTAINER_INSTANCE.into_iter().filter(|key| root.value(key).is_some()).collect(),
        extension: extension::read(root, found),
    };
    check_namespace(root, &config, found);
    check_extension(root, &config, found);
    if let Some(compute_type) = compute_type {
        check_place(root, compute_type, found);
    }
    config
}

fn compute_type(root: &Object<'_>, found: &mut Findings) -> Option<ComputeType> {
    const WORDS: [(&str, ComputeType); 4] = [
        ("aks", ComputeType::Aks),
        ("aksendpoint", ComputeType::AksEndpoint),
        ("local", ComputeType::Local),
        ("aci", ComputeType::Aci),
    ];
    if root.value("computeType").is_none() {
        found.add(root.at("computeType"), "is required: one of aks, aksendpoint, local, aci");
        return None;
    }
    root.word("computeType", &WORDS, found)
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
    if let Some(scaler) = scaler.as_ref().filter(|_| given && asked != Some(true)) {
        for key in AUTO_SCALER.into_iter().filter(|key| *key != "autoscaleEnabled" && scaler.value(key).is_some()) {
            found.add(scaler.at(key), "must not be given where numReplicas is");
        }
    }
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
    let key = |name, found: &mut Findings| keys.as_ref().and_then(|keys| keys.secret(name, found));
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

fn version_name(root: &Object<'_>, found: &mut Findings) -> Option<VersionName> {
    let text = root.text("versionName", found)?;
    match text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            found.add(root.at("versionName"), scorehost_core::IdError::to_string(&error));
            None
        }
    }
}

fn check_namespace(root: &Object<'_>, config: &DeploymentConfig, found: &mut Findings) {
    if let Some(namespace) = config.namespace.as_ref().filter(|namespace| !is_label(namespace)) {
        let message = format!("must be 1-63 characters of a-z, 0-9 and '-', not at either end, is '{namespace}'");
        found.add(root.at("namespace"), message);
    }
}

/// Rules between the extension and the rest of the file.
fn check_extension(root: &Object<'_>, config: &DeploymentConfig, found: &mut Findings) {
    let path = |key: &str| format!("{ROOT}.scorehost.{key}");
    if let Some(min) = config.extension.scaling.min_replicas {
        if root.value("numReplicas").is_some() {
            found.add(path("scaling.minReplicas"), "must not be given where numReplicas is");
        } else if min > config.scaling.max_replicas {
            let message = format!("must not be above maxReplicas: {min} > {}", config.scaling.max_replicas);
            found.add(path("scaling.minReplicas"), message);
        }
    }
    if let Some(device) = config.extension.placement.device.filter(|device| *device != DeviceKind::Gpu)
        && config.resources.gpu_cores > 0
    {
        found.add(path("placement.device"), format!("must be gpu where gpuCores is above 0, is {device}"));
    }
    if config.extension.collection.is_some() && config.storage_enabled == Some(false) {
        found.add(path("collection"), "must not be given where dataCollection.storageEnabled is false");
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
