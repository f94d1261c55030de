//! Everything a caller or a deployer can send that is wrong: each is refused by name, with its status, and nothing else suffers.

use serde_json::json;

use crate::host::{Host, model};

const INFER: &str = "/v2/models/identity/infer";

fn identity() -> Host {
    let host = Host::start();
    host.deploy_model("identity", &model("identity_fp32.onnx"));
    host
}

fn still_serves(host: &Host) {
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![1.0; 16]}]});
    let answer = host.post(INFER, &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// One wrong body: what is sent, the status, and a word that the message must hold.
fn check(host: &Host, what: &str, headers: &[(&str, &str)], body: &[u8], status: u16, says: &str) {
    let answer = host.post(INFER, headers, body);
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    let message = answer.json()["error"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains(says), "{what}: '{message}' does not name '{says}'");
}

#[test]
fn wrong_json_bodies_are_refused_by_name() {
    let host = identity();
    let tensor = |name: &str, datatype: &str, shape: serde_json::Value, data: serde_json::Value| {
        json!({"inputs": [{"name": name, "datatype": datatype, "shape": shape, "data": data}]}).to_string().into_bytes()
    };
    let ones = json!(vec![1; 16]);
    let deep = format!("{{\"inputs\":{}1{}}}", "[".repeat(5000), "]".repeat(5000)).into_bytes();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no body", vec![], ""),
        ("not JSON", b"{\"inputs\": [".to_vec(), "JSON"),
        ("not UTF-8", b"{\"inputs\": \"\xff\xfe\"}".to_vec(), ""),
        ("no inputs", b"{}".to_vec(), "inputs"),
        ("inputs of another type", b"{\"inputs\": 7}".to_vec(), "sequence"),
        ("deep nesting", deep, ""),
        ("unknown input", tensor("NOBODY", "FP32", json!([1, 16]), ones.clone()), "NOBODY"),
        ("unknown datatype", tensor("INPUT0", "FP7", json!([1, 16]), ones.clone()), "FP7"),
        ("another datatype", tensor("INPUT0", "INT32", json!([1, 16]), ones.clone()), "INT32"),
        ("another rank", tensor("INPUT0", "FP32", json!([16]), ones.clone()), "INPUT0"),
        ("another fixed dimension", tensor("INPUT0", "FP32", json!([2, 8]), ones.clone()), "INPUT0"),
        ("too few elements", tensor("INPUT0", "FP32", json!([2, 16]), ones.clone()), "INPUT0"),
        ("negative dimension", tensor("INPUT0", "FP32", json!([-1, 16]), ones.clone()), ""),
        ("huge shape", tensor("INPUT0", "FP32", json!([1_u64 << 40, 16]), ones.clone()), "INPUT0"),
        ("overflowing shape", tensor("INPUT0", "FP32", json!([u64::MAX, 16]), ones.clone()), ""),
        ("text for numbers", tensor("INPUT0", "FP32", json!([1, 16]), json!(vec!["a"; 16])), "INPUT0"),
        (
            "NaN is not JSON",
            b"{\"inputs\":[{\"name\":\"INPUT0\",\"datatype\":\"FP32\",\"shape\":[1,1],\"data\":[NaN]}]}".to_vec(),
            "",
        ),
    ];
    for (what, body, says) in cases {
        check(&host, what, &[], &body, 400, says);
    }
    still_serves(&host);
}

#[test]
fn wrong_binary_bodies_are_refused_by_name() {
    let host = identity();
    let header = |size: u64| {
        json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "parameters": {"binary_data_size": size}}]})
            .to_string()
    };
    let framed = |header: &str, tensor: usize| {
        let mut body = header.as_bytes().to_vec();
        body.extend(vec![0; tensor]);
        body
    };
    let cut = |header: &str, length: &str, tensor: usize, what: &str| {
        check(&host, what, &[("Inference-Header-Content-Length", length)], &framed(header, tensor), 400, "");
    };
    let good = header(64);
    let length = good.len().to_string();
    cut(&good, &length, 60, "truncated tensor");
    cut(&good, &length, 70, "stray bytes");
    cut(&good, "100000", 64, "header longer than the body");
    cut(&good, "-1", 64, "negative header length");
    cut(&good, "many", 64, "header length that is no number");
    cut(&header(63), &header(63).len().to_string(), 63, "size that is no multiple of the element");
    cut(&header(u64::MAX), &header(u64::MAX).len().to_string(), 64, "size beyond everything");
    still_serves(&host);
}

