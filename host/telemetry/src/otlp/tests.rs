#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;
use scorehost_core::{LogLevel, TraceContext};

use super::*;
use crate::LogLine;
use crate::trace::{Sampler, Span};

const LONG: Duration = Duration::from_secs(60);

/// A collector that answers every request with 200 and hands on its path and body.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let send = send.clone();
            std::thread::spawn(move || serve(stream.unwrap(), &send));
        }
    });
    (url, received)
}

fn serve(mut stream: TcpStream, send: &std::sync::mpsc::Sender<(String, Vec<u8>)>) {
    let mut bytes = Vec::new();
    while let Some((path, body)) = request(&mut stream, &mut bytes) {
        send.send((path, body)).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
    }
}

/// One request of a connection; `None` at its end.
fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse::<usize>().unwrap();
            if bytes.len() >= end + 4 + length {
                let body = bytes[end + 4..end + 4 + length].to_vec();
                bytes.drain(..end + 4 + length);
                return Some((head.split(' ').nth(1).unwrap().to_owned(), body));
            }
        }
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    }
}

fn config(endpoint: &str) -> OtlpConfig {
    OtlpConfig::new(Some(endpoint.to_owned()), Some(1.0), "9.9.9", &|_| None).unwrap()
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == key).unwrap().value.clone().unwrap().value;
    match value.unwrap() {
        any_value::Value::StringValue(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn spans_arrive_at_a_collector() {
    let (url, received) = collector();
    let config = config(&url);
    let exporter = spans::exporter(&config, &resource::resource(&config)).unwrap();
    let context = TraceContext { trace_id: 0xabc, span_id: 0x12, sampled: true };
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
    let span = Span {
        context,
        parent: Some(0x11),
        server: true,
        name: "infer".into(),
        start,
        end: start + Duration::from_millis(3),
        attributes: vec![("scorehost.service", "echo".into()), ("http.response.status_code", 503u64.into())],
        error: Some("overloaded".into()),
    };
    spans::deliver(&exporter, vec![span]).unwrap();
    let (path, body) = received.recv_timeout(LONG).unwrap();
    assert_eq!(path, "/v1/traces");
    let [of_host] = ExportTraceServiceRequest::decode(&*body).unwrap().resource_spans.try_into().unwrap();
    let resource = of_host.resource.unwrap().attributes;
    assert_eq!(
        (text(&resource, "service.name"), text(&resource, "service.version")),
        ("scorehost".into(), "9.9.9".into())
    );
    let span = &of_host.scope_spans[0].spans[0];
    assert_eq!(span.trace_id, 0xabcu128.to_be_bytes());
    assert_eq!((&*span.span_id, &*span.parent_span_id), (&0x12u64.to_be_bytes()[..], &0x11u64.to_be_bytes()[..]));
    assert_eq!((span.name.as_str(), span.kind), ("infer", 2));
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (5_000_000_000, 5_003_000_000));
    assert_eq!(text(&span.attributes, "scorehost.service"), "echo");
    assert_eq!(span.status.clone().unwrap().message, "overloaded");
}

#[test]
fn lines_of_services_arrive_at_a_collector() {
    let (url, received) = collector();
    let config = config(&url);
    let logs = LogExport::start(&config, &resource::resource(&config)).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let line =
        LogLine { time, level: LogLevel::Warn, version: "2".into(), request_id: "r-1".into(), text: "hello".into() };
    logs.line(&"echo".parse().unwrap(), &line);
    logs.flush(LONG);
    let (path, body) = received.recv_timeout(LONG).unwrap();
    assert_eq!(path, "/v1/logs");
    let request = ExportLogsServiceRequest::decode(&*body).unwrap();
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(
        (record.time_unix_nano, record.severity_number, record.severity_text.as_str()),
        (7_000_000_000, 13, "WARN")
    );
    assert_eq!(record.body.clone().unwrap().value.unwrap(), any_value::Value::StringValue("hello".into()));
    assert_eq!(
        (text(&record.attributes, "scorehost.service"), text(&record.attributes, "scorehost.version")),
        ("echo".into(), "2".into())
    );
    assert_eq!(text(&record.attributes, "scorehost.request_id"), "r-1");
    assert_eq!(logs.counts().sent, 1);
}

#[test]
fn a_collector_that_is_not_there_costs_counts_and_nothing_else() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = config(&format!("http://{port}"));
    let logs = LogExport::start(&config, &resource::resource(&config)).unwrap();
    let line = LogLine {
        time: SystemTime::UNIX_EPOCH,
        level: LogLevel::Info,
        version: "1".into(),
        request_id: "".into(),
        text: "lost".into(),
    };
    logs.line(&"echo".parse().unwrap(), &line);
    logs.flush(LONG);
    assert_eq!(logs.counts(), OutboxCounts { sent: 0, dropped: 0, failed: 1 });
}

