#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Instant, UNIX_EPOCH};

use scorehost_core::{Clock, DeviceKind, ErrorKind};

use super::*;
use crate::{Statistics, Timing};

struct Stopped(Instant);

impl Clock for Stopped {
    fn now(&self) -> Instant {
        self.0
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000)
    }
}

fn services() -> Vec<ServiceSnapshot> {
    let clock = Stopped(Instant::now());
    let statistics = Statistics::new(&clock);
    let first = statistics.service(&"echo".parse().unwrap(), &"1".into());
    let timing = |queue, micros| Timing {
        queue: Duration::from_micros(queue),
        compute_infer: Duration::from_micros(micros),
        ..Timing::default()
    };
    first.succeeded(clock.0, timing(0, 3));
    first.succeeded(clock.0, timing(500, 1500));
    first.failed(ErrorKind::Overloaded, Duration::ZERO);
    first.failed(ErrorKind::ScorerFault, Duration::from_millis(1));
    first.failed(ErrorKind::Deadline, Duration::from_millis(9));
    first.cancelled();
    first.computed(Duration::from_millis(1));
    first.started_cold();
    first.occupied(DeviceKind::Gpu, Duration::from_micros(2_500));
    first.occupied(DeviceKind::Cpu, Duration::from_secs(9));
    statistics.service(&"echo".parse().unwrap(), &"two".into());
    statistics.snapshot()
}

fn live() -> Vec<LiveService> {
    let replicas = Some(LiveReplicas { busy: 2, idle: 1, creating: 0, wanted: 4, allowed: 10 });
    let service = |version: &str, replicas: Option<LiveReplicas>| LiveService {
        service: "echo".parse().unwrap(),
        version: version.into(),
        in_flight: 3,
        queued: 1,
        scalings: if replicas.is_some() { vec![("up", "load", 3)] } else { vec![] },
        cache: replicas.map(|_| LiveCache {
            entries: 26,
            bytes: 27,
            hits: 28,
            misses: 29,
            hit_time: Duration::from_micros(30),
            miss_time: Duration::from_micros(31),
        }),
        replicas,
    };
    vec![service("1", replicas), service("two", None)]
}

/// One of two loaded graphs of the same name.
fn batches() -> crate::BatchesSnapshot {
    let counted = crate::BatchStatistics::new("digits:1");
    counted.ran(1, 1, None);
    counted.ran(5, 12, Some(crate::Mixed::Services));
    counted.taken_apart(crate::Apart::Failed);
    counted.waited(Duration::from_millis(3));
    counted.limited_to(16);
    counted.snapshot()
}

fn host() -> HostState {
    HostState {
        version: "0.1.0",
        ready: true,
        connections: 4,
        models: 5,
        devices: vec![DeviceState {
            name: "cuda:0".to_owned(),
            used_bytes: 40,
            limit_bytes: 41,
            busy_seconds: 4.25,
            running: 2,
            healthy: true,
        }],
        device_fallbacks: 3,
        model_bytes: 6,
        model_memory: ModelMemoryState {
            budget: Some(19),
            known: 20,
            bytes: 21,
            pinned_bytes: 22,
            loads: 23,
            failures: 24,
            evictions: 25,
            reloads: HistogramSnapshot::default(),
        },
        model_calls_queued: 7,
        batches: vec![batches(), batches(), crate::BatchesSnapshot::default()],
        errors: vec![("not_found", 8)],
        copied: vec![("body", 600_000), ("align", 0)],
        collector: vec![(
            "digits".parse().unwrap(),
            CollectorCounts { written: 9, dropped: 10, failed: 11, bytes: 12 },
        )],
        recorded: crate::OutboxCounts { sent: 16, dropped: 17, failed: 18 },
        uploads: Some(crate::UploadCounts { sent: 13, failed: 14, waiting: 15 }),
        log_lines_dropped: vec![("echo".parse().unwrap(), 12)],
        exports: vec![Export { signal: "span", sent: 13, dropped: 14, failed: 15 }],
        certificates: vec![("a \"quoted\" name".into(), UNIX_EPOCH + Duration::from_secs(2_000))],
        process: Some(Process {
            cpu: Duration::from_millis(1_250),
            resident_bytes: 1,
            virtual_bytes: 2,
            threads: 3,
            open_files: 4,
            max_open_files: Some(5),
            started: UNIX_EPOCH + Duration::from_millis(1_500),
        }),
    }
}

