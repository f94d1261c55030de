//! Sharing a host: floods, endless loops, deadlines, limits and callers that leave, through the real binary.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guests::{build, text};
use crate::host::{Answer, Host, ask};
use crate::load::{Asked, Load};

/// Deploys the faulty scorer as `service` with a deployment file of these members.
fn deploy(host: &Host, folder: &tempfile::TempDir, component: &Path, service: &str, members: Value) {
    let mut document = json!({
        "computeType": "local", "numReplicas": 1,
        "containerResourceRequirements": {"memoryInGB": 0.0625, "cpu": 0.1},
    });
    for (key, value) in members.as_object().unwrap() {
        document[key] = value.clone();
    }
    let dc = folder.path().join(format!("{service}.json"));
    std::fs::write(&dc, document.to_string()).unwrap();
    host.ok(&["deploy", "-n", service, "--scorer", text(component), "--dc", text(&dc)]);
}

fn score(host: &Host, service: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    host.post(&format!("/api/v1/service/{service}/score"), headers, body.as_bytes())
}

/// Sends a request and leaves its answer for later, or for never.
fn begin(host: &Host, service: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(host.address()).unwrap();
    let head =
        format!("POST /api/v1/service/{service}/score HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    stream
}

/// Returns once the only replica is taken, so that nobody else gets in.
fn until_taken(host: &Host, service: &str) {
    until(|| host.manage("GET", &format!("/services/{service}"), &[]).json()["replicas"]["busy"] == 1);
}

/// Looks until `there`; fails where that takes as long as nothing does.
fn until(there: impl Fn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !there() {
        assert!(Instant::now() < give_up, "it never came");
    }
}

/// The value of a metric of a service's only version.
fn metric(host: &Host, name: &str, service: &str) -> f64 {
    let (text, sample) = (host.get("/metrics").text(), format!("{name}{{service=\"{service}\",version=\"1\"}} "));
    let value = text.lines().find_map(|line| line.strip_prefix(&sample));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{sample}:\n{text}"))
}

/// What is promised is a share of the processors, however many others there are and however slow these are: it is measured as
/// processor time that the guests of each tenant got while both wanted all that they could have. Were threads shared call by
/// call, the 150 loops would get tens of times as much as the few calls of their neighbour.
#[test]
fn one_tenants_flood_and_endless_loops_leave_the_others_theirs() {
    const LOOPS: usize = 150;
    let Some(component) = build("tests/guests/faulty") else { return };
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    let deploy = |service: &str, at_once: usize, wait: u64| {
        let members = json!({
            "maxConcurrentRequestsPerContainer": at_once, "scoringTimeoutMs": 600_000, "maxQueueWaitMs": wait,
        });
        deploy(&host, &folder, &component, service, members);
    };
    // Enough calls to want every thread at any time.
    let callers = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    deploy("greedy", LOOPS, 5);
    deploy("modest", callers, 600_000);
    let loops: Vec<TcpStream> = (0..LOOPS).map(|_| begin(&host, "greedy", "loop")).collect();
    until(|| metric(&host, "scorehost_requests_in_flight", "greedy") >= LOOPS as f64);
    let asked = |service: &str| Asked::new(&format!("/api/v1/service/{service}/score"), &[], b"work 5");
    let flood = Load::start(&host, 1, &asked("greedy"));
    let modest = Load::start(&host, callers, &asked("modest"));
    modest.until_answered(2 * callers as u64);
    let used = || ["greedy", "modest"].map(|service| metric(&host, "scorehost_guest_cpu_seconds_total", service));
    let before = used();
    modest.until_answered(100);
    let after = used();
    modest.end().assert_whole();
    let flooded = flood.end();
    assert!(flooded.answers == 0 && flooded.failures.iter().all(|failure| failure == "status 503"), "{flooded:?}");
    let [greedy, modest] = [after[0] - before[0], after[1] - before[1]];
    assert!(greedy > 0.0 && greedy < 3.0 * modest, "the loops used {greedy} s while the others got {modest} s");
    for mut stream in loops {
        stream.set_nonblocking(true).unwrap();
        let still_running =
            stream.read(&mut [0; 64]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(still_running, "the loops were there all the time");
    }
}

#[test]
fn a_caller_that_leaves_frees_its_replica_at_once() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    deploy(&host, &folder, &component, "only", json!({"scoringTimeoutMs": 600_000, "maxQueueWaitMs": 20_000}));
    for _ in 0..5 {
        let looping = begin(&host, "only", "loop");
        until_taken(&host, "only");
        drop(looping);
        assert_eq!(score(&host, "only", &[], "ok").status, 200, "it waits 20 s for a replica, and the loop takes 600");
    }
}

#[test]
fn the_callers_deadline_stops_the_guest() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    deploy(&host, &folder, &component, "only", json!({"scoringTimeoutMs": 600_000, "maxQueueWaitMs": 20_000}));
    let answer = score(&host, "only", &[("x-scorehost-timeout-ms", "2000")], "loop");
    assert_eq!((answer.status, answer.header("x-ms-run-function-failed")), (504, Some("True")), "{}", answer.text());
    assert_eq!(score(&host, "only", &[], "ok").status, 200);
}

#[test]
fn a_rate_limit_answers_429_and_says_when_to_come_again() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    // One request in a hundred seconds: however slow this machine is, the second comes too early.
    let limit = json!({"scorehost": {"admission": {"requestsPerSecond": 0.01}}});
    deploy(&host, &folder, &component, "limited", limit);
    assert_eq!(score(&host, "limited", &[], "ok").status, 200);
    let answer = score(&host, "limited", &[], "ok");
    assert_eq!(answer.status, 429, "{}", answer.text());
    let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=100).contains(&after), "{after}");
    assert!(answer.text().contains("0.01 requests per second"), "{}", answer.text());
}

#[test]
fn in_a_full_queue_low_gives_way_to_high() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    let short =
        json!({"scoringTimeoutMs": 600_000, "maxQueueWaitMs": 20_000, "scorehost": {"admission": {"maxQueue": 1}}});
    deploy(&host, &folder, &component, "busy", short);
    let looping = begin(&host, "busy", "loop");
    until_taken(&host, "busy");
    let ask_as = |priority: &'static str| {
        let address = host.address();
        std::thread::spawn(move || {
            ask(address, "POST", "/api/v1/service/busy/score", &[("x-scorehost-priority", priority)], b"ok")
        })
    };
    let low = ask_as("low");
    // Once the high one is in line, whichever came first, a low one is refused: by being displaced or at once.
    let high = ask_as("high");
    let refused = low.join().unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("busy") && refused.text().contains("overloaded"), "{}", refused.text());
    drop(looping);
    assert_eq!(high.join().unwrap().status, 200);
}
