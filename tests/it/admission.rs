//! Sharing a host: floods, endless loops, deadlines, limits and callers that leave, through the real binary.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::guests::{build, text};
use crate::host::{Answer, Host, ask};

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
    while score(host, service, &[("x-scorehost-timeout-ms", "100")], "ok").status == 200 {}
}

#[test]
fn one_tenants_flood_and_endless_loops_leave_the_others_theirs() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    let many = json!({"maxConcurrentRequestsPerContainer": 150, "scoringTimeoutMs": 600_000, "maxQueueWaitMs": 5});
    deploy(&host, &folder, &component, "greedy", many);
    deploy(&host, &folder, &component, "modest", json!({"scoringTimeoutMs": 1000}));
    // Known costs: without neighbours.
    for _ in 0..5 {
        assert_eq!(score(&host, "modest", &[], "work 5").status, 200);
    }
    let loops: Vec<TcpStream> = (0..150).map(|_| begin(&host, "greedy", "loop")).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let flood = std::thread::spawn({
        let (stop, address) = (Arc::clone(&stop), host.address());
        move || {
            while !stop.load(Ordering::Relaxed) {
                ask(address, "POST", "/api/v1/service/greedy/score", &[], b"work 5");
            }
        }
    });
    // A call of several slices would wait for 75 others before each of them, and run out of its second.
    let answers: Vec<u16> = (0..40).map(|_| score(&host, "modest", &[], "work 5").status).collect();
    assert_eq!(answers, [200; 40]);
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
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
    let answer = score(&host, "only", &[("x-scorehost-timeout-ms", "150")], "loop");
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
