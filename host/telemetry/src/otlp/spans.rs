//! Finished spans in OpenTelemetry's form.

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};

use super::wait::wait;
use super::{OtlpConfig, OtlpError, SpanExporter, WithExportConfig, use_ring};
use crate::trace::{Span, Value};

pub(super) fn exporter(config: &OtlpConfig, resource: &Resource) -> Result<SpanExporter, OtlpError> {
    use_ring();
    let builder = SpanExporter::builder().with_http();
    let builder = match config.url("traces") {
        Some(url) => builder.with_endpoint(url),
        None => builder,
    };
    let mut exporter = builder.build().map_err(|error| OtlpError::Exporter(error.to_string()))?;
    exporter.set_resource(resource);
    Ok(exporter)
}

pub(super) fn deliver(exporter: &SpanExporter, batch: Vec<Span>) -> Result<(), String> {
    let scope = InstrumentationScope::builder("scorehost").build();
    let batch = batch.into_iter().map(|span| data(span, &scope)).collect();
    wait(exporter.export(batch)).map_err(|error| error.to_string())
}

fn data(span: Span, scope: &InstrumentationScope) -> SpanData {
    let trace_id = TraceId::from_bytes(span.context.trace_id.to_be_bytes());
    let id = |id: u64| SpanId::from_bytes(id.to_be_bytes());
    let context =
        SpanContext::new(trace_id, id(span.context.span_id), TraceFlags::SAMPLED, false, TraceState::default());
    SpanData {
        span_context: context,
        parent_span_id: span.parent.map_or(SpanId::INVALID, id),
        parent_span_is_remote: span.server && span.parent.is_some(),
        span_kind: if span.server { SpanKind::Server } else { SpanKind::Internal },
        name: span.name,
        start_time: span.start,
        end_time: span.end.max(span.start),
        attributes: span.attributes.into_iter().map(attribute).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: span.error.map_or(Status::Unset, |error| Status::Error { description: error }),
        instrumentation_scope: scope.clone(),
    }
}

fn attribute((name, value): (&'static str, Value)) -> KeyValue {
    match value {
        Value::Text(text) => KeyValue::new(name, text),
        Value::Number(number) => KeyValue::new(name, number),
    }
}
