#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use scorehost_core::{Headers, NamedTensor, Tensor};

use super::*;

/// A clock whose wall time moves a second with every look.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + self.0.fetch_add(1, Relaxed))
    }
}

struct Given(Vec<(&'static str, &'static str)>);

impl Headers for Given {
    fn first(&self, _name: &str) -> Option<&str> {
        None
    }

    fn all(&self) -> Vec<(&str, &str)> {
        self.0.clone()
    }
}

const LONG: Duration = Duration::from_secs(30);

fn start(folder: &std::path::Path) -> Arc<Recorder> {
    Recorder::start(folder.into(), Arc::new(Ticking(AtomicU64::new(0)))).unwrap()
}

fn service(recorder: &Arc<Recorder>, recording: Recording) -> Arc<ServiceRecorder> {
    let mut spec = ServiceSpec::new("echo".parse().unwrap());
    spec.recording = Some(recording);
    recorder.service(&spec).unwrap()
}

fn all() -> Recording {
    Recording { sample: 1.0, max_requests: 100, max_body: 1000 }
}

fn raw(body: &'static [u8]) -> RawRequest {
    RawRequest {
        method: "POST".into(),
        path: "/a".into(),
        query: "b=c".into(),
        body: Bytes::from_static(body),
        content_type: None,
    }
}

fn answer(body: &'static [u8]) -> RawResponse {
    RawResponse {
        status: 201,
        headers: vec![("content-type".into(), "text/plain".into())],
        body: Bytes::from_static(body),
    }
}

fn record(service: &ServiceRecorder, id: &str, body: &'static [u8], answered: Result<RawResponse, Failure>) {
    if let Some(begun) = service.score(&raw(body), &CallContext::new(id)) {
        service.scored(begun, &answered);
    }
}

#[test]
fn a_request_reads_back_whole_and_without_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = start(folder.path());
    let service = service(&recorder, all());
    let tensor =
        |values: &[f32]| NamedTensor::new("x", Tensor::from_f32([values.len() as u64].as_slice(), values).unwrap());
    let request = InferRequest { inputs: vec![tensor(&[1.0, f32::NAN])], outputs: vec!["y".into()] };
    let headers = Given(vec![
        ("Authorization", "Bearer secret"),
        ("X-Api-Key", "secret"),
        ("cookie", "secret"),
        ("x-my-token", "secret"),
        ("content-length", "9"),
        ("X-Customer", "7"),
    ]);
    let call = CallContext { headers: Some(Arc::new(headers)), ..CallContext::new("r1") };
    let begun = service.infer(&request, &call).unwrap();
    service.inferred(begun, &Ok(InferResponse { outputs: vec![tensor(&[3.0])], cached: None }));
    recorder.flush(LONG);
    let name: ServiceName = "echo".parse().unwrap();
    let ids = recorder.ids(&name);
    let recorded = recorder.get(&name, &ids[0]).unwrap().unwrap();
    assert_eq!((recorded.request_id.as_str(), recorded.version.as_str()), ("r1", "1"));
    assert_eq!(recorded.headers, [("X-Customer".to_owned(), "7".to_owned())]);
    let Asked::Tensors(asked) = &recorded.asked else { panic!("{recorded:?}") };
    assert_eq!((asked.inputs[0].tensor.data(), &*asked.outputs[0]), (request.inputs[0].tensor.data(), "y"));
    let Answered::Tensors(answered) = &recorded.answered else { panic!("{recorded:?}") };
    assert_eq!(answered[0].tensor.data(), tensor(&[3.0]).tensor.data());
    let file = std::fs::read(folder.path().join(format!("echo/{}.recording", ids[0]))).unwrap();
    assert!(!file.windows(6).any(|window| window == b"secret"));
}

#[test]
fn the_oldest_go_and_the_rest_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = start(folder.path());
    let kept = service(&recorder, Recording { max_requests: 3, ..all() });
    for id in ["a", "b", "c", "d", "e"] {
        record(&kept, id, b"{}", Ok(answer(b"1")));
    }
    recorder.flush(LONG);
    std::fs::write(folder.path().join("echo/9-9.unfinished"), "half").unwrap();
    let recorder = start(folder.path());
    let name: ServiceName = "echo".parse().unwrap();
    let ids = recorder.ids(&name);
    let requests: Vec<_> = ids.iter().map(|id| recorder.get(&name, id).unwrap().unwrap().request_id).collect();
    assert_eq!(requests, ["e", "d", "c"]);
    assert_eq!(std::fs::read_dir(folder.path().join("echo")).unwrap().count(), 3);
    assert_eq!(recorder.remove(&name, Some(&ids[1])).unwrap(), 1);
    assert!(recorder.get(&name, &ids[1]).unwrap().is_none());
    assert_eq!(recorder.remove(&name, None).unwrap(), 2);
    assert!(!folder.path().join("echo").exists());
}

#[test]
fn what_is_too_large_or_says_nothing_of_the_version_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = start(folder.path());
    let kept = service(&recorder, Recording { max_body: 4, ..all() });
    record(&kept, "large", b"12345", Ok(answer(b"1")));
    record(&kept, "large answer", b"1", Ok(answer(b"12345")));
    record(&kept, "overloaded", b"1", Err(Failure::new(ErrorKind::Overloaded, "no")));
    record(&kept, "fault", b"1", Err(Failure::new(ErrorKind::ScorerFault, "no")));
    recorder.flush(LONG);
    let name: ServiceName = "echo".parse().unwrap();
    let ids = recorder.ids(&name);
    assert_eq!(ids.len(), 1);
    let recorded = recorder.get(&name, &ids[0]).unwrap().unwrap();
    assert!(matches!(recorded.answered, Answered::Failed(kind) if kind == "scorer_fault"));
    assert_eq!(recorder.counts(), OutboxCounts { sent: 1, dropped: 2, failed: 0 });
}

#[test]
fn names_of_files_are_not_ids() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = start(folder.path());
    std::fs::write(folder.path().join("other.recording"), "x").unwrap();
    assert!(recorder.get(&"echo".parse().unwrap(), "../other").unwrap().is_none());
}

#[test]
fn a_file_that_was_cut_or_changed_is_found_out() {
    let recorded = Recorded {
        id: "1-0".into(),
        service: "echo".parse().unwrap(),
        version: "1".into(),
        request_id: "r".into(),
        time: Duration::from_millis(5),
        took: Duration::from_micros(7),
        headers: vec![("a".into(), "b".into())],
        asked: Asked::Body(raw(b"in")),
        answered: Answered::Body(answer(b"out")),
    };
    let file = Bytes::from(recorded.encode());
    let again = Recorded::decode(&file).unwrap();
    assert_eq!((again.took, again.time, &again.headers), (recorded.took, recorded.time, &recorded.headers));
    for cut in 0..file.len() {
        assert!(Recorded::decode(&file.slice(..cut)).is_err(), "cut at {cut}");
    }
    assert_eq!(Recorded::decode(&Bytes::from_static(b"scorehost-recording 2 2\n{}")).unwrap_err(), Flaw::Format);
    let more = [&file[..], b"x"].concat();
    assert!(matches!(Recorded::decode(&more.into()).unwrap_err(), Flaw::Length { .. }));
}