fn rendered(format: Format) -> String {
    let (services, live, host) = (services(), live(), host());
    let pair = ComparisonSnapshot {
        service: "echo".parse().unwrap(),
        version: "two".into(),
        with: "1".into(),
        copied: 9,
        dropped: 1,
        equal: 5,
        differing: 2,
        failed: 2,
        largest_difference: Some(0.5),
        mean_difference: Some(0.25),
    };
    render(&Scrape { services: &services, live: &live, shadows: &[pair], host: &host }, format)
}

#[test]
fn the_text_is_as_agreed() {
    let found = rendered(Format::Text);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/metrics/tests/metrics.txt"), &found).unwrap();
    }
    let expected = include_str!("tests/metrics.txt");
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

#[test]
fn open_metrics_differs_in_the_names_of_counters_and_in_its_end() {
    let (text, open) = (rendered(Format::Text), rendered(Format::OpenMetrics));
    assert!(open.ends_with("\n# EOF\n"));
    assert!(open.contains("# TYPE scorehost_requests counter\nscorehost_requests_total{"));
    assert!(open.contains("# TYPE nv_inference_count unknown\nnv_inference_count{"));
    let samples =
        |text: &str| -> Vec<String> { text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect() };
    assert_eq!(samples(&text), samples(&open));
}

#[test]
fn a_histogram_is_cumulative_and_counts_waits_of_zero() {
    let text = rendered(Format::Text);
    let of = |line: &str| text.lines().find_map(|found| found.strip_prefix(line)).unwrap().trim().to_owned();
    let wait =
        |le: &str| of(&format!("scorehost_queue_wait_seconds_bucket{{service=\"echo\",version=\"1\",le=\"{le}\"}}"));
    assert_eq!(
        (wait("0.000004"), wait("0.000256"), wait("0.001024"), wait("+Inf")),
        ("1".into(), "1".into(), "2".into(), "2".into())
    );
    assert_eq!(of("scorehost_request_duration_seconds_sum{service=\"echo\",version=\"1\"}"), "0.002003");
    assert!(!text.contains("duration_seconds_bucket{service=\"echo\",version=\"two\""));
}

#[test]
fn the_form_is_what_the_header_asks_for_most() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, expected) in [
        (None, Format::Text),
        (Some("*/*"), Format::Text),
        (Some("text/plain"), Format::Text),
        (Some("application/openmetrics-text"), Format::OpenMetrics),
        (Some("application/openmetrics-text; q=0"), Format::Text),
        (Some("text/plain;q=0.9, application/openmetrics-text;q=0.1"), Format::Text),
        (Some(prometheus), Format::OpenMetrics),
    ] {
        assert_eq!(Format::accepted(accept), expected, "{accept:?}");
    }
}

/// Names of metrics in a query.
fn metrics_of(query: &str) -> Vec<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| ["scorehost_", "process_", "nv_"].iter().any(|prefix| word.starts_with(prefix))).collect()
}

/// Every text below a key `expr` or `query`.
fn queries<'a>(value: &'a serde_json::Value, found: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                match value {
                    serde_json::Value::String(text) if name == "expr" || name == "query" => found.push(text),
                    value => queries(value, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard = include_str!("../../../../deploy/dashboards/scorehost.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    let text = rendered(Format::Text);
    let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut used: Vec<&str> = found.iter().flat_map(|query| metrics_of(query)).collect();
    used.sort_unstable();
    used.dedup();
    assert!(used.len() > 20, "{used:?}");
    for metric in used {
        let family = metric.strip_suffix("_bucket").unwrap_or(metric);
        assert!(families.contains(&family), "the dashboard uses {metric}, which /metrics does not show");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_read_where_there_is_proc() {
    let process = Process::read().unwrap();
    assert!(process.resident_bytes > 0 && process.threads > 0 && process.open_files > 0);
    assert!(process.started <= SystemTime::now());
}
