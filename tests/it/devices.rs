//! What models run on, service by service.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::guests::{build, text};
use crate::host::{Answer, Host, model, show};

fn infer(host: &Host, service: &str, value: f32) -> Answer {
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![value; 16]}]});
    host.post(&format!("/v2/models/{service}/infer"), &[], body.to_string().as_bytes())
}

fn answered(host: &Host, service: &str, value: f32) {
    let answer = infer(host, service, value);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["outputs"][0]["data"], json!(vec![value; 16]), "{service}");
}

fn settings(folder: &Path, name: &str, document: &Value) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

/// The rows of `GET /devices` of one family.
fn rows(host: &Host, family: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(&host.ok(&["--output", "json", "devices"])).unwrap();
    all.as_array().unwrap().iter().filter(|row| row["name"] == family).cloned().collect()
}

fn metric(host: &Host, line: &str) -> bool {
    host.get("/metrics").text().lines().any(|known| known.starts_with(line))
}

#[test]
fn a_device_that_is_missing_is_told_at_deploy_and_the_cpu_takes_the_model_only_where_it_may() {
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    host.deploy_model("plain", &model("identity_fp32.onnx"));
    let one = settings(folder.path(), "one.json", &json!({"computeType": "local", "gpuCores": 1}));
    assert!(rows(&host, "cuda").iter().all(|row| row["detail"].as_str().unwrap().contains("not opened yet")));
    let refused = host.cli(&["deploy", "-n", "strict", "-m", "plain:1", "--dc", text(&one)]);
    if refused.status.success() {
        eprintln!("skipped: this machine has a GPU");
        return;
    }
    let refused = show(&refused.stderr);
    assert!(refused.contains("no gpu that works; cuda: "), "{refused}");
    assert!(refused.contains("cpuFallback"), "the next step is told: {refused}");
    let fpga = json!({"computeType": "local", "scorehost": {"placement": {"device": "fpga"}}});
    let fpga = settings(folder.path(), "fpga.json", &fpga);
    let refused = host.fails(&["deploy", "-n", "gates", "-m", "plain:1", "--dc", text(&fpga)]);
    assert!(refused.contains("no fpga that works"), "{refused}");
    let may = json!({"computeType": "local", "gpuCores": 2, "scorehost": {"placement": {"cpuFallback": true, "precision": "fp16"}}});
    let may = settings(folder.path(), "may.json", &may);
    host.ok(&["deploy", "-n", "lenient", "-m", "plain:1", "--dc", text(&may)]);
    answered(&host, "lenient", 1.5);
    answered(&host, "plain", 2.5);
    let log = host.ok(&["service", "logs", "lenient"]);
    assert!(log.contains("model 'plain:1' runs on the CPU, not on the gpu: this host has no gpu"), "{log}");
    assert!(metric(&host, "scorehost_device_fallbacks_total 1"), "one fallback is counted");
    let shown: Value = serde_json::from_str(&host.ok(&["--output", "json", "service", "show", "lenient"])).unwrap();
    let shown = shown.to_string();
    assert!(shown.contains("\"device\":\"gpu\"") && shown.contains("\"precision\":\"fp16\""), "{shown}");
    assert!(!rows(&host, "cuda").is_empty(), "the family has been looked for, and its row says why it is missing");
}

#[test]
fn what_a_service_asked_for_holds_after_a_restart() {
    let (folder, mut host) = (tempfile::tempdir().unwrap(), Host::start());
    let may = json!({"computeType": "local", "scorehost": {"placement": {"device": "fpga", "cpuFallback": true}}});
    let may = settings(folder.path(), "may.json", &may);
    host.ok(&["model", "register", "--name", "plain", "--path", text(&model("identity_fp32.onnx"))]);
    host.ok(&["deploy", "-n", "lenient", "-m", "plain:1", "--dc", text(&may)]);
    answered(&host, "lenient", 1.5);
    host.kill_and_restart();
    answered(&host, "lenient", 2.5);
    let shown = host.ok(&["--output", "json", "service", "show", "lenient"]);
    assert!(shown.contains("fpga"), "{shown}");
}