#[test]
fn unknown_paths_and_methods_have_their_status() {
    let host = identity();
    for (method, path, status) in [
        ("GET", "/v2/models/nobody", 404),
        ("POST", "/v2/models/nobody/infer", 404),
        ("GET", "/v2/models/identity/versions/9", 404),
        ("GET", "/v2/models/..%2f..%2fetc/ready", 404),
        ("GET", "/api/v1/service/nobody/swagger.json", 404),
        ("GET", "/api/v1/service/identity/swagger.json?version=4", 404),
        ("DELETE", "/api/v1/service/identity/score", 405),
        ("GET", "/nothing/here", 404),
    ] {
        let answer = host.request(method, path, &[], &[]);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    still_serves(&host);
}

#[test]
fn names_that_are_paths_are_refused_everywhere() {
    let host = Host::start();
    let path = model("identity_fp32.onnx");
    let path = path.to_str().unwrap();
    for name in ["../x", "a/b", "..", "a b", ""] {
        let error = host.fails(&["model", "register", "--name", name, "--path", path]);
        assert!(error.contains("name"), "{name}: {error}");
    }
    let file = |path: &str| json!({"name": "m", "files": [{"path": path, "digest": format!("sha256:{}", "0".repeat(64)), "size": 1}]});
    for path in ["../x", "/etc/passwd", "a/../../b", "a\\b", "", "a//b", "nul\0"] {
        let answer = host.manage("POST", "/models", file(path).to_string().as_bytes());
        assert_eq!(answer.status, 400, "{path:?}: {}", answer.text());
    }
    assert!(!host.data_dir().parent().unwrap().join("x").exists());
}

#[test]
fn a_corrupt_model_is_refused_at_deployment_and_the_old_service_goes_on() {
    let host = identity();
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(model("identity_fp32.onnx")).unwrap();
    for (index, bytes) in
        [whole[..whole.len() / 2].to_vec(), b"not a model".to_vec(), vec![], vec![0xff; 4096]].iter().enumerate()
    {
        let file = folder.path().join("broken.onnx");
        std::fs::write(&file, bytes).unwrap();
        let id = host.ok(&["model", "register", "--name", "broken", "--path", file.to_str().unwrap()]);
        assert_eq!(id, format!("broken:{}", index + 1));
        let error = host.fails(&["deploy", "-n", "broken", "-m", &id]);
        assert!(error.contains("error:"), "{error}");
        // An update of a running service with the same model fails, too, and changes nothing.
        host.fails(&["deploy", "-n", "identity", "-m", &id]);
        still_serves(&host);
    }
    assert!(!host.ok(&["service", "list"]).contains("broken"));
}

#[test]
fn a_corrupt_component_is_refused_by_name() {
    let host = identity();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scorer.wasm");
    // The head of a core module: WebAssembly, and no component.
    for bytes in [b"garbage".to_vec(), b"\0asm\x01\0\0\0".to_vec(), vec![]] {
        std::fs::write(&file, &bytes).unwrap();
        let error = host.fails(&["deploy", "-n", "broken", "-m", "identity:1", "--scorer", file.to_str().unwrap()]);
        assert!(error.contains("component") && error.contains("hint:"), "{error}");
    }
    still_serves(&host);
}

#[test]
fn wrong_deployments_are_refused_by_name() {
    let host = identity();
    let folder = tempfile::tempdir().unwrap();
    let dc = folder.path().join("dc.json");
    let dc_path = dc.to_str().unwrap();
    for (document, says) in [
        (json!({}), "computeType"),
        (json!({"computeType": "moon"}), "moon"),
        (json!({"computeType": "local", "numReplica": 1}), "numReplicas"),
        (json!({"computeType": "local", "scoringTimeoutMs": 0}), "scoringTimeoutMs"),
        (json!({"computeType": "aks", "authEnabled": true, "tokenAuthEnabled": true}), "tokenAuthEnabled"),
        (
            json!({"computeType": "aks", "autoScaler": {"autoscaleEnabled": true, "minReplicas": 5, "maxReplicas": 2}}),
            "minReplicas",
        ),
    ] {
        std::fs::write(&dc, document.to_string()).unwrap();
        let error = host.fails(&["deploy", "-n", "identity", "-m", "identity:1", "--dc", dc_path]);
        assert!(error.contains(says), "{document}: {error}");
    }
    assert!(host.fails(&["deploy", "-n", "X", "-m", "identity:1"]).contains("3-32"));
    assert!(host.fails(&["deploy", "-n", "other", "-m", "nobody:1"]).contains("nobody"));
    assert!(host.fails(&["deploy", "-n", "other", "-m", "identity:9"]).contains("identity:9"));
    still_serves(&host);
}
