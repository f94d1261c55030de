#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::{Asked, NamedTensor, Plane, ServiceName, SystemClock, Tensor, Traffic, VersionName};
use scorehost_telemetry::ComparisonSnapshot;

use super::*;
use crate::Router;
use crate::fakes::{Does, Fake};

/// A service whose version "1" answers, and whose version "2" gets copies.
struct Stage {
    router: Router,
    comparisons: Arc<Comparisons>,
    shadow: Arc<Fake>,
    name: ServiceName,
}

impl Stage {
    fn new(percent: f64, answering: Does, shadow: Does) -> Self {
        let (comparisons, name): (Arc<Comparisons>, ServiceName) = (Arc::default(), "ant".parse().unwrap());
        let mirror = Mirror::new(Handle::current(), Arc::new(SystemClock), Arc::clone(&comparisons));
        let router = Router::with_mirror(mirror);
        let copies = Some(Shadow { version: "2".parse().unwrap(), percent });
        router.set_endpoint(&name, &Traffic { shadow: copies, ..Traffic::all_to(VersionName::first()) });
        let shadow = Fake::new("ant", "2", shadow);
        router.put(Fake::new("ant", "1", answering));
        router.put(Arc::clone(&shadow) as _);
        Self { router, comparisons, shadow, name }
    }

    async fn infer(&self) -> Result<f32, Failure> {
        let service = self.router.route("ant", &Asked::default())?.service;
        let x = Tensor::from_f32([2u64].as_slice(), &[1.0, 5.0]).unwrap();
        let request = InferRequest { inputs: vec![NamedTensor::new("x", x)], outputs: vec![] };
        let answer = service.infer(request, CallContext::new("r")).await?;
        Ok(f32::from_le_bytes(answer.outputs[0].tensor.data()[..4].try_into().unwrap()))
    }

    /// Lets every copy come as far as it can.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn seen(&self) -> ComparisonSnapshot {
        self.comparisons.snapshot_of(&self.name).pop().expect("copies were made")
    }
}

#[tokio::test(start_paused = true)]
async fn the_caller_gets_the_answer_of_its_own_version_and_the_difference_is_counted() {
    let stage = Stage::new(100.0, Does::Add(1.0), Does::Add(1.5));
    for _ in 0..10 {
        assert_eq!(stage.infer().await.unwrap(), 2.0);
        stage.settle().await;
    }
    let seen = stage.seen();
    assert_eq!((&*seen.version, &*seen.with, seen.copied, seen.differing, seen.equal), ("2", "1", 10, 10, 0));
    assert_eq!((seen.largest_difference, seen.mean_difference), (Some(0.5), Some(0.5)));
    assert_eq!((stage.shadow.asked(), stage.shadow.low()), (10, 10), "copies come after all other requests");
}

#[tokio::test(start_paused = true)]
async fn the_percentage_is_copied() {
    let stage = Stage::new(25.0, Does::Add(0.0), Does::Add(0.0));
    for _ in 0..1000 {
        stage.infer().await.unwrap();
        stage.settle().await;
    }
    assert!((240..=260).contains(&stage.shadow.asked()), "{}", stage.shadow.asked());
    assert_eq!(stage.seen().equal, stage.shadow.asked() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_hangs_holds_up_nobody_and_is_bounded() {
    let stage = Stage::new(100.0, Does::Add(1.0), Does::Hang);
    let began = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(stage.infer().await.unwrap(), 2.0);
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "no request waited");
    stage.settle().await;
    let seen = stage.seen();
    assert_eq!((seen.copied, seen.dropped), (MAX_COPIES as u64, 100 - MAX_COPIES as u64));
    assert_eq!(stage.shadow.asked(), MAX_COPIES);

    tokio::time::sleep(LONGEST + Duration::from_secs(1)).await;
    assert_eq!(stage.seen().failed, MAX_COPIES as u64, "copies have a deadline");
    stage.infer().await.unwrap();
    assert_eq!(stage.seen().copied, MAX_COPIES as u64 + 1, "and give their places back");
}

#[tokio::test(start_paused = true)]
async fn a_shadow_that_fails_or_panics_is_counted_and_leaves_the_caller_alone() {
    for does in [Does::Fail(ErrorKind::ScorerFault), Does::Panic] {
        let stage = Stage::new(100.0, Does::Add(1.0), does);
        assert_eq!(stage.infer().await.unwrap(), 2.0);
        stage.settle().await;
        let seen = stage.seen();
        assert_eq!((seen.copied, seen.failed, seen.equal + seen.differing), (1, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_failed_is_copied_and_compared_with_nothing() {
    let stage = Stage::new(100.0, Does::Fail(ErrorKind::ScorerFault), Does::Add(0.0));
    assert_eq!(stage.infer().await.unwrap_err().kind, ErrorKind::ScorerFault);
    stage.settle().await;
    let seen = stage.seen();
    assert_eq!((seen.copied, seen.equal + seen.differing + seen.failed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_service_gets_no_copies_on_top() {
    let stage = Stage::new(100.0, Does::Fail(ErrorKind::Overloaded), Does::Add(0.0));
    stage.infer().await.unwrap_err();
    stage.settle().await;
    assert_eq!(stage.shadow.asked(), 0);
    assert!(stage.comparisons.snapshot().is_empty());
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_shadow_itself_are_not_copied() {
    let stage = Stage::new(100.0, Does::Add(0.0), Does::Add(0.0));
    let asked = Asked { version: Some("2"), ..Asked::default() };
    let service = stage.router.route("ant", &asked).unwrap().service;
    service.infer(InferRequest::default(), CallContext::new("r")).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.shadow.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn bodies_are_compared_as_they_are() {
    let stage = Stage::new(100.0, Does::Add(1.0), Does::Add(2.0));
    let service = stage.router.route("ant", &Asked::default()).unwrap().service;
    let request = RawRequest {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        body: "a".into(),
        content_type: None,
    };
    let answer = service.score(request, CallContext::new("r")).await.unwrap();
    assert_eq!(&*answer.body, b"a1");
    stage.settle().await;
    let seen = stage.seen();
    assert_eq!((seen.differing, seen.largest_difference), (1, None));
}
