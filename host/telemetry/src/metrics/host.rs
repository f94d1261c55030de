//! `scorehost_*` of the host as a whole.

use super::text::Text;
use super::{HostState, ModelMemoryState, epoch, services};

pub(super) fn write(text: &mut Text, host: &HostState) {
    text.gauge("scorehost_build_info", "1; the labels say what runs.");
    text.sample(&[("version", host.version)], 1);
    text.gauge("scorehost_ready", "1 once all services of an earlier run are restored.");
    text.sample(&[], u8::from(host.ready));
    text.gauge("scorehost_connections", "Connections open at the HTTP and gRPC doors.");
    text.sample(&[], host.connections);
    text.gauge(
        "scorehost_models_loaded",
        "Graphs loaded on devices; services and versions with the same weights share one.",
    );
    text.sample(&[], host.models);
    text.gauge("scorehost_model_memory_bytes", "Bytes that loaded graphs hold, as far as their devices tell.");
    text.sample(&[], host.model_bytes);
    memory(text, &host.model_memory);
    text.gauge("scorehost_model_calls_queued", "Calls of models that wait for a worker thread.");
    text.sample(&[], host.model_calls_queued);
    devices(text, host);
    text.counter(
        "scorehost_error_answers",
        "Error answers of all doors by the failure's kind, requests of no service included.",
    );
    for (kind, count) in &host.errors {
        text.sample(&[("kind", kind)], count);
    }
    text.counter("scorehost_copied_bytes", "Bytes that the host copied on the way of requests, by where.");
    for (place, bytes) in &host.copied {
        text.sample(&[("place", place)], bytes);
    }
    collected(text, host);
    text.counter("scorehost_service_log_lines_dropped", "Lines that a service wrote beyond its log budget.");
    for (service, count) in &host.log_lines_dropped {
        text.sample(&[("service", service.as_str())], count);
    }
    exported(text, host);
    text.gauge("scorehost_certificate_not_after_timestamp_seconds", "When the certificates in use end.");
    for (name, ends) in &host.certificates {
        text.sample(&[("name", name)], epoch(*ends));
    }
}

fn memory(text: &mut Text, memory: &ModelMemoryState) {
    text.gauge("scorehost_model_memory_budget_bytes", "Bytes that loaded graphs may hold; absent without a limit.");
    memory.budget.iter().for_each(|budget| text.sample(&[], budget));
    text.gauge("scorehost_model_memory_used_bytes", "Bytes of graphs under the budget that are loaded, as measured.");
    text.sample(&[], memory.bytes);
    text.gauge("scorehost_model_memory_pinned_bytes", "Of these, bytes of graphs that are never evicted.");
    text.sample(&[], memory.pinned_bytes);
    text.gauge("scorehost_models_known", "Graphs of deployed models, loaded or evicted.");
    text.sample(&[], memory.known);
    text.counter("scorehost_model_loads", "Loads of graphs begun, reloads included.");
    text.sample(&[], memory.loads);
    text.counter("scorehost_model_load_failures", "Loads of graphs that failed.");
    text.sample(&[], memory.failures);
    text.counter("scorehost_model_evictions", "Graphs evicted to make room for others.");
    text.sample(&[], memory.evictions);
    text.histogram("scorehost_model_reload_seconds", "Reloads of evicted graphs by time, the wait for room included.");
    services::buckets(text, &[], &memory.reloads, 0, memory.reloads.count());
}

fn devices(text: &mut Text, host: &HostState) {
    text.gauge("scorehost_device_memory_used_bytes", "Bytes that models hold on a device beside the CPU.");
    host.devices.iter().for_each(|device| text.sample(&[("device", &device.name)], device.used_bytes));
    text.gauge("scorehost_device_memory_limit_bytes", "Bytes that models may hold there.");
    host.devices.iter().for_each(|device| text.sample(&[("device", &device.name)], device.limit_bytes));
    text.counter(
        "scorehost_device_busy_seconds",
        "Seconds that calls have occupied it; calls on several streams add up.",
    );
    host.devices.iter().for_each(|device| text.sample(&[("device", &device.name)], device.busy_seconds));
    text.gauge("scorehost_device_calls", "Calls under way there.");
    host.devices.iter().for_each(|device| text.sample(&[("device", &device.name)], device.running));
    text.gauge("scorehost_device_healthy", "1 while the device answers.");
    host.devices.iter().for_each(|device| text.sample(&[("device", &device.name)], u8::from(device.healthy)));
    text.counter(
        "scorehost_device_fallbacks",
        "Models that the CPU has taken because the device asked for was missing, full or without one of their operators.",
    );
    text.sample(&[], host.device_fallbacks);
}

fn collected(text: &mut Text, host: &HostState) {
    text.counter("scorehost_collected_records", "Records of collected data by what became of them.");
    for (service, counts) in &host.collector {
        for (result, count) in [("written", counts.written), ("dropped", counts.dropped), ("failed", counts.failed)] {
            text.sample(&[("service", service.as_str()), ("result", result)], count);
        }
    }
    text.counter("scorehost_collected_bytes", "Bytes of files of collected data.");
    for (service, counts) in &host.collector {
        text.sample(&[("service", service.as_str())], counts.bytes);
    }
    text.counter(
        "scorehost_recorded_requests",
        "Requests to be recorded by what became of them; too large ones are dropped.",
    );
    let recorded = &host.recorded;
    for (result, count) in [("written", recorded.sent), ("dropped", recorded.dropped), ("failed", recorded.failed)] {
        text.sample(&[("result", result)], count);
    }
    let Some(uploads) = &host.uploads else { return };
    text.counter("scorehost_collected_uploads", "Attempts to upload a file of collected data, by what became of them.");
    for (result, count) in [("sent", uploads.sent), ("failed", uploads.failed)] {
        text.sample(&[("result", result)], count);
    }
    text.gauge("scorehost_collected_uploads_waiting", "Finished files of collected data that are not uploaded yet.");
    text.sample(&[], uploads.waiting);
}

fn exported(text: &mut Text, host: &HostState) {
    text.counter("scorehost_exported_items", "Spans, log records and access lines by what became of them.");
    for export in &host.exports {
        for (result, count) in [("sent", export.sent), ("dropped", export.dropped), ("failed", export.failed)] {
            text.sample(&[("signal", export.signal), ("result", result)], count);
        }
    }
}
