//! What an operator does on the first day, command by command.

use std::process::Command;

use serde_json::{Value, json};

use crate::host::{Host, binary, model, show};

fn listed(host: &Host, arguments: &[&str]) -> Value {
    let mut all = vec!["--output", "json"];
    all.extend_from_slice(arguments);
    serde_json::from_str(&host.ok(&all)).unwrap()
}

#[test]
fn a_model_is_registered_listed_shown_downloaded_and_deleted() {
    let host = Host::start();
    let path = model("digits.onnx");
    let register = [
        "model",
        "register",
        "--name",
        "digits",
        "--path",
        path.to_str().unwrap(),
        "--tag",
        "kind=demo",
        "--description",
        "ten digits",
    ];
    assert_eq!(host.ok(&register), "digits:1");
    assert_eq!(host.ok(&register), "digits:2", "the same content again is a new version");

    let list = host.ok(&["model", "list"]);
    assert!(list.contains("digits:1") && list.contains("digits:2"), "{list}");
    let shown = listed(&host, &["model", "show", "digits"]);
    assert_eq!(shown["id"], "digits:2", "a bare name is the newest version");
    assert_eq!(shown["tags"]["kind"], "demo");
    assert_eq!(shown["description"], "ten digits");

    let out = tempfile::tempdir().unwrap();
    host.ok(&["model", "download", "digits:1", "-o", out.path().to_str().unwrap()]);
    assert_eq!(std::fs::read(out.path().join("digits.onnx")).unwrap(), std::fs::read(&path).unwrap());

    host.ok(&["model", "delete", "digits:1"]);
    assert!(host.fails(&["model", "show", "digits:1"]).contains("digits:1"));
    assert_eq!(host.ok(&register), "digits:3", "a version number is never used again");
}

#[test]
fn a_folder_becomes_one_model_with_its_paths() {
    let host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("labels")).unwrap();
    std::fs::write(folder.path().join("labels/en.txt"), "zero\none\n").unwrap();
    std::fs::copy(model("identity_fp32.onnx"), folder.path().join("model.onnx")).unwrap();
    host.ok(&["model", "register", "--name", "pair", "--path", folder.path().to_str().unwrap()]);
    let out = tempfile::tempdir().unwrap();
    host.ok(&["model", "download", "pair:1", "-o", out.path().to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(out.path().join("labels/en.txt")).unwrap(), "zero\none\n");
}

#[test]
fn a_no_code_service_answers_and_goes_away() {
    let host = Host::start();
    host.deploy_model("digits", &model("digits.onnx"));
    assert!(host.ok(&["service", "list"]).contains("digits"));
    assert!(host.ok(&["service", "show", "digits"]).contains("digits:1"));

    let samples: Value = serde_json::from_slice(&std::fs::read(model("digits_samples.json")).unwrap()).unwrap();
    let row = &samples["data"][0];
    let body = json!({"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 64], "data": row}]});
    let answer = host.post("/v2/models/digits/infer", &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let label = answer.json()["outputs"].as_array().unwrap().iter().find(|output| output["name"] == "label").cloned();
    assert_eq!(label.unwrap()["data"][0], samples["answers"]["digits.onnx"]["labels"][0]);

    // A model in use stays.
    assert!(host.fails(&["model", "delete", "digits:1"]).contains("digits"));
    host.ok(&["service", "delete", "digits"]);
    assert_eq!(host.get("/v2/models/digits").status, 404);
    host.ok(&["model", "delete", "digits:1"]);
}

#[test]
fn score_posts_a_file_or_standard_input() {
    let host = Host::start();
    host.deploy_model("identity", &model("identity_fp32.onnx"));
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![2.5; 16]}]});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    std::fs::write(&file, body.to_string()).unwrap();
    let from_file = host.ok(&["score", "identity", "--file", file.to_str().unwrap()]);
    assert!(from_file.contains("2.5"), "{from_file}");

    let output = host.command(&["score", "identity"]).stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", show(&output.stderr));
    assert_eq!(show(&output.stdout).trim(), from_file);
}

#[test]
fn devices_are_listed_with_reasons() {
    let host = Host::start();
    let list = host.ok(&["devices"]);
    assert!(list.contains("onnxruntime") && list.contains("reference"), "{list}");
}

#[test]
fn an_unreachable_server_is_named_with_a_hint() {
    let output = Command::new(binary()).args(["--server", "http://127.0.0.1:9", "model", "list"]).output().unwrap();
    assert!(!output.status.success());
    let text = show(&output.stderr);
    assert!(text.starts_with("error:") && text.contains("127.0.0.1:9") && text.contains("hint:"), "{text}");
}

#[test]
fn a_data_directory_in_use_is_refused() {
    let host = Host::start();
    let output = Command::new(binary())
        .args([
            "serve",
            "--data-dir",
            host.data_dir().to_str().unwrap(),
            "--http",
            "127.0.0.1:0",
            "--grpc",
            "127.0.0.1:0",
        ])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(show(&output.stderr).contains("data"), "{}", show(&output.stderr));
}
