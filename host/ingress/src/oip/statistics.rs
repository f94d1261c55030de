//! The statistics extension.

use std::sync::Arc;

use http::Response;
use scorehost_core::{Service, ServiceStatus};
use serde_json::{Value, json};

use super::ok;
use crate::{Body, Counters, Span, StatisticsSource};

/// `GET /v2/models/stats`, `GET /v2/models/<m>[/versions/<v>]/stats`
pub(crate) fn of(services: &[Arc<dyn Service>], source: &dyn StatisticsSource) -> Response<Body> {
    let rows: Vec<Value> = services.iter().map(|service| row(service.status(), source)).collect();
    ok(&json!({ "model_stats": rows }))
}

fn row(status: &ServiceStatus, source: &dyn StatisticsSource) -> Value {
    let counters = source.counters(&status.name, &status.version).unwrap_or_default();
    let Counters { last_inference_ms, inferences, executions, .. } = counters;
    json!({
        "name": status.name.as_str(),
        "version": &*status.version,
        "last_inference": last_inference_ms,
        "inference_count": inferences,
        "execution_count": executions,
        "inference_stats": {
            "success": span(counters.success),
            "fail": span(counters.fail),
            "queue": span(counters.queue),
            // Inputs and outputs are handles: nothing is moved before or after computing.
            "compute_input": span(Span { count: counters.compute.count, ..Span::default() }),
            "compute_infer": span(counters.compute),
            "compute_output": span(Span { count: counters.compute.count, ..Span::default() }),
            "cache_hit": span(counters.cache_hit),
            "cache_miss": span(counters.cache_miss),
        },
        "batch_stats": counters.batches.iter().map(batch).collect::<Vec<_>>(),
        "memory_usage": [],
        "response_stats": {},
    })
}

fn batch((size, ran): &(u64, Span)) -> Value {
    let moved = span(Span { count: ran.count, ..Span::default() });
    json!({ "batch_size": size, "compute_input": moved, "compute_infer": span(*ran), "compute_output": moved })
}

fn span(span: Span) -> Value {
    json!({ "count": span.count, "ns": nanoseconds(span) })
}

pub(crate) fn nanoseconds(span: Span) -> u64 {
    u64::try_from(span.total.as_nanos()).unwrap_or(u64::MAX)
}
