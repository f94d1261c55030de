//! Standard HTTP handlers.

use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{CallContext, ErrorKind, Failure, Interface, RawRequest, RawResponse, Replica};

use crate::http_guests::handler;
use crate::support::{bench, engine, x};

fn request(method: &str, path: &str, query: &str, body: Bytes) -> RawRequest {
    RawRequest { method: method.into(), path: path.into(), query: query.into(), body, content_type: None }
}

async fn ask(replica: &mut Box<dyn Replica>, method: &str, path: &str, query: &str) -> Result<RawResponse, Failure> {
    replica.score(request(method, path, query, Bytes::new()), &CallContext::new("r1")).await
}

#[tokio::test]
async fn a_handler_sees_path_and_query_and_its_status_and_body_come_back() {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &handler()).await.unwrap();
    let Interface::EntryScript(description) = replica.interface().clone() else { panic!("not a script") };
    assert!(description.raw_http && description.http_handler);
    // Each request has an instance of its own: the guest would trap at its second.
    for (method, path, query, seen) in
        [("GET", "/", "", "/"), ("PUT", "/items/7", "a=1&b=%20", "/items/7?a=1&b=%20"), ("PURGE", "/x", "", "/x")]
    {
        let answer = ask(&mut replica, method, path, query).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (207, seen.as_bytes()));
    }
    assert!(replica.healthy());
    let refused = replica.infer(x(&[1.0]), &CallContext::new("r2")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_body_goes_in_and_out() {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &handler()).await.unwrap();
    let body = Bytes::from(vec![7; 4000]);
    let answer = replica.score(request("POST", "/b", "", body.clone()), &CallContext::new("r1")).await.unwrap();
    assert_eq!(answer.body, body);
}

#[tokio::test]
async fn a_trap_or_no_answer_ends_one_request() {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &handler()).await.unwrap();
    for (path, expect) in [("/t", "in handle"), ("/n", "returned without a response")] {
        let failure = ask(&mut replica, "GET", path, "").await.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::ScorerFault);
        assert!(failure.message.contains(expect), "{path}: {failure}");
        assert_eq!(ask(&mut replica, "GET", "/", "").await.unwrap().status, 207);
    }
}

#[tokio::test]
async fn a_loop_is_stopped_at_the_deadline() {
    let (engine, mut bench) = (engine(), bench());
    bench.environment.scoring_timeout = std::time::Duration::from_millis(30);
    let mut replica = bench.replica(&engine, &handler()).await.unwrap();
    let failure = ask(&mut replica, "GET", "/l", "").await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Deadline);
    assert!(replica.healthy());
}

#[tokio::test]
async fn requests_with_headers_and_hosts_arrive() {
    struct Given;
    impl scorehost_core::Headers for Given {
        fn first(&self, name: &str) -> Option<&str> {
            self.all().into_iter().find(|(given, _)| *given == name).map(|(_, value)| value)
        }
        fn all(&self) -> Vec<(&str, &str)> {
            vec![
                ("host", "scores.test:8080"),
                ("content-encoding", "gzip"),
                ("connection", "close"),
                ("content-length", "9"),
            ]
        }
    }
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &handler()).await.unwrap();
    let call = CallContext { headers: Some(Arc::new(Given)), ..CallContext::new("r1") };
    let answer = replica.score(request("POST", "/b", "", Bytes::from_static(b"plain")), &call).await.unwrap();
    assert_eq!(&*answer.body, b"plain");
}
