//! `scorehost_*` per service and version.

use scorehost_core::ErrorKind;

use super::text::Text;
use super::{LiveReplicas, LiveService, Scrape, seconds};
use crate::{ComparisonSnapshot, HistogramSnapshot, ServiceSnapshot};

/// Upper ends of a histogram's buckets: 2^2 to 2^26 µs, that is 4 µs to 67 s.
const EXPONENTS: std::ops::RangeInclusive<u32> = 2..=26;

pub(super) fn write(text: &mut Text, scrape: &Scrape<'_>) {
    requests(text, scrape.services);
    distributions(text, scrape.services);
    sums(text, scrape.services);
    live(text, scrape.live);
    shadows(text, scrape.shadows);
}

fn shadows(text: &mut Text, shadows: &[ComparisonSnapshot]) {
    text.counter(
        "scorehost_shadow_requests",
        "Copies of requests sent to a shadow version, by how its answer compared with that of version 'with'.",
    );
    for pair in shadows {
        let results =
            [("equal", pair.equal), ("differing", pair.differing), ("failed", pair.failed), ("dropped", pair.dropped)];
        for (result, count) in results {
            let (service, version) = (pair.service.as_str(), &*pair.version);
            text.sample(&[("service", service), ("version", version), ("with", &pair.with), ("result", result)], count);
        }
    }
}

fn requests(text: &mut Text, services: &[ServiceSnapshot]) {
    text.counter(
        "scorehost_requests",
        "Requests that ended: outcome is ok, cancelled (the caller went away) or the kind of the failure.",
    );
    for snapshot in services {
        let failures = snapshot.failures.iter().map(|(kind, count)| (kind.name(), *count));
        let all = [("ok", snapshot.success.count), ("cancelled", snapshot.cancelled)].into_iter().chain(failures);
        for (outcome, count) in all {
            let (service, version) = (snapshot.service.as_str(), &*snapshot.version);
            text.sample(&[("service", service), ("version", version), ("outcome", outcome)], count);
        }
    }
    text.counter(
        "scorehost_requests_shed",
        "Requests refused because a queue or a limit was full (outcome overloaded).",
    );
    each(text, services, |snapshot| snapshot.failed(ErrorKind::Overloaded));
}

fn distributions(text: &mut Text, services: &[ServiceSnapshot]) {
    text.histogram(
        "scorehost_request_duration_seconds",
        "Successful requests by time from admission to answer. Versions without a successful request are absent.",
    );
    for snapshot in services {
        histogram(text, snapshot, &snapshot.latency, snapshot.latency.count());
    }
    text.histogram(
        "scorehost_queue_wait_seconds",
        "Successful requests by their wait for a replica. Versions without a successful request are absent.",
    );
    for snapshot in services {
        histogram(text, snapshot, &snapshot.queue_wait, snapshot.success.count);
    }
}

/// Writes a histogram of `count` durations, of which those that were zero are not counted in it.
fn histogram(text: &mut Text, snapshot: &ServiceSnapshot, counted: &HistogramSnapshot, count: u64) {
    if count == 0 {
        return;
    }
    // Requests may have finished between the reading of the two sums.
    let count = count.max(counted.count());
    let zeros = count - counted.count();
    buckets(text, &labels(snapshot), counted, zeros, count);
}

/// The samples of a histogram of `count` durations, `zeros` of them not counted in it.
pub(super) fn buckets(text: &mut Text, labels: &[(&str, &str)], counted: &HistogramSnapshot, zeros: u64, count: u64) {
    let bucket = |text: &mut Text, end: &str, below: u64| {
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("le", end)]).collect();
        text.suffixed("_bucket", &labels, below);
    };
    for exponent in EXPONENTS {
        let micros = 1 << exponent;
        bucket(text, &(micros as f64 / 1e6).to_string(), zeros + counted.below(micros));
    }
    bucket(text, "+Inf", count);
    text.suffixed("_sum", labels, seconds(counted.sum()));
    text.suffixed("_count", labels, count);
}

