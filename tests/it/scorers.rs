//! Example scorers of every language, built by the product and scored over HTTP.

use serde_json::json;

use crate::guests::{build, text};
use crate::host::{Host, model};
use crate::memory::{memory, numbered, size_of_identity};

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

#[test]
fn a_javascript_entry_script_calls_a_model() {
    let Some(component) = build("plugins/examples/threshold-javascript") else { return };
    let host = Host::start();
    let path = model("identity_fp32.onnx");
    host.ok(&["model", "register", "--name", "identity", "--path", path.to_str().unwrap()]);
    host.ok(&["deploy", "-n", "threshold", "-m", "identity:1", "--scorer", text(&component)]);
    let data: Vec<u32> = (0..16).collect();
    let body = json!({"data": data, "threshold": 12.5}).to_string();
    let answer = host.post("/api/v1/service/threshold/score", &[], body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("13") && answer.text().contains("15"), "{}", answer.text());
    assert!(!answer.text().contains("12,"), "{}", answer.text());
}

#[test]
fn a_c_scorer_computes_in_the_sandbox() {
    let Some(component) = build("plugins/examples/softmax-c") else { return };
    let host = Host::start();
    host.ok(&["deploy", "-n", "softmax", "--scorer", text(&component)]);
    let sample = std::fs::read(crate::host::root().join("plugins/examples/softmax-c/sample-request.json")).unwrap();
    let answer = host.post("/v2/models/softmax/infer", &[], &sample);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let given: serde_json::Value = serde_json::from_slice(&sample).unwrap();
    let width = given["inputs"][0]["shape"][1].as_u64().unwrap() as usize;
    let output = answer.json()["outputs"][0]["data"].clone();
    let numbers: Vec<f64> = output.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect();
    for row in numbers.chunks(width) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
    }
}

#[test]
fn an_unmodified_wasi_nn_guest_runs_models_of_the_deployment_and_its_own() {
    let Some(component) = build("tests/guests/wasi-nn") else { return };
    let host = Host::start();
    let path = model("identity_fp32.onnx");
    host.ok(&["model", "register", "--name", "identity", "--path", path.to_str().unwrap()]);
    host.ok(&["deploy", "-n", "neural", "-m", "identity:1", "--scorer", text(&component)]);
    let expected: Vec<f32> = (0..16).map(|number| number as f32).collect();
    let check = |path: &str, body: &[u8]| {
        let answer = host.post(path, &[], body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(serde_json::from_slice::<Vec<f32>>(&answer.body).unwrap(), expected);
    };
    check("/api/v1/service/neural/score?identity", b"");
    check("/api/v1/service/neural/score", &std::fs::read(&path).unwrap());
    let unknown = host.post("/api/v1/service/neural/score?nobody", &[], b"");
    assert!(unknown.status == 502 && unknown.text().contains("nobody"), "{} {}", unknown.status, unknown.text());
    let corrupt = host.post("/api/v1/service/neural/score", &[], b"no model");
    assert_eq!(corrupt.status, 502, "{}", corrupt.text());
}

/// The models that wasi:nn guests brought along and hold: name, whether pinned, bytes.
fn brought(host: &Host) -> Vec<(String, bool, u64)> {
    let models = memory(host)["models"].as_array().unwrap().clone();
    let of = |model: &serde_json::Value| {
        let name = model["model"].as_str()?.to_owned();
        Some((name, model["pinned"].as_bool()?, model["bytes"].as_u64()?))
    };
    models.iter().filter_map(of).filter(|(name, ..)| name.starts_with("wasi-nn-")).collect()
}

#[test]
fn models_that_wasi_nn_guests_bring_along_count_are_shared_bounded_and_gone_with_their_instances() {
    let Some(component) = build("tests/guests/wasi-nn") else { return };
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<Vec<u8>> = (0..2).map(|number| std::fs::read(numbered(folder.path(), number)).unwrap()).collect();
    let budget = size_of_identity() * 3 + files[0].len() as u64 * 3;
    let host = Host::start_with(&["--model-memory", &format!("{budget}B")]);
    for service in ["first", "second"] {
        host.ok(&["deploy", "-n", service, "--scorer", text(&component)]);
    }
    let load = |service: &str, query: &str, file: &[u8]| {
        let answer = host.post(&format!("/api/v1/service/{service}/score{query}"), &[], file);
        (answer.status, answer.text())
    };
    let well = |answer: (u16, String)| assert_eq!(answer.0, 200, "{}", answer.1);
    well(load("first", "", &files[0]));
    assert_eq!(brought(&host), [], "a graph that the guest has dropped is gone");
    well(load("first", "?keep", &files[0]));
    well(load("second", "?keep", &files[0]));
    let held = brought(&host);
    assert_eq!(held.len(), 1, "one digest is one graph: {held:?}");
    assert!(held[0].1 && held[0].2 > files[0].len() as u64, "{held:?}");

    let (status, refused) = load("second", "?keep", &files[1]);
    assert_eq!(status, 502, "{refused}");
    for part in ["TooLarge", "brought along (wasi:nn load)", "half of the host's budget", "load-by-name"] {
        assert!(refused.contains(part), "{part:?} is not in {refused}");
    }
    host.deploy_model("deployed", &numbered(folder.path(), 1));
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![4.0; 16]}]});
    let answer = host.post("/v2/models/deployed/infer", &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "deployed models keep their part of the budget: {}", answer.text());

    host.ok(&["service", "delete", "first"]);
    assert_eq!(brought(&host).len(), 1, "the other service's instance has it");
    host.ok(&["service", "delete", "second"]);
    assert_eq!(brought(&host), []);
}

