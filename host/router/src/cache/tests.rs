#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::SystemTime;

use scorehost_core::{DType, Shape};

use super::*;

/// Time that is moved by hand.
struct Hands(Instant, AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Instant {
        self.0 + Duration::from_millis(self.1.load(Relaxed))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

fn hands() -> Arc<Hands> {
    Arc::new(Hands(Instant::now(), AtomicU64::new(0)))
}

fn answers(max_bytes: u64) -> Answers {
    Answers::new(ResponseCache { max_bytes, keep_for: None }, hands())
}

fn tensor(dtype: DType, shape: &[u64], data: &[u8]) -> Tensor {
    Tensor::new(dtype, Shape::from_slice(shape), Bytes::copy_from_slice(data)).unwrap()
}

fn request(name: &str, tensor: Tensor, outputs: &[&str]) -> InferRequest {
    let outputs = outputs.iter().map(|name| Arc::from(*name)).collect();
    InferRequest { inputs: vec![NamedTensor::new(name, tensor)], outputs }
}

fn keep(answers: &Answers, request: &InferRequest, value: u8) {
    let miss = answers.infer(request).err().unwrap();
    let outputs = vec![NamedTensor::new("y", tensor(DType::U8, &[1], &[value]))];
    let mut response = InferResponse { outputs, cached: None };
    answers.keep_tensors(&miss, &mut response);
    assert_eq!(response.cached, Some(false));
}

fn value(answers: &Answers, request: &InferRequest) -> Option<u8> {
    let answer = answers.infer(request).ok()?;
    assert_eq!(answer.cached, Some(true));
    Some(answer.outputs[0].tensor.data()[0])
}

#[test]
fn a_request_with_the_same_content_gets_the_kept_answer_and_no_other_one_does() {
    let answers = answers(1 << 20);
    let of = |name: &str, dtype, shape: &[u64], data: &[u8], outputs: &[&str]| {
        request(name, tensor(dtype, shape, data), outputs)
    };
    let different = [
        of("x", DType::U8, &[4], &[1, 2, 3, 4], &[]),
        of("x", DType::U8, &[4], &[1, 2, 3, 5], &[]),
        of("x", DType::U8, &[2, 2], &[1, 2, 3, 4], &[]),
        of("x", DType::I8, &[4], &[1, 2, 3, 4], &[]),
        of("x", DType::F32, &[1], &[1, 2, 3, 4], &[]),
        of("z", DType::U8, &[4], &[1, 2, 3, 4], &[]),
        of("x", DType::U8, &[4], &[1, 2, 3, 4], &["y"]),
        of("x", DType::U8, &[4], &[1, 2, 3, 4], &["y", "z"]),
    ];
    for (number, request) in (0..).zip(&different) {
        keep(&answers, request, number);
    }
    for (number, request) in (0..).zip(&different) {
        assert_eq!(value(&answers, request), Some(number));
    }
    let signals = answers.signals();
    assert_eq!((signals.hits, signals.misses), (8, 8));
}

#[test]
fn an_answer_ends_with_its_time() {
    let hands = hands();
    let limits = ResponseCache { max_bytes: 1 << 20, keep_for: Some(Duration::from_millis(10)) };
    let answers = Answers::new(limits, Arc::clone(&hands) as _);
    let request = request("x", tensor(DType::U8, &[1], &[1]), &[]);
    keep(&answers, &request, 7);
    hands.1.store(9, Relaxed);
    assert_eq!(value(&answers, &request), Some(7));
    hands.1.store(10, Relaxed);
    assert_eq!(value(&answers, &request), None);
}

#[test]
fn the_bytes_of_all_answers_are_bounded_and_one_that_is_too_large_is_not_kept() {
    let answers = answers(10_000);
    for number in 0..200 {
        keep(&answers, &request("x", tensor(DType::U8, &[1], &[number]), &[]), number);
    }
    answers.kept.run_pending_tasks();
    let signals = answers.signals();
    assert!(signals.bytes <= 10_000 && signals.entries > 0, "{signals:?}");
    let large = request("x", tensor(DType::U8, &[2], &[1, 1]), &[]);
    let miss = answers.infer(&large).err().unwrap();
    let outputs = vec![NamedTensor::new("y", tensor(DType::U8, &[10_000], &[0; 10_000]))];
    answers.keep_tensors(&miss, &mut InferResponse { outputs, cached: None });
    assert_eq!(value(&answers, &large), None);
}

#[test]
fn bodies_are_kept_by_all_that_a_script_is_given_and_only_where_it_succeeded() {
    let answers = answers(1 << 20);
    let plain = RawRequest {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        body: Bytes::from_static(b"ab"),
        content_type: None,
    };
    let different = [
        plain.clone(),
        RawRequest { method: "GET".to_owned(), ..plain.clone() },
        RawRequest { path: "/x".to_owned(), ..plain.clone() },
        RawRequest { query: "a=b".to_owned(), ..plain.clone() },
        RawRequest { content_type: Some(String::new()), ..plain.clone() },
        RawRequest { body: Bytes::from_static(b"a"), ..plain.clone() },
    ];
    let answer = |status, body: String| RawResponse { status, headers: Vec::new(), body: body.into() };
    for (number, request) in different.iter().enumerate() {
        let miss = answers.score(request).err().unwrap();
        let response = answers.keep_body(&miss, answer(200, number.to_string()));
        assert_eq!(response.headers, [(HEADER.to_owned(), "miss".to_owned())]);
    }
    for (number, request) in different.iter().enumerate() {
        let kept = answers.score(request).ok().unwrap();
        assert_eq!((kept.body, kept.headers[0].1.as_str()), (Bytes::from(number.to_string()), "hit"));
    }
    let failing = RawRequest { body: Bytes::from_static(b"?"), ..plain };
    let miss = answers.score(&failing).err().unwrap();
    answers.keep_body(&miss, answer(400, "no".to_owned()));
    assert!(answers.score(&failing).is_err());
}
