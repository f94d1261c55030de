//! Recorded requests through the real binary: kept whole, and asked again of another version.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guests::{build, build_folder, text};
use crate::host::{Host, model, root};

/// Deploys a version that records.
fn deploy(host: &Host, service: &str, arguments: &[&str], members: Value) {
    let folder = tempfile::tempdir().unwrap();
    let dc = folder.path().join("dc.json");
    let mut document = json!({"computeType": "local", "scorehost": {"recording": {}}});
    for (key, value) in members.as_object().unwrap() {
        document["scorehost"][key] = value.clone();
    }
    std::fs::write(&dc, document.to_string()).unwrap();
    host.ok(&[&["deploy", "-n", service, "--dc", text(&dc)], arguments].concat());
}

/// The recordings of a service, once there are as many.
fn recordings(host: &Host, service: &str, wanted: usize) -> Vec<Value> {
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let listed = host.ok(&["endpoint", "recordings", service, "--output", "json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let found = listed["recordings"].as_array().unwrap().clone();
        if found.len() >= wanted || Instant::now() > give_up {
            assert_eq!(found.len(), wanted, "{found:?}");
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn replay(host: &Host, service: &str, version: &str, more: &[&str]) -> Value {
    let printed = host.ok(&[&["endpoint", "replay", service, "--version", version, "--output", "json"], more].concat());
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn tensors_are_asked_again_and_nothing_differs() {
    let mut host = Host::start();
    let path = model("identity_fp32.onnx");
    host.ok(&["model", "register", "--name", "net", "--path", text(&path)]);
    deploy(&host, "same", &["-m", "net:1"], json!({}));
    let input = json!({"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![0.25; 16]});
    let body = json!({"inputs": [input]}).to_string();
    for id in ["r1", "r2"] {
        let headers = [("x-request-id", id), ("authorization", "Bearer secret-of-a-caller"), ("x-kept", "yes")];
        assert_eq!(host.post("/v2/models/same/infer", &headers, body.as_bytes()).status, 200);
    }
    let kept = recordings(&host, "same", 2);
    assert_eq!(kept.iter().map(|kept| kept["request_id"].as_str().unwrap()).collect::<Vec<_>>(), ["r2", "r1"]);
    let id = kept[0]["id"].as_str().unwrap();
    let shown = host.ok(&["endpoint", "recordings", "same", id]);
    assert!(shown.contains("x-kept") && !shown.contains("secret-of-a-caller"), "{shown}");

    host.kill_and_restart();
    let report = replay(&host, "same", "1", &[]);
    let counts = ["replayed", "equal", "differing", "failed", "skipped"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [2, 2, 0, 0, 0], "{report}");
    assert_eq!(recordings(&host, "same", 2).len(), 2, "a replay is not recorded");
    let one = replay(&host, "same", "1", &["--id", id]);
    assert_eq!((one["replayed"].as_u64(), &one["requests"][0]["id"]), (Some(1), &json!(id)));

    assert!(host.fails(&["endpoint", "replay", "same", "--version", "other"]).contains("other"));
    host.ok(&["endpoint", "recordings", "same", "--delete"]);
    assert!(host.ok(&["endpoint", "recordings", "same"]).contains("no recorded requests"));
}

#[test]
fn answers_of_another_version_are_told_by_place_and_size() {
    let Some(component) = build("plugins/examples/echo-python") else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = std::fs::read_to_string(root().join("plugins/examples/echo-python/score.py")).unwrap();
    let changed = source.replace("\"sum\": sum(data)", "\"sum\": sum(data) + (0.5 if len(data) > 1 else 0)");
    assert_ne!(source, changed);
    let other = folder.path().join("echo-more");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("score.py"), changed).unwrap();
    let Some(other) = build_folder(&other) else { return };
    let host = Host::start();
    deploy(&host, "echo", &["--scorer", text(&component)], json!({}));
    let score = |body: &str| host.post("/api/v1/service/echo/score", &[], body.as_bytes());
    assert_eq!(score(r#"{"data": [1]}"#).status, 200);
    assert_eq!(score(r#"{"data": [1, 2]}"#).status, 200);
    assert_eq!(score(r#"{"data": "no"}"#).status, 502);
    recordings(&host, "echo", 3);
    deploy(&host, "echo", &["--scorer", text(&other), "--version", "v2"], json!({"grants": {"clock": true}}));

    let report = replay(&host, "echo", "v2", &[]);
    let counts = ["replayed", "equal", "differing", "failed"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 1, 0], "{report}");
    assert_eq!(report["largest"], json!(0.5));
    let differing =
        report["requests"].as_array().unwrap().iter().find(|request| request["result"] == "differs").unwrap();
    assert_eq!((&differing["place"], &differing["values"]), (&json!("$.sum"), &json!(1)));
    assert!(report["notes"][0].as_str().unwrap().contains("clock"), "{report}");
    assert_eq!(replay(&host, "echo", "v2", &["--tolerance", "0.5"])["differing"], json!(0));
    let table = host.ok(&["endpoint", "replay", "echo", "--version", "v2"]);
    assert!(table.contains("$.sum") && table.contains("5.000e-1"), "{table}");
}
