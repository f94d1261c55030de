use scorehost_core::ErrorKind;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::client::digest_of_bytes;
use crate::{Control, ControlConfig};

#[test]
fn a_request_can_be_handled_on_any_thread() {
    fn sendable<T: Send>(_: &T) {}
    fn check(control: &Control) {
        sendable(&control.handle(http::Request::new(http_body_util::Empty::<bytes::Bytes>::new())));
    }
    let _: fn(&Control) = check;
}

#[tokio::test]
async fn content_is_kept_once_and_comes_back_as_it_was() {
    let stage = Stage::new(ControlConfig::default());
    let digest = digest_of_bytes(b"weights");
    let path = format!("/blobs/{digest}");
    assert_eq!(stage.call("HEAD", &path, "").await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(stage.call("PUT", &path, "weights").await.unwrap().0, 201);
    assert_eq!(stage.call("PUT", &path, "weights").await.unwrap().0, 200);
    assert_eq!(stage.call("HEAD", &path, "").await.unwrap().0, 200);
    assert_eq!(stage.call("GET", &path, "").await.unwrap(), (200, "weights".into()));
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused_and_not_kept() {
    let stage = Stage::new(ControlConfig::default());
    let path = format!("/blobs/{}", digest_of_bytes(b"weights"));
    assert_eq!(stage.call("PUT", &path, "other").await.unwrap_err().kind, ErrorKind::InvalidInput);
    assert_eq!(stage.call("GET", &path, "").await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn content_beyond_the_bound_is_refused() {
    let stage = Stage::new(ControlConfig { max_blob_bytes: 4, ..ControlConfig::default() });
    let path = format!("/blobs/{}", digest_of_bytes(b"weights"));
    assert_eq!(stage.call("PUT", &path, "weights").await.unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(stage.call("GET", &path, "").await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn versions_count_up_and_the_newest_answers_to_the_name() {
    let stage = Stage::new(ControlConfig::default());
    assert_eq!(stage.register("digits", "model.onnx").await["id"], "digits:1");
    assert_eq!(stage.register("digits", "model.onnx").await["id"], "digits:2");
    let newest = stage.json("GET", "/models/digits", Value::Null).await.unwrap();
    assert_eq!((&newest["version"], &newest["size"]), (&json!(2), &json!(7)));
    let all = stage.json("GET", "/models?name=digits", Value::Null).await.unwrap();
    assert_eq!(all["models"].as_array().unwrap().len(), 2);
    let none = stage.json("GET", "/models?name=other", Value::Null).await.unwrap();
    assert!(none["models"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn bad_descriptions_are_refused_by_name() {
    let stage = Stage::new(ControlConfig { max_model_files: 2, ..ControlConfig::default() });
    let digest = stage.upload("weights").await;
    let absent = digest_of_bytes(b"never sent").to_string();
    let file = |path: &str| json!({"path": path, "digest": digest, "size": 7});
    let rows = [
        (json!([file("../evil")]), "../evil"),
        (json!([file("/etc/passwd")]), "/etc/passwd"),
        (json!([file("a\\b")]), "a\\\\b"),
        (json!([file("nul\u{0}")]), "nul"),
        (json!([file("")]), "empty"),
        (json!([file("a"), file("a")]), "'a' is listed twice"),
        (json!([file("a"), file("b"), file("c")]), "between 1 and 2 files, this one has 3"),
        (json!([]), "between 1 and 2 files, this one has 0"),
        (json!([{"path": "a", "digest": absent, "size": 7}]), "model file 'a' is not on the server"),
        (json!([{"path": "a", "digest": digest, "size": 8}]), "declared with 8 bytes"),
        (json!([{"path": "a", "digest": "sha256:zz", "size": 7}]), "sha256:zz"),
        (json!([{"path": "a", "digest": digest, "size": 7, "mode": 1}]), "mode"),
    ];
    for (files, named) in rows {
        let error = stage.json("POST", "/models", json!({"name": "digits", "files": files})).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidInput, "{error}");
        assert!(error.message.contains(named), "{error}");
    }
    let error = stage.json("POST", "/models", json!({"name": "../x", "files": [file("a")]})).await.unwrap_err();
    assert!(error.message.contains("../x"), "{error}");
    assert!(stage.registry.models().unwrap().is_empty());
}

#[tokio::test]
async fn bodies_and_nesting_are_bounded() {
    let stage = Stage::new(ControlConfig { max_json_bytes: 4096, ..ControlConfig::default() });
    let large = " ".repeat(5000);
    assert_eq!(stage.call("POST", "/models", large).await.unwrap_err().kind, ErrorKind::TooLarge);
    let deep = format!(r#"{{"models": [], "deployment": {}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let error = stage.call("PUT", "/services/deep", deep).await.unwrap_err();
    assert!(error.kind == ErrorKind::InvalidInput && error.message.contains("recursion"), "{error}");
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_named() {
    let stage = Stage::new(ControlConfig::default());
    let error = stage.call("GET", "/modells", "").await.unwrap_err();
    assert!(error.kind == ErrorKind::NotFound && error.message.contains("/modells"), "{error}");
    let error = stage.call("PATCH", "/models", "").await.unwrap_err();
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("GET, POST"), "{error}");
    let error = stage.call("GET", "/services/talkative/logs?tail=x", "").await.unwrap_err();
    assert!(error.kind == ErrorKind::InvalidInput && error.message.contains("tail"), "{error}");
}