#[test]
fn options_go_before_variables_and_variables_before_defaults() {
    let make = |endpoint: Option<&str>, sample, variables: &[(&str, &str)]| {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        OtlpConfig::new(endpoint.map(str::to_owned), sample, "1", &lookup)
    };
    let off = make(None, None, &[]).unwrap();
    assert!(!off.traces && !off.logs && off.sampler == Sampler::parent_based(0.01));
    let traces = make(None, None, &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://x")]).unwrap();
    assert!(traces.traces && !traces.logs && traces.url("traces").is_none());
    let both = make(Some("http://c:4318/"), Some(0.5), &[("OTEL_TRACES_SAMPLER", "always_on")]).unwrap();
    assert!(both.traces && both.logs && both.sampler == Sampler::parent_based(0.5));
    assert_eq!(both.url("logs").as_deref(), Some("http://c:4318/v1/logs"));
    assert!(!make(Some("http://c"), None, &[("OTEL_LOGS_EXPORTER", "none")]).unwrap().logs);
    assert!(!make(Some("http://c"), None, &[("OTEL_SDK_DISABLED", "true")]).unwrap().traces);
    for (sampler, argument, expected) in [
        ("always_on", "0.5", Sampler::ratio(1.0)),
        ("always_off", "0.5", Sampler::ratio(0.0)),
        ("traceidratio", "0.5", Sampler::ratio(0.5)),
        ("parentbased_always_on", "0.5", Sampler::parent_based(1.0)),
        ("parentbased_traceidratio", "0.25", Sampler::parent_based(0.25)),
    ] {
        let found =
            make(None, None, &[("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)]).unwrap();
        assert_eq!(found.sampler, expected, "{sampler}");
    }
    let queue =
        make(None, None, &[("OTEL_BSP_MAX_QUEUE_SIZE", "7"), ("OTEL_BSP_SCHEDULE_DELAY", "250")]).unwrap().outbox;
    assert_eq!((queue.max_queued, queue.delay), (7, Duration::from_millis(250)));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |sample, name: &str, value: &str| {
        let lookup = |wanted: &str| (wanted == name).then(|| value.to_owned());
        OtlpConfig::new(None, sample, "1", &lookup).unwrap_err().to_string()
    };
    assert_eq!(refused(Some(1.5), "", ""), "--trace-sample is '1.5'; expected a part from 0 to 1");
    assert!(refused(None, "OTEL_TRACES_SAMPLER_ARG", "much").starts_with("OTEL_TRACES_SAMPLER_ARG is 'much'"));
    assert!(refused(None, "OTEL_TRACES_SAMPLER", "sometimes").starts_with("OTEL_TRACES_SAMPLER is 'sometimes'"));
    assert!(refused(None, "OTEL_BSP_MAX_QUEUE_SIZE", "0").starts_with("OTEL_BSP_MAX_QUEUE_SIZE is '0'"));
    assert!(matches!(config("collector:4318").validate(), Err(OtlpError::Endpoint(_))));
}

#[test]
fn lines_about_the_delivery_are_not_delivered() {
    for target in ["hyper::client", "reqwest", "opentelemetry_sdk::logs", "scorehost_telemetry::outbox", "h2"] {
        assert!(!exports_target(target), "{target}");
    }
    assert!(exports_target("scorehost_ingress::handler") && exports_target("hyperspace"));
}
