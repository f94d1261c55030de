#![allow(clippy::unwrap_used, reason = "tests")]

use parking_lot::Mutex;

use super::*;

static DELIVERED: Mutex<Vec<Span>> = Mutex::new(Vec::new());

/// The process has one receiver, so these tests share it and find their spans by trace.
fn receiver() -> &'static Spans {
    let deliver = |batch: Vec<Span>| {
        DELIVERED.lock().extend(batch);
        Ok(())
    };
    install(Spans::start(Sampler::parent_based(1.0), OutboxConfig::default(), deliver).unwrap());
    spans().unwrap()
}

fn delivered(trace_id: u128) -> Vec<Span> {
    receiver().flush(Duration::from_secs(60));
    DELIVERED.lock().iter().filter(|span| span.context.trace_id == trace_id).cloned().collect()
}

fn parent(trace_id: u128, sampled: bool) -> TraceContext {
    TraceContext { trace_id, span_id: 7, sampled }
}

#[test]
fn spans_nest_below_the_request() {
    let server = receiver().enter(Some(parent(1, true))).unwrap();
    let mut recording = Recording::server(server, Some(7), "infer");
    recording.set("scorehost.service", "echo");
    let mut trace = Some(server);
    let mut run = begin(&mut trace, "scorer.run");
    run.fail(ErrorKind::ScorerFault);
    drop(begin(&mut trace, "model.run"));
    drop((run, recording));
    let [model, run, server] = delivered(1).try_into().unwrap();
    assert_eq!((server.parent, server.server, &*server.name), (Some(7), true, "infer"));
    assert_eq!(server.attributes, [("scorehost.service", Value::from("echo"))]);
    assert_eq!((run.parent, run.error.as_deref()), (Some(server.context.span_id), Some("scorer_fault")));
    assert_eq!(model.parent, Some(run.context.span_id));
    assert!(server.start <= run.start && run.end <= server.end);
}

#[test]
fn a_request_that_is_not_sampled_leaves_nothing() {
    let server = receiver().enter(Some(parent(2, false))).unwrap();
    assert!(!server.sampled && server.span_id != 7 && server.trace_id == 2);
    let mut trace = Some(server);
    drop((Recording::server(server, Some(7), "infer"), begin(&mut trace, "scorer.run"), begin(&mut None, "other")));
    assert_eq!(trace, Some(server), "no span, no new id");
    assert!(delivered(2).is_empty());
}

#[test]
fn the_ratio_is_kept_and_ids_are_not_zero() {
    let sampler = Sampler::parent_based(0.25);
    let begun: Vec<_> = (0..100_000).filter_map(|_| sampler.enter(None)).collect();
    assert!((24_000..26_000).contains(&begun.len()), "{}", begun.len());
    assert!(begun.iter().all(|trace| trace.sampled && trace.trace_id != 0 && trace.span_id != 0));
    assert_eq!(Sampler::parent_based(0.0).enter(None), None);
    assert!(Sampler::parent_based(1.0).enter(None).is_some());
    assert!(Sampler::parent_based(0.0).enter(Some(parent(3, true))).unwrap().sampled);
}

#[test]
fn a_ratio_of_all_decides_by_the_trace_alone() {
    let sampler = Sampler::ratio(0.5);
    let (low, high) = (u128::from(u64::MAX / 4), u128::from(u64::MAX));
    for sampled in [true, false] {
        assert!(sampler.enter(Some(parent(low, sampled))).unwrap().sampled);
        assert!(!sampler.enter(Some(parent(high, sampled))).unwrap().sampled);
    }
}
