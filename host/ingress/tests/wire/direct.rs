//! Scoring without a connection.

use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{CallContext, ErrorKind, Failure, RawRequest, RawResponse, Service};
use scorehost_ingress::score_once;

use crate::fakes::{Fake, Server};

fn score(service: &Arc<Fake>, body: &str) -> Result<RawResponse, Failure> {
    let request = RawRequest {
        method: "POST".into(),
        path: "/".into(),
        query: "a=1".into(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        content_type: Some("application/json".into()),
    };
    let call = CallContext::new("local");
    let service: Arc<dyn Service> = service.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(score_once(&service, request, call))
}

#[test]
fn an_entry_script_gets_the_body_and_its_status_comes_back() {
    let server = Server::start();
    let answer = score(&server.script, "status-418").unwrap();
    assert_eq!((answer.status, &answer.body[..]), (418, &b"status-418"[..]));
    assert!(answer.headers.contains(&("x-query".into(), "a=1".into())), "{:?}", answer.headers);
    assert_eq!(&*server.script.last.lock().unwrap().take().unwrap().request_id, "local");
}

#[test]
fn tensors_are_the_json_of_the_protocol() {
    let server = Server::start();
    let body = r#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2.5]}]}"#;
    let answer = score(&server.tensors, body).unwrap();
    let expected = r#"{"model_name":"tensors","model_version":"3","outputs":[{"name":"OUT-x","datatype":"FP32","shape":[1,2],"data":[1.0,2.5]}]}"#;
    assert_eq!((answer.status, std::str::from_utf8(&answer.body).unwrap()), (200, expected));
    assert_eq!(answer.headers, [("content-type".to_owned(), "application/json".to_owned())]);
}

#[test]
fn failures_keep_their_kind_and_their_detail() {
    let server = Server::start();
    let failure = score(&server.script, "fail-scorer_fault").unwrap_err();
    assert_eq!((failure.kind, failure.detail.as_deref()), (ErrorKind::ScorerFault, Some("secret")));
    let body = r#"{"inputs":[{"name":"fail-deadline","shape":[1],"datatype":"FP32","data":[1]}]}"#;
    assert_eq!(score(&server.tensors, body).unwrap_err().kind, ErrorKind::Deadline);
    assert_eq!(score(&server.tensors, "{").unwrap_err().kind, ErrorKind::InvalidInput);
}
