//! Health, metadata, repository, statistics, management, and the status of every kind of failure.

use std::sync::atomic::Ordering;

use scorehost_core::ErrorKind;
use scorehost_ingress::status_of;
use serde_json::json;

use crate::client::{exchange, get, post};
use crate::fakes::Server;

#[test]
fn documents_are_as_the_protocol_says() {
    let server = Server::start();
    let version = env!("CARGO_PKG_VERSION");
    let rows = [
        (
            "/v2",
            json!({
                "name": "scorehost", "version": version,
                "extensions": ["binary_tensor_data", "model_configuration", "model_repository", "statistics"],
            }),
        ),
        (
            "/v2/models/tensors",
            json!({
                "name": "tensors", "versions": ["3"], "platform": "onnxruntime_onnx",
                "inputs": [{ "name": "x", "datatype": "FP32", "shape": [-1, 2] }],
                "outputs": [{ "name": "OUT-x", "datatype": "FP32", "shape": [-1, 2] }],
            }),
        ),
        (
            "/v2/models/tensors/config",
            json!({
                "name": "tensors", "platform": "onnxruntime_onnx", "backend": "onnxruntime", "max_batch_size": 0,
                "version_policy": { "latest": { "num_versions": 1 } },
                "input": [{ "name": "x", "data_type": "TYPE_FP32", "dims": [-1, 2] }],
                "output": [{ "name": "OUT-x", "data_type": "TYPE_FP32", "dims": [-1, 2] }],
                "instance_group": [{ "name": "tensors", "kind": "KIND_CPU", "count": 1 }],
            }),
        ),
    ];
    for (path, expected) in rows {
        let answer = get(server.http(), path);
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
    }
    assert_eq!(get(server.http(), "/v2/models/tensors/versions/3").status, 200);
}

#[test]
fn health_says_who_is_ready() {
    let server = Server::start();
    let model = |name: &str| json!({ "name": name, "ready": true });
    for (path, expected) in [
        ("/v2/health/live", json!({ "live": true })),
        ("/v2/health/ready", json!({ "ready": true })),
        ("/v2/models/tensors/ready", model("tensors")),
        ("/v2/models/script/ready", model("script")),
    ] {
        let answer = get(server.http(), path);
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
    }
    assert_eq!(get(server.http(), "/").text(), "Healthy");
    assert_eq!(get(server.http(), "/v2/models/absent/ready").status, 404);
}

#[test]
fn a_restoring_host_is_live_and_not_ready() {
    let server = Server::start();
    server.ready.store(false, Ordering::Release);
    assert_eq!(get(server.http(), "/v2/health/live").status, 200);
    let answer = get(server.http(), "/v2/health/ready");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    server.ready.store(true, Ordering::Release);
    assert_eq!(get(server.http(), "/v2/health/ready").status, 200);
}

#[test]
fn statistics_are_reported_in_nanoseconds() {
    let server = Server::start();
    let row = get(server.http(), "/v2/models/tensors/stats").json()["model_stats"][0].clone();
    assert_eq!(
        (&row["inference_count"], &row["execution_count"], &row["last_inference"]),
        (&json!(2), &json!(1), &json!(5))
    );
    assert_eq!(row["inference_stats"]["success"], json!({ "count": 2, "ns": 30_000 }));
    let all = get(server.http(), "/v2/models/stats").json();
    assert_eq!(all["model_stats"].as_array().unwrap().len(), 6);
}

#[test]
fn repository_is_listed_loaded_and_unloaded() {
    let server = Server::start();
    let ready = json!({ "name": "tensors", "version": "1", "state": "READY", "reason": "" });
    let old = json!({ "name": "old", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded" });
    assert_eq!(post(server.http(), "/v2/repository/index", "").json(), json!([ready, old]));
    assert_eq!(post(server.http(), "/v2/repository/index", r#"{"ready":true}"#).json(), json!([ready]));
    assert_eq!(post(server.http(), "/v2/repository/index", "[").status, 400);
    for what in ["load", "unload"] {
        assert_eq!(post(server.http(), &format!("/v2/repository/models/old/{what}"), "").status, 200);
        assert_eq!(post(server.http(), &format!("/v2/repository/models/..%2Fold/{what}"), "").status, 404);
    }
    let answer = post(server.http(), "/v2/repository/models/old/load", r#"{"parameters":{"config":"{}"}}"#);
    assert_eq!(answer.status, 501);
}

#[test]
fn what_is_not_there_is_named() {
    let server = Server::start();
    let rows = [
        (
            "GET",
            "/v2/models/absent",
            404,
            "no service named 'absent' is deployed; POST /v2/repository/index lists what there is",
        ),
        (
            "GET",
            "/v2/models/tensors/versions/9",
            404,
            "service 'tensors' has no version '9'; POST /v2/repository/index lists what there is",
        ),
        (
            "POST",
            "/v2/models/absent/infer",
            404,
            "no service named 'absent' is deployed; POST /v2/repository/index lists what there is",
        ),
        (
            "GET",
            "/nowhere",
            404,
            "nothing is served at '/nowhere'; see GET /v2, /v2/models/<m>/infer, /api/v1/service/<s>/score",
        ),
        (
            "POST",
            "/nowhere/infer",
            404,
            "nothing is served at '/nowhere/infer'; see GET /v2, /v2/models/<m>/infer, /api/v1/service/<s>/score",
        ),
        ("GET", "/v2/models/tensors/infer", 405, "method GET is not allowed at '/v2/models/tensors/infer'; use POST"),
        ("POST", "/v2", 405, "method POST is not allowed at '/v2'; use GET"),
        (
            "GET",
            "/v2/cudasharedmemory/status",
            501,
            "'/v2/cudasharedmemory/status' belongs to an extension that this host does not offer",
        ),
        (
            "GET",
            "/v2/models/script",
            501,
            "service 'script' is an entry script and takes no tensors; send its own format to POST /api/v1/service/script/score",
        ),
        (
            "POST",
            "/v2/models/script/infer",
            501,
            "service 'script' is an entry script and takes no tensors; send its own format to POST /api/v1/service/script/score",
        ),
    ];
    for (method, path, status, message) in rows {
        let answer = exchange(server.http(), method, path, &[], b"");
        assert_eq!((answer.status, answer.json()), (status, json!({ "error": message })), "{path}");
    }
}

#[test]
fn every_kind_of_failure_has_its_status_and_hides_its_detail() {
    let server = Server::start();
    for kind in ErrorKind::ALL {
        let body =
            format!(r#"{{"inputs":[{{"name":"fail-{}","shape":[0],"datatype":"FP32","data":[]}}]}}"#, kind.name());
        let answer = post(server.http(), "/v2/models/tensors/infer", &body);
        assert_eq!(answer.status, status_of(kind).http.as_u16(), "{kind:?}");
        assert_eq!(answer.json(), json!({ "error": "planned; try another" }));
        assert!(answer.header("x-request-id").is_some());
        let managed = get(server.http(), &format!("/management/v1/fail-{}", kind.name()));
        assert_eq!(managed.status, status_of(kind).http.as_u16(), "{kind:?}");
        let error = json!({ "kind": kind.name(), "message": "planned", "hint": "try another" });
        assert_eq!(managed.json(), json!({ "error": error }));
    }
    assert_eq!(get(server.http(), "/management/v1/services").text(), "managed");
}
