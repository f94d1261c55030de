//! The Azure scoring door.

use serde_json::json;

use crate::client::{exchange, get, post};
use crate::fakes::Server;

const SCRIPT: &str = "/api/v1/service/script/score";

#[test]
fn a_script_gets_the_body_and_its_answer_comes_back() {
    let server = Server::start();
    let answer = exchange(server.http(), "POST", &format!("{SCRIPT}?a=%5B1%5D"), &[], "grüße".as_bytes());
    assert_eq!((answer.status, answer.text()), (200, "grüße"));
    assert_eq!(answer.header("content-type"), Some("text/x-test"));
    assert_eq!(answer.header("x-query"), Some("a=%5B1%5D"));
    assert_eq!(answer.header("x-ms-run-function-failed"), Some("False"));
    let time = answer.header("x-ms-run-fn-exec-ms").unwrap();
    assert_eq!(time.split_once('.').unwrap().1.len(), 3, "{time}");
    assert!(time.parse::<f64>().unwrap() >= 0.0);
    assert_eq!(get(server.http(), SCRIPT).status, 200);
}

#[test]
fn an_answer_without_a_type_is_json() {
    let server = Server::start();
    assert_eq!(post(server.http(), SCRIPT, "untyped").header("content-type"), Some("application/json"));
}

#[test]
fn ids_and_traces_come_back() {
    let server = Server::start();
    let sent = [
        ("x-request-id", "r"),
        ("x-ms-client-request-id", "c"),
        ("TraceId", "t"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let answer = exchange(server.http(), "POST", SCRIPT, &sent, b"x");
    for (name, value) in sent {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.header("x-ms-request-id"), Some("c"));
    let call = server.script.last.lock().unwrap().take().unwrap();
    assert_eq!(&*call.request_id, "r");
    let answer = exchange(server.http(), "POST", SCRIPT, &[("x-ms-request-id", "old")], b"x");
    assert_eq!(answer.header("x-ms-client-request-id"), Some("old"));
    let answer = post(server.http(), SCRIPT, "x");
    let made = answer.header("x-request-id").unwrap();
    assert_eq!(answer.header("x-ms-request-id"), Some(made));
    assert_eq!(&*server.script.last.lock().unwrap().take().unwrap().request_id, made);
}

#[test]
fn long_ids_are_refused() {
    let server = Server::start();
    let long = "x".repeat(101);
    for name in ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"] {
        let answer = exchange(server.http(), "POST", SCRIPT, &[(name, &long)], b"x");
        let message = format!("{name} must not exceed 100 characters");
        assert_eq!((answer.status, answer.json()), (431, json!({ "message": message })));
    }
}

#[test]
fn failures_have_the_statuses_of_the_router() {
    let server = Server::start();
    let rows = [
        ("invalid_input", 400, None),
        ("unauthenticated", 401, None),
        ("forbidden", 403, None),
        ("not_found", 404, None),
        ("conflict", 409, None),
        ("too_large", 413, None),
        ("unsupported", 501, None),
        ("overloaded", 503, None),
        ("deadline", 504, Some("True")),
        ("scorer_fault", 502, Some("True")),
        ("unavailable", 503, None),
        ("internal", 500, None),
    ];
    for (kind, status, failed) in rows {
        let answer = post(server.http(), SCRIPT, &format!("fail-{kind}"));
        assert_eq!((answer.status, answer.json()), (status, json!({ "message": "planned; try another" })), "{kind}");
        assert_eq!(answer.header("x-ms-run-function-failed"), failed, "{kind}");
        assert!(answer.header("x-request-id").is_some());
    }
}

#[test]
fn statuses_of_the_script_pass_through() {
    let server = Server::start();
    for (status, failed) in [(201, "False"), (418, "False"), (503, "True")] {
        let answer = post(server.http(), SCRIPT, &format!("status-{status}"));
        assert_eq!((answer.status, answer.header("x-ms-run-function-failed")), (status, Some(failed)));
    }
    for status in ["99", "100", "600", "999"] {
        assert_eq!(post(server.http(), SCRIPT, &format!("status-{status}")).status, 502, "{status}");
    }
}

#[test]
fn bodies_that_the_script_cannot_take_never_reach_it() {
    let server = Server::start();
    let answer = exchange(server.http(), "POST", SCRIPT, &[], b"a\xff");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("not UTF-8 from byte 1 on"), "{}", answer.text());
    assert!(server.script.last.lock().unwrap().is_none());
    let json_path = "/api/v1/service/json-script/score";
    assert_eq!(post(server.http(), json_path, "{").status, 415);
    assert_eq!(post(server.http(), json_path, "{}").status, 200);
    let raw = exchange(server.http(), "POST", "/api/v1/service/raw-script/score", &[], b"a\xff");
    assert_eq!((raw.status, raw.body), (200, b"a\xff".to_vec()));
}

