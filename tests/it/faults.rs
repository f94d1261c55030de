//! Scorers that trap, loop, eat memory or flood the log end one request each, while another service answers without a failure.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use serde_json::json;

use crate::guests::{build, text};
use crate::host::{Host, ask, model};

/// A caller of a healthy service that never pauses, and counts.
struct Bystander {
    stop: Arc<AtomicBool>,
    failures: Arc<AtomicU64>,
    answers: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Bystander {
    fn start(address: SocketAddr) -> Self {
        let (stop, failures, answers) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![3.0; 16]}]});
        let (stopping, failing, answering) = (Arc::clone(&stop), Arc::clone(&failures), Arc::clone(&answers));
        let thread = std::thread::spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                let answer = ask(address, "POST", "/v2/models/bystander/infer", &[], body.to_string().as_bytes());
                let right = answer.status == 200 && answer.json()["outputs"][0]["data"] == json!(vec![3.0; 16]);
                if right { &answering } else { &failing }.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, failures, answers, thread }
    }

    /// Ends the calls; returns (answers, failures).
    fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        (self.answers.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }
}

/// A host with a healthy service, and a deployment file with little memory, and room to wait on a busy machine.
fn host(folder: &tempfile::TempDir) -> (Host, PathBuf) {
    let host = Host::start();
    host.deploy_model("bystander", &model("identity_fp32.onnx"));
    let dc = folder.path().join("dc.json");
    let resources = json!({"memoryInGB": 0.0625, "cpu": 0.1});
    let document = json!({
        "computeType": "local", "maxQueueWaitMs": 60_000, "containerResourceRequirements": resources,
    });
    std::fs::write(&dc, document.to_string()).unwrap();
    (host, dc)
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn every_fault_ends_one_request_and_nothing_else() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut host, dc) = host(&folder);
    host.ok(&["deploy", "-n", "faulty", "--scorer", text(&component), "--dc", text(&dc)]);
    let bystander = Bystander::start(host.address());
    let score = |fault: &str| {
        // What never ends is given less time; nothing else depends on how fast this machine is.
        let headers: &[_] = if fault == "loop" { &[("x-scorehost-timeout-ms", "300")] } else { &[] };
        host.post("/api/v1/service/faulty/score", headers, fault.as_bytes())
    };
    for round in 0..3 {
        for (fault, status) in [
            ("trap", 502),
            ("loop", 504),
            ("memory", 502),
            ("stack", 502),
            ("panic", 502),
            ("fail", 502),
            ("unheard-of", 400),
        ] {
            let answer = score(fault);
            assert_eq!(answer.status, status, "round {round}, {fault}: {}", answer.text());
            if status == 502 {
                assert_eq!(answer.header("x-ms-run-function-failed"), Some("True"), "{fault}: {}", answer.head);
            }
            let after = score("ok");
            assert_eq!(after.status, 200, "after {fault}: {}", after.text());
        }
    }
    let (answers, failures) = bystander.end();
    assert_eq!(failures, 0, "of {answers}");
    assert!(answers > 0);
    let log = host.ok(&["service", "logs", "faulty"]);
    assert!(log.contains("asked to panic"), "{log}");
    assert!(host.is_alive());
}

#[test]
fn the_scoring_timeout_of_the_deployment_stops_an_endless_loop() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (host, _) = host(&folder);
    let dc = folder.path().join("short.json");
    std::fs::write(&dc, r#"{"computeType": "local", "scoringTimeoutMs": 300}"#).unwrap();
    host.ok(&["deploy", "-n", "short", "--scorer", text(&component), "--dc", text(&dc)]);
    let answer = host.post("/api/v1/service/short/score", &[], b"loop");
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(
        answer.text().contains("300 ms") || answer.text().contains("did not finish run in time"),
        "{}",
        answer.text()
    );
}

#[test]
fn a_flood_of_log_lines_costs_bounded_memory() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (host, _) = host(&folder);
    host.ok(&["deploy", "-n", "faulty", "--scorer", text(&component)]);
    let before = resident_mib(host.pid());
    let bystander = Bystander::start(host.address());
    let answer = host.post("/api/v1/service/faulty/score", &[], b"flood");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (answers, failures) = bystander.end();
    assert_eq!(failures, 0, "of {answers}");
    assert!(resident_mib(host.pid()) < before + 100, "1 GB of lines grew the host beyond 100 MiB");
}

#[test]
fn a_fault_in_init_refuses_the_deployment_and_the_old_version_goes_on() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (host, dc) = host(&folder);
    host.ok(&["deploy", "-n", "faulty", "--scorer", text(&component), "--dc", text(&dc)]);
    let bystander = Bystander::start(host.address());
    for fault in ["trap", "panic", "memory", "stack", "fail"] {
        let variable = format!("FAULT_INIT={fault}");
        let deploy = ["deploy", "-n", "faulty", "--scorer", text(&component), "--dc", text(&dc), "--var", &variable];
        let error = host.fails(&deploy);
        assert!(error.contains("init"), "{fault}: {error}");
        let answer = host.post("/api/v1/service/faulty/score", &[], b"ok");
        assert_eq!(answer.status, 200, "after {fault} in init: {}", answer.text());
    }
    assert_eq!(bystander.end().1, 0);
}

#[test]
fn a_wrong_output_tensor_is_the_scorers_fault() {
    let Some(component) = build("tests/guests/wrong-output") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (host, _) = host(&folder);
    host.ok(&["deploy", "-n", "wrong-output", "--scorer", text(&component)]);
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![1.0; 16]}]});
    for _ in 0..3 {
        let answer = host.post("/v2/models/wrong-output/infer", &[], body.to_string().as_bytes());
        assert!(answer.status >= 500, "{}: {}", answer.status, answer.text());
        assert!(answer.text().contains("OUTPUT0"), "{}", answer.text());
    }
}
