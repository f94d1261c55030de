//! `scorehost run`: a scorer on the spot, without a server.

use std::process::Command;

use serde_json::json;

use crate::guests::{build, text};
use crate::host::{binary, model, show};

#[test]
fn a_local_run_shows_answer_prints_and_timings() {
    let Some(component) = build("plugins/examples/identity-rust") else { return };
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body.json");
    let document = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![1.5; 16]}]});
    std::fs::write(&body, document.to_string()).unwrap();
    let named = format!("identity={}", model("identity_fp32.onnx").display());
    let output = Command::new(binary())
        .args(["run", "--scorer", text(&component), "-m", &named, "--file", text(&body)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", show(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["outputs"][0]["data"], json!(vec![1.5; 16]));
    let aside = show(&output.stderr);
    assert!(aside.contains("compile") && aside.contains("run"), "{aside}");
}

#[test]
fn a_local_run_shows_where_a_scorer_failed() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    std::fs::write(&body, "panic").unwrap();
    let output =
        Command::new(binary()).args(["run", "--scorer", text(&component), "--file", text(&body)]).output().unwrap();
    assert!(!output.status.success());
    let text = show(&output.stderr);
    assert!(text.contains("asked to panic"), "the panic's message: {text}");
    assert!(text.contains("faulty"), "a backtrace that names the guest's function: {text}");
}
