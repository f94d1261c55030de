//! `/metrics` at the HTTP door and at an address of its own.

use std::sync::Arc;

use scorehost_auth::{AuthConfig, Gatekeeper};
use scorehost_core::{BoxFuture, Failure, SystemClock};
use scorehost_ingress::{Doors, MetricsDoor, MetricsSource, MetricsText, Observe};

use crate::client::{exchange, get};
use crate::fakes::Server;

struct Fixed;

impl MetricsSource for Fixed {
    fn scrape(&self, accept: Option<String>) -> BoxFuture<'static, Result<MetricsText, Failure>> {
        let text = format!("accept {}\n", accept.unwrap_or_default()).into();
        Box::pin(async { Ok(MetricsText { content_type: "text/x-metrics", text }) })
    }
}

fn with_metrics(open_metrics: bool) -> Observe {
    Observe { metrics: Some(Arc::new(Fixed)), open_metrics, ..Observe::default() }
}

#[test]
fn the_http_door_answers_metrics_where_they_are_open() {
    let server = Server::observed(with_metrics(true));
    let answer = exchange(server.http(), "GET", "/metrics", &[("accept", "text/plain")], b"");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/x-metrics")));
    assert_eq!(answer.body, b"accept text/plain\n");
    assert_eq!(exchange(server.http(), "POST", "/metrics", &[], b"").status, 405);
}

#[test]
fn readers_alone_see_metrics_that_are_not_open() {
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/metrics-readers");
    let started = Gatekeeper::start(AuthConfig::new(folder), Arc::new(SystemClock)).unwrap();
    let put = |doors: &mut Doors| {
        doors.observe = with_metrics(false);
        doors.gatekeeper = started.gatekeeper;
    };
    let server = Server::behind(|_| {}, put);
    assert_eq!(get(server.http(), "/metrics").status, 401);
    let credential = format!("Bearer {}", started.local.reveal());
    assert_eq!(exchange(server.http(), "GET", "/metrics", &[("authorization", &credential)], b"").status, 200);
}

#[test]
fn there_are_no_metrics_without_a_source() {
    assert_eq!(get(Server::with(|_| {}).http(), "/metrics").status, 404);
}

#[test]
fn the_own_address_answers_metrics_and_nothing_else() {
    let door = MetricsDoor::bind("127.0.0.1:0".parse().unwrap(), Arc::new(Fixed)).unwrap();
    let address = door.address().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(door.serve(std::future::pending()));
    assert_eq!(get(address, "/metrics").status, 200);
    assert_eq!(get(address, "/v2").status, 404);
    assert_eq!(exchange(address, "POST", "/metrics", &[], b"").status, 405);
}
