//! The report of an endpoint: each version beside the one that it is compared with.

use std::time::Duration;

use crate::catalog::Service;
use crate::reports::VersionReport;
use crate::{traffic, wire};

/// Puts what versions did beside the control version.
pub(crate) fn compare(service: &Service, did: Vec<VersionReport>) -> wire::Report {
    let shares = &service.front.traffic;
    let control = traffic::control(shares).to_string();
    let of = |version: &str| did.iter().find(|report| *report.version == *version);
    let of_control = of(&control);
    let row = |version: &scorehost_core::VersionName| {
        let name = version.to_string();
        let mut row = figures(&name, of(&name), of_control.filter(|_| name != control));
        row.is_default = *version == shares.default;
        row.is_control = name == control;
        row.percent = traffic::percent(shares, version);
        row
    };
    let versions = service.in_order().into_iter().map(|(version, _)| row(version)).collect();
    wire::Report { service: service.name().to_string(), control, versions }
}

fn figures(version: &str, did: Option<&VersionReport>, control: Option<&VersionReport>) -> wire::VersionFigures {
    let failures = |report: &VersionReport| report.failed.iter().map(|(_, count)| count).sum::<u64>();
    let latency = did.and_then(|report| report.latency);
    let of_control = control.and_then(|report| report.latency);
    let against = |pick: fn(&crate::Latency) -> Duration| {
        let (own, other) = (pick(&latency?).as_secs_f64(), pick(&of_control?).as_secs_f64());
        (other > 0.0).then_some((own / other - 1.0) * 100.0)
    };
    let requests = did.map_or(0, |report| report.succeeded + failures(report));
    wire::VersionFigures {
        version: version.to_owned(),
        is_default: false,
        is_control: false,
        percent: 0.0,
        requests,
        failures: did.map_or(0, failures),
        error_percent: did.filter(|_| requests > 0).map(|report| failures(report) as f64 * 100.0 / requests as f64),
        failures_by_kind: did.map_or_else(Default::default, by_kind),
        cancelled: did.map_or(0, |report| report.cancelled),
        mean_ms: latency.map(|latency| millis(latency.mean)),
        p50_ms: latency.map(|latency| millis(latency.p50)),
        p95_ms: latency.map(|latency| millis(latency.p95)),
        p99_ms: latency.map(|latency| millis(latency.p99)),
        p50_against_control_percent: against(|latency| latency.p50),
        p95_against_control_percent: against(|latency| latency.p95),
        differences: did.map_or_else(Vec::new, differences),
    }
}

fn by_kind(report: &VersionReport) -> std::collections::BTreeMap<String, u64> {
    report.failed.iter().map(|(kind, count)| (kind.name().to_owned(), *count)).collect()
}

fn differences(report: &VersionReport) -> Vec<wire::Differences> {
    let row = |difference: &crate::Difference| {
        let compared = difference.equal + difference.differing;
        wire::Differences {
            with: difference.with.to_string(),
            copied: difference.copied,
            dropped: difference.dropped,
            compared,
            differing: difference.differing,
            differing_percent: (compared > 0).then(|| difference.differing as f64 * 100.0 / compared as f64),
            failed: difference.failed,
            largest: difference.largest,
            mean: difference.mean,
        }
    };
    report.differences.iter().map(row).collect()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
