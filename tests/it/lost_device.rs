//! A device that does not come back: a program for an FPGA, on the processor's OpenCL, whose kernel never ends for one number. Nothing
//! stops it, so that the server, and not this process, has it.
#![cfg(feature = "opencl")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use scorehost_device_opencl::{OpenCl, OpenClConfig};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::guests::text;
use crate::host::{Answer, Host, model};

const ENDLESS: f32 = 666.0;
const KERNEL: &str = "__kernel void copy(__global const float *x, volatile __global float *y, int rows) {
    for (int i = 0; i < rows * 16; i++) {
        while (x[i] == 666.0f) y[i] = 1.0f;
        y[i] = x[i];
    }
}";

/// A folder with the identity and its program in `gates`; `None` with a printed reason where there is no OpenCL.
fn program() -> Option<TempDir> {
    let opencl = match OpenCl::discover(&OpenClConfig::default()) {
        Ok(opencl) => opencl,
        Err(reason) => {
            assert!(std::env::var_os("REQUIRE_OPENCL").is_none(), "{reason}");
            eprintln!("skipped: {reason}");
            return None;
        }
    };
    let binary = opencl.compile("", KERNEL, "-cl-kernel-arg-info").unwrap();
    let tensor = |kind: &str, name: &str| json!({kind: name, "dtype": "FP32", "shape": ["batch", 16]});
    let manifest = json!({"binary": "identity.clbin", "sha256": hex::encode(Sha256::digest(&binary)), "kernels": [{
        "name": "copy", "implements": "model", "batch": [1, 8],
        "arguments": [tensor("input", "INPUT0"), tensor("output", "OUTPUT0"), {"rows": "INT32"}]
    }]});
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("gates");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("identity.onnx", &std::fs::read(model("identity_fp32.onnx")).unwrap());
    write("identity.clbin", &binary);
    write("identity.fpga.json", manifest.to_string().as_bytes());
    Some(scratch)
}

fn infer(host: &Host, value: f32) -> Answer {
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![value; 16]}]});
    host.post("/v2/models/gates/infer", &[], body.to_string().as_bytes())
}

fn until(what: &str, there: impl Fn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !there() {
        assert!(Instant::now() < give_up, "{what}: it never came");
    }
}

/// A server whose service `gates` has computed on the device, then sent it into the loop and seen it lost.
fn after_the_loss(scratch: &Path, fallback: bool) -> Host {
    let host = Host::start_with(&["--opencl-cpu", "--opencl-ceiling", "10"]);
    let settings = json!({"computeType": "local", "authEnabled": false, "scoringTimeoutMs": 2000,
        "scorehost": {"placement": {"device": "fpga", "cpuFallback": fallback}}});
    let path = scratch.join("settings.json");
    std::fs::write(&path, settings.to_string()).unwrap();
    host.ok(&["model", "register", "--name", "gates", "--path", text(&scratch.join("gates"))]);
    host.ok(&["deploy", "-n", "gates", "-m", "gates:1", "--dc", text(&path)]);
    until("an answer of the device", || infer(&host, 1.5).status == 200);
    assert_eq!(host.get("/v2/models/gates").json()["platform"], "scorehost_fpga");
    let endless = infer(&host, ENDLESS);
    assert_eq!(endless.status, 504, "{}", endless.text());
    assert_eq!(
        host.get("/v2/health/live").status,
        200,
        "who waits for the device is no thread that serves connections"
    );
    until("a lost device", || {
        let rows: Value = serde_json::from_str(&host.ok(&["--output", "json", "devices"])).unwrap();
        let lost = |row: &Value| row["detail"].as_str().is_some_and(|detail| detail.contains("has not come back"));
        rows.as_array().unwrap().iter().any(|row| row["available"] == false && lost(row))
    });
    let metrics = host.get("/metrics").text();
    let health = metrics.lines().find(|line| line.starts_with("scorehost_device_healthy{device=\"opencl:")).unwrap();
    assert!(health.ends_with(" 0"), "{health}");
    host
}

/// The process ends although the device's thread never does.
fn ends(mut host: Host) {
    assert!(Command::new("kill").args(["-TERM", &host.pid().to_string()]).status().unwrap().success());
    let give_up = Instant::now() + Duration::from_secs(60);
    while host.is_alive() {
        assert!(Instant::now() < give_up, "the process does not end");
    }
    assert_eq!(host.wait().code(), Some(0));
}

#[test]
fn a_model_whose_device_does_not_come_back_is_refused_with_the_reason() {
    let Some(scratch) = program() else { return };
    let host = after_the_loss(scratch.path(), false);
    let first = infer(&host, 1.5);
    assert_eq!(first.status, 503, "{}", first.text());
    assert!(first.text().contains("is lost: it has not come back from a call for 10 s"), "{}", first.text());
    let later = infer(&host, 1.5);
    assert_eq!(later.status, 503, "{}", later.text());
    let log = host.ok(&["service", "logs", "gates"]);
    assert!(log.contains("lost its device"), "{log}");
    ends(host);
}

#[test]
fn a_model_whose_device_does_not_come_back_moves_to_the_cpu_where_it_may() {
    let Some(scratch) = program() else { return };
    let host = after_the_loss(scratch.path(), true);
    // The first call finds the device lost; the next one loads the model again.
    let mut statuses = vec![infer(&host, 2.5).status];
    while statuses.last() == Some(&503) && statuses.len() < 3 {
        statuses.push(infer(&host, 2.5).status);
    }
    assert_eq!(statuses.last(), Some(&200), "{statuses:?}");
    assert_eq!(infer(&host, 2.5).json()["outputs"][0]["data"], json!(vec![2.5; 16]));
    let metrics = host.get("/metrics").text();
    assert!(metrics.lines().any(|line| line == "scorehost_device_fallbacks_total 1"), "{metrics}");
    ends(host);
}
