//! The small translations between rooms that do not know each other: control behind ingress's door, telemetry behind both.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use scorehost_control::{Control, LogFeed, LogTail, ServiceLogs};
use scorehost_core::{BoxFuture, Failure, LogLevel, ServiceName};
use scorehost_ingress::{Body, Counters, Management, Span, StatisticsSource};
use scorehost_telemetry::{Followed, Follower, LogBook, LogLine, Measure, Statistics};
use tokio::runtime::Handle;

/// The management API, carried off the acceptor threads to the control runtime.
pub(crate) struct ManagementDoor {
    pub(crate) control: Control,
    pub(crate) runtime: Handle,
}

impl Management for ManagementDoor {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Result<Response<Body>, Failure>> {
        let control = self.control.clone();
        let answer = self.runtime.spawn(async move { control.handle(request).await });
        Box::pin(async move { Ok(answer.await.map_err(Failure::internal)??.map(Body::stream)) })
    }
}

/// Telemetry's counters in the form of the statistics extension.
pub(crate) struct StatisticsDoor(pub(crate) Arc<Statistics>);

impl StatisticsSource for StatisticsDoor {
    fn counters(&self, service: &ServiceName, version: &str) -> Option<Counters> {
        let all = self.0.snapshot_of(service.as_str());
        let found = all.into_iter().find(|snapshot| &*snapshot.version == version)?;
        Some(Counters {
            last_inference_ms: found.last_inference,
            inferences: found.inference_count,
            executions: found.execution_count,
            success: span(found.success),
            fail: span(found.fail),
            queue: span(found.queue),
            compute: span(found.compute_infer),
        })
    }
}

fn span(measure: Measure) -> Span {
    Span { count: measure.count, total: Duration::from_nanos(measure.ns) }
}

/// Telemetry's log book behind the management API.
pub(crate) struct LogDoor(pub(crate) Arc<LogBook>);

impl ServiceLogs for LogDoor {
    fn open(&self, service: &ServiceName, tail: usize) -> Option<LogTail> {
        let log = self.0.find(service)?;
        let lines = log.tail(tail).iter().map(|line| rendered(line)).collect();
        Some(LogTail { lines, feed: Box::new(Feed(log.follow(0))) })
    }
}

struct Feed(Follower);

impl LogFeed for Feed {
    fn next(&mut self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async move {
            Some(match self.0.next().await? {
                Followed::Line(line) => rendered(&line),
                Followed::Skipped(lines) => {
                    format!("... {lines} lines were dropped: the log grew faster than it was read")
                }
            })
        })
    }
}

/// One line for people: time, level, request, text.
fn rendered(line: &LogLine) -> String {
    let level = match line.level {
        LogLevel::Trace => "TRACE",
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warn => "WARN",
        LogLevel::Error => "ERROR",
    };
    let time = humantime::format_rfc3339_millis(line.time);
    let request = if line.request_id.is_empty() { "-" } else { &line.request_id };
    format!("{time} {level:<5} {request} {}", line.text)
}
