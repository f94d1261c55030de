//! Recorded requests behind the management API: what they are, and asking a version the same again.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use scorehost_control::{Recordings, wire};
use scorehost_core::{
    BoxFuture, CallContext, Clock, Deadline, ErrorKind, Failure, Headers, NamedTensors, Priority, Service, ServiceName,
    VersionName,
};
use scorehost_router::difference::{self, Distance};
use scorehost_telemetry::{Answered, Asked, Recorded, Recorder};

use crate::metrics::LiveVersions;

/// Longest time of one replay; requests that are left are skipped. Below what the client waits.
const LONGEST: Duration = Duration::from_secs(100);
/// Longest time of one request.
const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// Telemetry's recordings, and the versions that can be asked.
pub(crate) struct RecordingDoor {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) live: Arc<LiveVersions>,
    pub(crate) workers: tokio::runtime::Handle,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Recordings for RecordingDoor {
    fn list(&self, service: &ServiceName, limit: usize) -> Result<wire::Recordings, Failure> {
        let ids = self.recorder.ids(service);
        let read = |id: &String| self.recorder.get(service, id).map_err(Failure::internal);
        let recorded = ids.iter().take(limit).map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(wire::Recordings { kept: ids.len(), recordings: recorded.iter().flatten().map(listed).collect() })
    }

    fn show(&self, service: &ServiceName, id: &str) -> Result<Option<wire::RecordingShown>, Failure> {
        Ok(self.recorder.get(service, id).map_err(Failure::internal)?.map(|recorded| shown(&recorded)))
    }

    fn remove(&self, service: &ServiceName, id: Option<&str>) -> Result<usize, Failure> {
        self.recorder.remove(service, id).map_err(Failure::internal)
    }

    fn replay(
        &self,
        service: ServiceName,
        version: VersionName,
        limit: usize,
        replay: wire::Replay,
    ) -> BoxFuture<'static, Result<wire::ReplayReport, Failure>> {
        // The version itself, not what stands in the table: a replay is neither collected nor recorded.
        let asked = self.live.find(&service, version.as_str());
        let (recorder, clock) = (Arc::clone(&self.recorder), Arc::clone(&self.clock));
        let work = self.workers.spawn(async move {
            let Some(asked) = asked else {
                let message = format!("version '{version}' of service '{service}' answers no requests at the moment");
                return Err(Failure::new(ErrorKind::Unavailable, message)
                    .with_hint(format!("scorehost endpoint show {service}")));
            };
            let ids: Vec<String> = match replay.ids.is_empty() {
                true => recorder.ids(&service).into_iter().take(limit).collect(),
                false => replay.ids,
            };
            let tolerance = replay.tolerance.unwrap_or(0.0);
            let (end, wanted) = (Deadline::after(clock.now(), LONGEST), ids.len());
            let mut requests = Vec::new();
            for id in ids {
                if end.passed(clock.now()) {
                    break;
                }
                if let Some(recorded) = read(&recorder, &service, id).await? {
                    requests.push(again(&*asked, recorded, tolerance, &*clock).await);
                }
            }
            let skipped = wanted - requests.len();
            Ok(report(&service, &version, skipped, requests))
        });
        Box::pin(async move { work.await.map_err(Failure::internal)? })
    }
}

async fn read(recorder: &Arc<Recorder>, service: &ServiceName, id: String) -> Result<Option<Recorded>, Failure> {
    let (recorder, service) = (Arc::clone(recorder), service.clone());
    crate::realiser::blocking(move || recorder.get(&service, &id).map_err(Failure::internal)).await
}

/// Headers that were recorded.
struct Kept(Vec<(String, String)>);