fn sums(text: &mut Text, services: &[ServiceSnapshot]) {
    text.counter(
        "scorehost_guest_cpu_seconds",
        "Time that calls of the scorer spent computing, models that ran on its thread included.",
    );
    each(text, services, |snapshot| seconds(snapshot.computed));
    text.counter(
        "scorehost_service_device_seconds",
        "Time that runs of models for a service occupied GPUs and FPGAs, each call with its rows' part of a run. Kinds that were never used are absent.",
    );
    for snapshot in services {
        for (device, time) in snapshot.on_devices.iter().filter(|(_, time)| !time.is_zero()) {
            let [service, version] = labels(snapshot);
            text.sample(&[service, version, ("device", device.name())], seconds(*time));
        }
    }
    text.counter("scorehost_cold_starts", "Requests that found no replica and waited for one to be made.");
    each(text, services, |snapshot| snapshot.cold_starts);
    text.gauge(
        "scorehost_last_success_timestamp_seconds",
        "When the latest successful request finished; 0 before the first.",
    );
    each(text, services, |snapshot| snapshot.last_inference as f64 / 1e3);
}

fn live(text: &mut Text, live: &[LiveService]) {
    text.gauge("scorehost_requests_in_flight", "Requests admitted and not answered yet, waiting ones included.");
    for service in live {
        text.sample(&live_labels(service), service.in_flight);
    }
    text.gauge("scorehost_requests_queued", "Requests that wait for a replica.");
    for service in live {
        text.sample(&live_labels(service), service.queued);
    }
    text.gauge("scorehost_replicas", "Replicas of services with a scorer by state: busy, idle or creating.");
    for service in live {
        let Some(LiveReplicas { busy, idle, creating, .. }) = service.replicas else { continue };
        for (state, count) in [("busy", busy), ("idle", idle), ("creating", creating)] {
            let [name, version] = live_labels(service);
            text.sample(&[name, version, ("state", state)], count);
        }
    }
    cached(text, live);
    scaled(text, live);
}

fn cached(text: &mut Text, live: &[LiveService]) {
    let with_cache = || live.iter().filter_map(|service| Some((service, service.cache?)));
    text.counter(
        "scorehost_response_cache_requests",
        "Requests of services that keep answers, by result: hit or miss.",
    );
    for (service, cache) in with_cache() {
        for (result, count) in [("hit", cache.hits), ("miss", cache.misses)] {
            let [name, version] = live_labels(service);
            text.sample(&[name, version, ("result", result)], count);
        }
    }
    text.gauge("scorehost_response_cache_entries", "Answers kept.");
    for (service, cache) in with_cache() {
        text.sample(&live_labels(service), cache.entries);
    }
    text.gauge("scorehost_response_cache_bytes", "Bytes that kept answers take.");
    for (service, cache) in with_cache() {
        text.sample(&live_labels(service), cache.bytes);
    }
}

fn scaled(text: &mut Text, live: &[LiveService]) {
    let with_replicas = || live.iter().filter_map(|service| Some((service, service.replicas?)));
    text.gauge("scorehost_replicas_wanted", "Replicas that the autoscaler asks for.");
    for (service, replicas) in with_replicas() {
        text.sample(&live_labels(service), replicas.wanted);
    }
    text.gauge("scorehost_replicas_allowed", "Replicas that the host allows until the next decision.");
    for (service, replicas) in with_replicas() {
        text.sample(&live_labels(service), replicas.allowed);
    }
    text.counter(
        "scorehost_scaling_decisions",
        "Changes of the number of replicas kept, by direction and reason: load, idle, bounds or budget.",
    );
    for service in live {
        for (direction, reason, count) in &service.scalings {
            let [name, version] = live_labels(service);
            text.sample(&[name, version, ("direction", direction), ("reason", reason)], count);
        }
    }
}

fn each<V: std::fmt::Display>(text: &mut Text, services: &[ServiceSnapshot], value: impl Fn(&ServiceSnapshot) -> V) {
    for snapshot in services {
        text.sample(&labels(snapshot), value(snapshot));
    }
}

fn labels(snapshot: &ServiceSnapshot) -> [(&str, &str); 2] {
    [("service", snapshot.service.as_str()), ("version", &*snapshot.version)]
}

fn live_labels(live: &LiveService) -> [(&str, &str); 2] {
    [("service", live.service.as_str()), ("version", &*live.version)]
}
