//! Services as they are shown: what is acknowledged, and what is known of how far it is. Never a secret.

use scorehost_core::{Outbound, ServiceSpec, VersionKey, VersionName};

use crate::catalog::{Service, Version};
use crate::desired::{Board, Observed};
use crate::{LiveReplicas, access, traffic, wire};

/// A service, with the operation under way.
pub(crate) fn service_shown(board: &Board, service: &Service, operation: Option<String>) -> wire::Service {
    let versions = versions_shown(board, service);
    let (state, message) = overall(&versions);
    let name = service.name();
    // A service that is made for the first time has a default version, too: its only one.
    let default = service.versions.get(service.default()).or_else(|| service.versions.values().next());
    let spec = default.map_or_else(|| ServiceSpec::new(name.clone()), |version| (*version.spec).clone());
    wire::Service {
        name: name.to_string(),
        state,
        message,
        auth: access::auth(&service.front.access),
        kind: kind(&spec),
        scorer: spec.scorer.map(|scorer| scorer.component.to_string()),
        models: spec.models.iter().map(|model| model.id.to_string()).collect(),
        variables: spec.variables.keys().cloned().collect(),
        settings: settings(&spec),
        replicas: None,
        traffic: traffic::shown(&service.front.traffic),
        versions,
        operation,
        scoring_path: format!("/api/v1/service/{name}/score"),
        inference_path: format!("/v2/models/{name}"),
        manifest: None,
        created: service.created,
        updated: service.updated,
    }
}

/// All versions of a service, oldest first.
pub(crate) fn versions_shown(board: &Board, service: &Service) -> Vec<wire::ServiceVersion> {
    service.in_order().into_iter().map(|(name, version)| version_shown(board, service, name, version)).collect()
}

fn version_shown(board: &Board, service: &Service, name: &VersionName, version: &Version) -> wire::ServiceVersion {
    let (state, message) = state(board, &service.key(name), version.running);
    let (spec, shares) = (&version.spec, &service.front.traffic);
    wire::ServiceVersion {
        version: name.to_string(),
        state,
        message,
        is_default: *name == shares.default,
        is_control: name == traffic::control(shares),
        percent: traffic::percent(shares, name),
        kind: kind(spec),
        scorer: spec.scorer.map(|scorer| scorer.component.to_string()),
        models: spec.models.iter().map(|model| model.id.to_string()).collect(),
        variables: spec.variables.keys().cloned().collect(),
        settings: settings(spec),
        replicas: None,
        deployment: (*version.config).clone(),
        created: version.created,
        updated: version.updated,
    }
}

/// Adds the replicas that there are at this moment to what is shown of a service.
pub(crate) fn add_replicas(service: &mut wire::Service, live: &[LiveReplicas]) {
    add_to_versions(&service.name, &mut service.versions, live);
    for replicas in service.versions.iter().filter_map(|version| version.replicas) {
        *service.replicas.get_or_insert_default() += replicas;
    }
}

/// The same for versions alone.
pub(crate) fn add_to_versions(service: &str, versions: &mut [wire::ServiceVersion], live: &[LiveReplicas]) {
    for version in versions {
        let of_it = |found: &&LiveReplicas| found.service.as_str() == service && *found.version == *version.version;
        version.replicas = live.iter().find(of_it).map(|found| wire::Replicas {
            ready: found.busy + found.idle,
            busy: found.busy,
            creating: found.creating,
            wanted: found.wanted,
            allowed: found.allowed,
        });
    }
}

/// What a version is doing, and why.
pub(crate) fn state(board: &Board, key: &VersionKey, running: bool) -> (wire::ServiceState, Option<String>) {
    match board.observed(key) {
        Some(Observed::Ready) => (wire::ServiceState::Healthy, None),
        Some(Observed::Progressing { phase }) => (wire::ServiceState::Transitioning, Some(phase)),
        Some(Observed::Failed(failure)) => (wire::ServiceState::Failed, Some(failure.to_string())),
        Some(Observed::Gone) | None if running => (wire::ServiceState::Transitioning, None),
        Some(Observed::Gone) | None => (wire::ServiceState::Stopped, None),
    }
}

/// The state of a service is that of its worst version.
fn overall(versions: &[wire::ServiceVersion]) -> (wire::ServiceState, Option<String>) {
    use wire::ServiceState::{Failed, Healthy, Stopped, Transitioning};

    let found = [Failed, Transitioning, Healthy]
        .into_iter()
        .find_map(|state| versions.iter().find(|version| version.state == state));
    let Some(version) = found else { return (Stopped, None) };
    let message = version.message.as_ref().map(|message| match versions {
        [_] => message.clone(),
        _ => format!("version {}: {message}", version.version),
    });
    (version.state, message)
}

fn kind(spec: &ServiceSpec) -> String {
    if spec.scorer.is_some() { "scorer" } else { "no-code" }.to_owned()
}

fn settings(spec: &ServiceSpec) -> wire::Settings {
    wire::Settings {
        min_replicas: spec.scaling.min,
        max_replicas: spec.scaling.max,
        target_utilization: spec.scaling.target_utilization,
        refresh_period_in_seconds: spec.scaling.refresh.as_secs_f64(),
        idle_after_seconds: spec.scaling.idle_after.as_secs_f64(),
        max_concurrent_requests_per_container: spec.admission.requests_per_replica,
        max_queue_wait_ms: spec.admission.max_queue_wait.as_millis() as u64,
        max_queue: spec.admission.max_queue,
        scoring_timeout_ms: spec.admission.scoring_timeout.as_millis() as u64,
        weight: spec.admission.weight,
        requests_per_second: spec.admission.rate_limit,
        memory_bytes: spec.grants.memory_bytes,
        clock: spec.grants.clock,
        random: spec.grants.random,
        outbound: spec.grants.outbound.iter().map(outbound).collect(),
        services: spec.grants.services.iter().map(ToString::to_string).collect(),
        collect: spec.collection.is_some(),
        record: spec.recording.is_some(),
        warm_up: spec.warm_up.as_ref().map_or(0, |warm_up| warm_up.count),
        response_cache_bytes: spec.response_cache.map(|cache| cache.max_bytes),
        response_cache_seconds: spec.response_cache.and_then(|cache| cache.keep_for).map(|keep| keep.as_secs_f64()),
        pin_models: spec.pin_models,
        device: spec.devices.device.map(|device| device.name().to_owned()),
        precision: spec.devices.precision.map(|precision| precision.name().to_owned()),
        device_copies: spec.devices.copies,
        cpu_fallback: spec.devices.fallback,
    }
}

fn outbound(place: &Outbound) -> String {
    match place.port {
        Some(port) => format!("{}:{port}", place.host),
        None => place.host.clone(),
    }
}