impl Headers for Kept {
    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn all(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// Asks one request again and compares.
async fn again(service: &dyn Service, recorded: Recorded, tolerance: f64, clock: &dyn Clock) -> wire::Replayed {
    let begun = clock.now();
    let call = CallContext {
        headers: Some(Arc::new(Kept(recorded.headers))),
        deadline: Some(Deadline::after(begun, LONGEST_REQUEST)),
        priority: Priority::Low,
        ..CallContext::new(recorded.request_id.as_str())
    };
    let answered = match recorded.asked {
        Asked::Tensors(request) => service.infer(request, call).await.map(|answer| Answered::Tensors(answer.outputs)),
        Asked::Body(request) => service.score(request, call).await.map(Answered::Body),
    };
    let replayed_ms = millis(clock.now().saturating_duration_since(begun));
    let message = answered.as_ref().err().map(|failure| failure.message.to_string());
    let distance = match (&recorded.answered, answered) {
        (Answered::Failed(kind), Err(failure)) if kind == failure.kind.name() => Some(Distance::default()),
        (_, Err(_)) => None,
        (recorded, Ok(answered)) => Some(compare(recorded, &answered)),
    };
    let equal =
        |distance: &Distance| distance.values == 0 || distance.largest.is_some_and(|largest| largest <= tolerance);
    let result = match &distance {
        None => "failed",
        Some(distance) if equal(distance) => "equal",
        Some(_) => "differs",
    };
    let distance = distance.unwrap_or_default();
    wire::Replayed {
        id: recorded.id,
        request_id: recorded.request_id,
        recorded_version: recorded.version,
        result: result.to_owned(),
        values: distance.values,
        largest: distance.largest.filter(|_| distance.values > 0),
        place: distance.place,
        message,
        recorded_ms: millis(recorded.took),
        replayed_ms,
    }
}

fn compare(recorded: &Answered, answered: &Answered) -> Distance {
    match (recorded, answered) {
        (Answered::Tensors(ours), Answered::Tensors(theirs)) => difference::of_tensors(ours, theirs),
        (Answered::Body(ours), Answered::Body(theirs)) => {
            difference::of_bodies((ours.status, &ours.body), (theirs.status, &theirs.body))
        }
        // One has an answer where the other failed, or another kind of answer.
        _ => Distance { values: 1, largest: None, place: Some("answer".to_owned()) },
    }
}

fn report(
    service: &ServiceName,
    version: &VersionName,
    skipped: usize,
    requests: Vec<wire::Replayed>,
) -> wire::ReplayReport {
    let count = |result: &str| requests.iter().filter(|request| request.result == result).count();
    let mean = |time: fn(&wire::Replayed) -> f64| {
        (!requests.is_empty()).then(|| requests.iter().map(time).sum::<f64>() / requests.len() as f64)
    };
    wire::ReplayReport {
        service: service.to_string(),
        version: version.to_string(),
        replayed: requests.len(),
        equal: count("equal"),
        differing: count("differs"),
        failed: count("failed"),
        skipped,
        largest: requests.iter().filter_map(|request| request.largest).reduce(f64::max),
        recorded_mean_ms: mean(|request| request.recorded_ms),
        replayed_mean_ms: mean(|request| request.replayed_ms),
        notes: Vec::new(),
        requests,
    }
}

fn listed(recorded: &Recorded) -> wire::Recording {
    let names = |tensors: &NamedTensors| tensors.iter().map(|named| &*named.name).collect::<Vec<_>>().join(",");
    wire::Recording {
        id: recorded.id.clone(),
        request_id: recorded.request_id.clone(),
        time_ms: recorded.time.as_millis() as u64,
        version: recorded.version.clone(),
        request: match &recorded.asked {
            Asked::Body(request) => format!("{} {}", request.method, request.path),
            Asked::Tensors(request) => names(&request.inputs),
        },
        answer: match &recorded.answered {
            Answered::Body(answer) => answer.status.to_string(),
            Answered::Tensors(outputs) => names(outputs),
            Answered::Failed(kind) => kind.clone(),
        },
        request_bytes: recorded.asked.bytes() as u64,
        answer_bytes: recorded.answered.bytes() as u64,
        took_ms: millis(recorded.took),
    }
}

fn shown(recorded: &Recorded) -> wire::RecordingShown {
    let (query, content_type, asked) = match &recorded.asked {
        Asked::Body(request) => (Some(request.query.clone()), request.content_type.clone(), vec![body(&request.body)]),
        Asked::Tensors(request) => (None, None, tensors(&request.inputs)),
    };
    let answered = match &recorded.answered {
        Answered::Body(answer) => vec![body(&answer.body)],
        Answered::Tensors(outputs) => tensors(outputs),
        Answered::Failed(_) => Vec::new(),
    };
    let headers = recorded.headers.clone();
    wire::RecordingShown { recording: listed(recorded), headers, query, content_type, asked, answered }
}

fn body(bytes: &[u8]) -> wire::Part {
    let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
    let base64 = text.is_none().then(|| encoded(bytes));
    wire::Part { name: "body".to_owned(), dtype: None, shape: None, text, base64 }
}

fn tensors(tensors: &NamedTensors) -> Vec<wire::Part> {
    let part = |named: &scorehost_core::NamedTensor| wire::Part {
        name: named.name.to_string(),
        dtype: Some(named.tensor.dtype().name().to_owned()),
        shape: Some(named.tensor.shape().to_vec()),
        text: None,
        base64: Some(encoded(named.tensor.data())),
    };
    tensors.iter().map(part).collect()
}

fn encoded(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
