//! Changes under load: no request fails while versions come, go, grow, shrink and fail to start.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::guests::{build, text};
use crate::host::Host;
use crate::load::{Asked, Load};

const SCORE: &str = "/api/v1/service/steady/score";

/// A file with room to wait: on a busy machine a replica may be long in coming.
fn patient(folder: &Path) -> PathBuf {
    let dc = folder.join("dc.json");
    let document = json!({
        "computeType": "local", "autoScaler": {"maxReplicas": 4}, "maxQueueWaitMs": 30_000,
        "containerResourceRequirements": {"memoryInGB": 0.0625},
    });
    std::fs::write(&dc, document.to_string()).unwrap();
    dc
}

/// A host with a service that does as it is told.
fn steady(folder: &tempfile::TempDir) -> Option<(Host, PathBuf, PathBuf)> {
    let component = build("tests/guests/faulty")?;
    let (host, dc) = (Host::start_with(&["--drain-timeout", "300"]), patient(folder.path()));
    host.ok(&["deploy", "-n", "steady", "--scorer", text(&component), "--dc", text(&dc)]);
    Some((host, component, dc))
}

#[test]
fn no_request_fails_while_a_service_is_updated_scaled_and_broken() {
    let folder = tempfile::tempdir().unwrap();
    let Some((host, component, dc)) = steady(&folder) else { return };
    let load = Load::start(&host, 4, &Asked::new(SCORE, &[], b"ok"));
    for round in 0..5 {
        host.ok(&["service", "update", "steady", "--var", &format!("ROUND={round}")]);
        load.until_answered(20);
        host.ok(&["service", "scale", "steady", "--replicas", "4"]);
        load.until_answered(20);
        host.ok(&["service", "scale", "steady", "--replicas", "1"]);
        load.until_answered(20);
        host.ok(&["deploy", "-n", "steady", "--scorer", text(&component), "--dc", text(&dc)]);
        let error = host.fails(&["service", "update", "steady", "--var", "FAULT_INIT=trap"]);
        assert!(error.contains("version 1 of service 'steady' answers as before"), "{error}");
        load.until_answered(20);
        host.ok(&["service", "scale", "steady", "--min", "1", "--max", "3"]);
    }
    load.end().assert_whole();
}

#[test]
fn no_request_fails_while_versions_come_are_promoted_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let Some((host, component, dc)) = steady(&folder) else { return };
    let load = Load::start(&host, 4, &Asked::new(SCORE, &[], b"ok"));
    let mut former = "1".to_owned();
    for round in 2..6 {
        let version = format!("v{round}");
        let deploy = ["deploy", "-n", "steady", "--scorer", text(&component), "--dc", text(&dc), "--version", &version];
        host.ok(&[&deploy[..], &["--traffic", "50"]].concat());
        load.until_answered(50);
        host.ok(&["endpoint", "shadow", "steady", &version]);
        host.ok(&["endpoint", "sticky", "steady", "--header", "x-user"]);
        load.until_answered(20);
        host.ok(&["endpoint", "promote", "steady", &version]);
        host.ok(&["endpoint", "delete", "steady", &former]);
        load.until_answered(20);
        former = version;
    }
    let seen = load.end();
    seen.assert_whole();
    for version in ["1", "v2", "v3", "v4", "v5"] {
        // While there is one version only, answers do not name it.
        assert!(version == "1" || seen.versions.contains_key(version), "{version}: {:?}", seen.versions);
    }
}

#[test]
fn requests_under_way_are_answered_when_the_host_is_told_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut host, _, _)) = steady(&folder) else { return };
    host.ok(&["service", "scale", "steady", "--replicas", "4"]);
    let address = host.address();
    let slow: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(move || crate::host::ask(address, "POST", SCORE, &[], b"work 400")))
        .collect();
    let (wanted, give_up) =
        ("scorehost_requests_in_flight{service=\"steady\",version=\"1\"} 4", Instant::now() + Duration::from_secs(60));
    while !host.get("/metrics").text().lines().any(|line| line == wanted) {
        assert!(Instant::now() < give_up, "the four were never under way together");
    }
    assert!(Command::new("kill").args(["-TERM", &host.pid().to_string()]).status().unwrap().success());
    for answer in slow.into_iter().map(|caller| caller.join().unwrap()) {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(host.wait().code(), Some(0));
}
