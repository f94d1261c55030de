//! Example scorers of every language, built by the product and scored over HTTP.

use serde_json::json;

use crate::guests::{build, text};
use crate::host::{Host, model};

#[test]
fn a_rust_scorer_hands_tensors_to_a_model() {
    let Some(component) = build("plugins/examples/identity-rust") else { return };
    let host = Host::start();
    let path = model("identity_fp32.onnx");
    host.ok(&["model", "register", "--name", "identity", "--path", path.to_str().unwrap()]);
    host.ok(&["deploy", "-n", "through-rust", "-m", "identity:1", "--scorer", text(&component)]);
    let data: Vec<f32> = (0..32).map(|index| index as f32 / 4.0).collect();
    let body = json!({"id": "r1", "inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [2, 16], "data": data}]});
    let answer = host.post("/v2/models/through-rust/infer", &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let document = answer.json();
    assert_eq!(document["id"], "r1");
    assert_eq!(document["outputs"][0]["data"], json!(data));
    assert_eq!(document["outputs"][0]["shape"], json!([2, 16]));
}

#[test]
fn a_python_entry_script_answers_digits() {
    let Some(component) = build("plugins/examples/digits") else { return };
    let host = Host::start();
    let path = model("digits.onnx");
    host.ok(&["model", "register", "--name", "digits", "--path", path.to_str().unwrap()]);
    host.ok(&["deploy", "-n", "digits", "-m", "digits:1", "--scorer", text(&component)]);
    let samples: serde_json::Value =
        serde_json::from_slice(&std::fs::read(model("digits_samples.json")).unwrap()).unwrap();
    let body = json!({"data": samples["data"]}).to_string();
    let answer = host.post("/api/v1/service/digits/score", &[("content-type", "application/json")], body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["labels"], samples["answers"]["digits.onnx"]["labels"]);
    assert!(
        answer.header("x-ms-run-fn-exec-ms").is_some() && answer.header("x-request-id").is_some(),
        "{}",
        answer.head
    );

    let wrong = host.post("/api/v1/service/digits/score", &[], b"{\"data\": [[1, 2, 3]]}");
    assert!(wrong.status >= 400, "{}", wrong.text());
    let again = host.post("/api/v1/service/digits/score", &[], body.as_bytes());
    assert_eq!(again.status, 200);
}

#[test]
fn a_rust_entry_script_reads_text_in_a_photograph() {
    let Some(component) = build("plugins/examples/text-in-photo") else { return };
    let host = Host::start();
    for (name, file) in [("ppocr-det", "ppocr_det.onnx"), ("ppocr-rec", "ppocr_rec")] {
        host.ok(&["model", "register", "--name", name, "--path", model(file).to_str().unwrap()]);
    }
    host.ok(&["deploy", "-n", "text-in-photo", "-m", "ppocr-det:1", "-m", "ppocr-rec:1", "--scorer", text(&component)]);
    let photo = std::fs::read(model("photo.jpg")).unwrap();
    let answer = host.post("/api/v1/service/text-in-photo/score", &[("content-type", "image/jpeg")], &photo);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(model("photo.expected.json")).unwrap()).unwrap();
    let read: Vec<String> = texts(&answer.json());
    assert_eq!(read, texts(&expected));
    let wrong = host.post("/api/v1/service/text-in-photo/score", &[("content-type", "image/jpeg")], b"no picture");
    assert_eq!(wrong.status, 400, "{}", wrong.text());
}

fn texts(document: &serde_json::Value) -> Vec<String> {
    let lines = document["lines"].as_array().unwrap_or_else(|| panic!("{document}"));
    lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn scorer_inspect_tells_what_a_component_can_reach() {
    let Some(component) = build("plugins/examples/identity-rust") else { return };
    let output = std::process::Command::new(crate::host::binary())
        .args(["scorer", "inspect", text(&component)])
        .output()
        .unwrap();
    let shown = crate::host::show(&output.stdout);
    assert!(output.status.success(), "{}", crate::host::show(&output.stderr));
    assert!(shown.contains("scorer") && shown.contains("models"), "{shown}");
    assert!(!shown.contains("wasi:"), "a Rust scorer imports no WASI: {shown}");
}
