//! Triton's names for the same counters (<https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md>).

use scorehost_core::ErrorKind;

use super::text::Text;
use super::{LiveCache, LiveService, Scrape};
use crate::{Measure, ServiceSnapshot};

/// Triton's reasons of failure.
const REASONS: [&str; 4] = ["REJECTED", "CANCELED", "BACKEND", "OTHER"];

/// Name, help and value of a counter.
type Counter = (&'static str, &'static str, fn(&ServiceSnapshot) -> u64);

pub(super) fn write(text: &mut Text, scrape: &Scrape<'_>) {
    let services = scrape.services;
    let counters: [Counter; 8] = [
        ("nv_inference_request_success", "Number of successful inference requests.", |all| all.success.count),
        ("nv_inference_count", "Number of inferences performed.", |all| all.inference_count),
        ("nv_inference_exec_count", "Number of executions that performed them.", |all| all.execution_count),
        ("nv_inference_request_duration_us", "Cumulative duration of successful requests in microseconds.", |all| {
            micros(all.success)
        }),
        ("nv_inference_queue_duration_us", "Cumulative time that they waited for a replica in microseconds.", |all| {
            micros(all.queue)
        }),
        (
            "nv_inference_compute_input_duration_us",
            "Cumulative time of preparing inputs; 0, tensors are handed on.",
            |all| micros(all.compute_input),
        ),
        (
            "nv_inference_compute_infer_duration_us",
            "Cumulative time of the scorer or the model in microseconds.",
            |all| micros(all.compute_infer),
        ),
        (
            "nv_inference_compute_output_duration_us",
            "Cumulative time of taking outputs out; 0, tensors are handed on.",
            |all| micros(all.compute_output),
        ),
    ];
    for (name, help, value) in counters {
        text.foreign_counter(name, help);
        for snapshot in services {
            text.sample(&labels(snapshot), value(snapshot));
        }
    }
    text.foreign_counter("nv_inference_request_failure", "Number of failed inference requests by Triton's reasons.");
    for snapshot in services {
        let [model, version] = labels(snapshot);
        for (reason, count) in REASONS.into_iter().zip(reasons(snapshot)) {
            text.sample(&[model, version, ("reason", reason)], count);
        }
    }
    text.gauge("nv_inference_pending_request_count", "Requests that wait for execution.");
    for live in scrape.live {
        text.sample(&[("model", live.service.as_str()), ("version", &*live.version)], live.queued);
    }
    cached(text, scrape.live);
}

fn cached(text: &mut Text, live: &[LiveService]) {
    type Counter = (&'static str, &'static str, fn(&LiveCache) -> u64);
    let counters: [Counter; 4] = [
        ("nv_cache_num_hits_per_model", "Number of cache hits per model.", |cache| cache.hits),
        ("nv_cache_num_misses_per_model", "Number of cache misses per model.", |cache| cache.misses),
        ("nv_cache_hit_duration_per_model", "Cumulative time of cache hits in microseconds.", |cache| {
            cache.hit_time.as_micros() as u64
        }),
        (
            "nv_cache_miss_duration_per_model",
            "Cumulative time of looking answers up in vain and keeping them, in microseconds.",
            |cache| cache.miss_time.as_micros() as u64,
        ),
    ];
    for (name, help, value) in counters {
        text.foreign_counter(name, help);
        for service in live {
            if let Some(cache) = &service.cache {
                text.sample(&[("model", service.service.as_str()), ("version", &*service.version)], value(cache));
            }
        }
    }
}

fn reasons(snapshot: &ServiceSnapshot) -> [u64; REASONS.len()] {
    let (rejected, backend) = (snapshot.failed(ErrorKind::Overloaded), snapshot.failed(ErrorKind::ScorerFault));
    let all: u64 = snapshot.failures.iter().map(|(_, count)| count).sum();
    [rejected, snapshot.cancelled, backend, all - rejected - backend]
}

fn labels(snapshot: &ServiceSnapshot) -> [(&str, &str); 2] {
    [("model", snapshot.service.as_str()), ("version", &*snapshot.version)]
}

const fn micros(measure: Measure) -> u64 {
    measure.ns / 1000
}
