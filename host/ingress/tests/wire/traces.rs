//! `traceparent` in and out, and the spans of the doors.

use std::sync::Mutex;
use std::time::Duration;

use scorehost_core::TraceContext;
use scorehost_telemetry::OutboxConfig;
use scorehost_telemetry::trace::{self, Sampler, Span, Spans};

use crate::client::exchange;
use crate::fakes::Server;

static DELIVERED: Mutex<Vec<Span>> = Mutex::new(Vec::new());

/// Records the spans of requests whose callers ask for it; other tests of this process ask for none.
fn record() {
    let deliver = |batch: Vec<Span>| {
        DELIVERED.lock().unwrap().extend(batch);
        Ok(())
    };
    trace::install(Spans::start(Sampler::parent_based(0.0), OutboxConfig::default(), deliver).unwrap());
}

fn delivered(trace_id: u128) -> Vec<Span> {
    trace::spans().unwrap().flush(Duration::from_secs(60));
    DELIVERED.lock().unwrap().iter().filter(|span| span.context.trace_id == trace_id).cloned().collect()
}

fn parent(trace_id: u128, sampled: bool) -> TraceContext {
    TraceContext { trace_id, span_id: 0x77, sampled }
}

#[test]
fn a_sampled_request_gets_a_span_of_its_own_that_everybody_below_sees() {
    record();
    let server = Server::start();
    let caller = parent(0xa1, true).to_string();
    let headers = [("traceparent", caller.as_str()), ("tracestate", "vendor=1")];
    let answer = exchange(server.http(), "POST", "/api/v1/service/script/score", &headers, b"fail-internal");
    let returned: TraceContext = answer.header("traceparent").unwrap().parse().unwrap();
    assert!(returned.sampled && returned.trace_id == 0xa1 && returned.span_id != 0x77);
    let call = server.script.last.lock().unwrap().take().unwrap();
    assert_eq!(call.trace, Some(returned));
    let headers = call.headers.unwrap();
    assert_eq!(headers.first("traceparent"), Some(&*returned.to_string()));
    assert_eq!(headers.first("tracestate"), Some("vendor=1"));
    let [span] = delivered(0xa1).try_into().unwrap();
    assert_eq!((span.context, span.parent, span.server), (returned, Some(0x77), true));
    assert_eq!(&*span.name, "POST /api/v1/service/{service}/score");
    assert_eq!(span.error.as_deref(), Some("internal"));
    assert!(span.attributes.contains(&("http.response.status_code", 500u64.into())));
}

#[test]
fn a_request_that_is_not_sampled_is_passed_on_without_a_span() {
    record();
    let server = Server::start();
    let caller = parent(0xa2, false).to_string();
    let answer = exchange(server.http(), "POST", "/api/v1/service/script/score", &[("traceparent", &caller)], b"x");
    let returned: TraceContext = answer.header("traceparent").unwrap().parse().unwrap();
    assert!(!returned.sampled && returned.trace_id == 0xa2 && returned.span_id != 0x77);
    assert!(delivered(0xa2).is_empty());
}

#[test]
fn a_request_without_a_trace_stays_without_one() {
    record();
    let server = Server::start();
    for headers in [&[][..], &[("traceparent", "00-nonsense")]] {
        let answer = exchange(server.http(), "POST", "/v2/models/tensors/infer", headers, b"{}");
        assert_eq!(answer.header("traceparent"), None);
    }
    exchange(server.http(), "POST", "/api/v1/service/script/score", &[], b"x");
    assert_eq!(server.script.last.lock().unwrap().take().unwrap().trace, None);
}