#[test]
fn methods_follow_the_reference_server() {
    let server = Server::start();
    for (method, path, status) in [
        ("PUT", SCRIPT, 405),
        ("DELETE", "/api/v1/service/raw-script/score", 405),
        ("OPTIONS", SCRIPT, 200),
        ("GET", "/api/v1/service/tensors/score", 405),
        ("POST", "/api/v1/service/script/swagger.json", 405),
        ("POST", "/api/v1/service/absent/score", 404),
    ] {
        let answer = exchange(server.http(), method, path, &[], b"");
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

#[test]
fn configured_origins_may_read() {
    let server = Server::with(|config| config.cors_origins = vec!["https://app.example".into()]);
    let answer = exchange(server.http(), "OPTIONS", SCRIPT, &[("origin", "https://app.example")], b"");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, OPTIONS"));
    let answer = exchange(server.http(), "POST", SCRIPT, &[("origin", "https://other.example")], b"x");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
}

#[test]
fn tensors_are_scored_with_the_inference_document() {
    let server = Server::start();
    let path = "/api/v1/service/tensors/score";
    let body = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}"#;
    let answer = post(server.http(), path, body);
    assert_eq!((answer.status, &answer.json()["outputs"][0]["data"]), (200, &json!([1.0])));
    assert_eq!(answer.header("x-ms-run-function-failed"), Some("False"));
    assert!(answer.header("x-ms-run-fn-exec-ms").is_some());
    let answer = post(server.http(), path, r#"{"x":[1]}"#);
    assert_eq!(answer.status, 400);
    assert!(answer.json()["message"].as_str().unwrap().contains("missing field `inputs`"), "{}", answer.text());
}

#[test]
fn swagger_comes_in_three_versions() {
    let server = Server::start();
    let path = "/api/v1/service/tensors/swagger.json";
    for (query, key, version) in [
        ("", "swagger", "2.0"),
        ("?version=2", "swagger", "2.0"),
        ("?version=3", "openapi", "3.0.3"),
        ("?version=3.1", "openapi", "3.1.0"),
    ] {
        let document = get(server.http(), &format!("{path}{query}")).json();
        assert_eq!(document[key], version, "{query}");
        assert!(document["paths"]["/api/v1/service/tensors/score"]["post"].is_object());
    }
    let document = get(server.http(), path).json();
    let example = &document["definitions"]["ServiceInput"]["example"]["inputs"][0];
    assert_eq!(example, &json!({ "name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.0, 0.0] }));
    let script = get(server.http(), "/api/v1/service/json-script/swagger.json").json();
    assert_eq!(script["definitions"]["ServiceInput"], json!({ "type": "object" }));
    let answer = get(server.http(), &format!("{path}?version=4"));
    assert_eq!(answer.status, 404);
    assert!(answer.json()["message"].as_str().unwrap().starts_with("Swagger version [4] is not supported"));
}