#[test]
fn a_service_with_a_scorer_comes_back_after_a_kill() {
    let Some(component) = build("plugins/examples/identity-rust") else { return };
    let mut host = Host::start();
    let path = model("identity_fp32.onnx");
    host.ok(&["model", "register", "--name", "identity", "--path", path.to_str().unwrap()]);
    host.ok(&["deploy", "-n", "through-rust", "-m", "identity:1", "--scorer", text(&component)]);
    host.kill_and_restart();
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![4.0; 16]}]});
    let answer = host.post("/v2/models/through-rust/infer", &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn every_template_builds_and_answers_its_sample_request() {
    let host = Host::start();
    let path = model("identity_fp32.onnx");
    host.ok(&["model", "register", "--name", "identity", "--path", path.to_str().unwrap()]);
    for language in ["rust", "python", "javascript", "c"] {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("my-scorer");
        host.ok(&["scorer", "new", language, source.to_str().unwrap()]);
        let again = host.fails(&["scorer", "new", language, source.to_str().unwrap()]);
        assert!(again.contains("my-scorer"), "{language}: {again}");
        let Some(component) = crate::guests::build_folder(&source) else { return };
        let service = format!("from-{language}");
        host.ok(&["deploy", "-n", &service, "-m", "identity:1", "--scorer", text(&component)]);
        let sample = source.join("sample-request.json");
        let answer = host.ok(&["score", &service, "--file", sample.to_str().unwrap()]);
        assert!(!answer.is_empty(), "{language}");
    }
}

#[test]
fn a_compiler_error_is_shown_as_the_compiler_printed_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("broken");
    let host = Host::start();
    host.ok(&["scorer", "new", "rust", source.to_str().unwrap()]);
    let file = source.join("src/lib.rs");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\nfn broken() -> u32 {{ \"text\" }}\n")).unwrap();
    let out = folder.path().join("out.wasm");
    let error = host.fails(&["scorer", "build", source.to_str().unwrap(), "-o", out.to_str().unwrap()]);
    assert!(error.contains("E0308") && error.contains("src/lib.rs"), "{error}");
    assert!(!out.exists());
}