#[test]
fn an_opencl_device_serves_the_services_that_ask_for_a_gpu_beside_those_on_the_cpu() {
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start_with(&["--opencl-cpu"]));
    host.deploy_model("plain", &model("identity_fp32.onnx"));
    let one =
        settings(folder.path(), "one.json", &json!({"computeType": "local", "gpuCores": 1, "authEnabled": false}));
    let deployed = host.cli(&["deploy", "-n", "card", "-m", "plain:1", "--dc", text(&one)]);
    let said = show(&deployed.stderr);
    if !deployed.status.success() && said.contains("no gpu that works") {
        assert!(std::env::var_os("REQUIRE_OPENCL").is_none(), "{said}");
        eprintln!("skipped: {said}");
        return;
    }
    assert!(deployed.status.success(), "{said}");
    for value in [1.5, -2.5] {
        answered(&host, "card", value);
        answered(&host, "plain", value);
    }
    let platform = |service: &str| host.get(&format!("/v2/models/{service}")).json()["platform"].clone();
    assert_eq!(platform("card"), "scorehost_opencl");
    assert_ne!(platform("plain"), "scorehost_opencl");
    let loaded: Value = serde_json::from_str(&host.ok(&["--output", "json", "model", "loaded"])).unwrap();
    let mut places: Vec<&str> =
        loaded["models"].as_array().unwrap().iter().map(|model| model["device"].as_str().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(places, ["cpu", "gpu"], "one model, on two devices");
    assert!(rows(&host, "opencl").iter().any(|row| row["available"] == true));
    for line in [
        "scorehost_service_device_seconds_total{service=\"card\",version=\"1\",device=\"gpu\"} ",
        "scorehost_device_healthy{device=\"opencl:",
        "scorehost_device_busy_seconds_total{device=\"opencl:",
    ] {
        assert!(metric(&host, line), "{line} is not in\n{}", host.get("/metrics").text());
    }
    assert!(
        !metric(&host, "scorehost_service_device_seconds_total{service=\"plain\""),
        "the CPU's time is not a device's"
    );
    let many = settings(folder.path(), "many.json", &json!({"computeType": "local", "gpuCores": 64}));
    let refused = host.fails(&["deploy", "-n", "many", "-m", "plain:1", "--dc", text(&many)]);
    assert!(refused.contains("on 64 devices (gpu), and "), "{refused}");
    let half = json!({"computeType": "local", "gpuCores": 1, "scorehost": {"placement": {"precision": "bf16"}}});
    let half = settings(folder.path(), "half.json", &half);
    let refused = host.fails(&["deploy", "-n", "half", "-m", "plain:1", "--dc", text(&half)]);
    assert!(refused.contains("fp32") && refused.contains("bf16"), "{refused}");
}

/// Bytes copied to and from devices so far.
fn copied(host: &Host) -> (u64, u64) {
    let metrics = host.get("/metrics").text();
    let total = |place: &str| {
        let line = format!("scorehost_copied_bytes_total{{place=\"{place}\"}} ");
        metrics.lines().find_map(|known| known.strip_prefix(&line)).unwrap().parse().unwrap()
    };
    (total("to_device"), total("result"))
}

#[test]
fn what_one_model_gives_the_next_stays_on_the_device_once_the_scorer_has_shown_that_it_does() {
    let Some(component) = build("tests/guests/chain") else { return };
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start_with(&["--opencl-cpu"]));
    for name in ["first", "second"] {
        host.ok(&["model", "register", "--name", name, "--path", text(&model("identity_fp32.onnx"))]);
    }
    let one = json!({"computeType": "local", "gpuCores": 1, "authEnabled": false});
    let one = settings(folder.path(), "one.json", &one);
    let deploy = ["deploy", "-n", "chain", "--scorer", text(&component), "-m", "first:1", "-m", "second:1"];
    let deployed = host.cli(&[&deploy[..], &["--dc", text(&one)]].concat());
    let said = show(&deployed.stderr);
    if !deployed.status.success() && said.contains("no gpu that works") {
        assert!(std::env::var_os("REQUIRE_OPENCL").is_none(), "{said}");
        eprintln!("skipped: {said}");
        return;
    }
    assert!(deployed.status.success(), "{said}");
    let once = |value: f32| {
        let before = copied(&host);
        let answer = infer(&host, "chain", value);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["outputs"][0]["data"], json!(vec![2.0 * value; 16]));
        let after = copied(&host);
        (after.0 - before.0, after.1 - before.1)
    };
    // Two models of 64 bytes each way by way of the host; then in at the first and out at the second.
    assert_eq!(once(1.5), (128, 128));
    assert_eq!([once(2.5), once(0.0)], [(64, 64); 2]);
    // The scorer reads the first one's output, and the second is not called: once it has stayed in vain.
    assert_eq!([once(-1.0), once(-2.0)], [(64, 64); 2]);
    assert_eq!(once(3.5), (128, 128), "it came to the host again");
    assert_eq!(once(4.5), (64, 64));
}
