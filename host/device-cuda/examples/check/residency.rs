//! Values that stay on the GPU between two models: the same answers as by way of the host, counted while they live.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use scorehost_core::{Graph, NamedTensor, NamedValue, NamedValues, OutputSet, Precision, TensorSpec, Value};
use scorehost_device_cuda::Cuda;

use crate::conformance::field;
use crate::inputs::{distance, random, shapes};
use crate::{load, open};

const KEEP: OutputSet = OutputSet::NONE.with(0);
/// Of two ways to one answer.
const APART: f64 = 1e-5;
const WINDOW: Duration = Duration::from_millis(500);

fn number(number: u8, value: u64) -> Vec<u8> {
    let mut bytes = vec![number << 3];
    prost::encoding::encode_varint(value, &mut bytes);
    bytes
}

/// A model in ONNX's form that takes the softmax of an output of another one.
fn softmax(of: &TensorSpec) -> Bytes {
    let dim = |(d, size): (usize, &i64)| {
        let size = u64::try_from(*size).map_or_else(|_| field(2, format!("d{d}").as_bytes()), |size| number(1, size));
        field(1, &size)
    };
    let shape: Vec<u8> = of.shape.iter().enumerate().flat_map(dim).collect();
    let kind = field(2, &field(1, &[number(1, 1), field(2, &shape)].concat()));
    let port = |name: &str| [field(1, name.as_bytes()), kind.clone()].concat();
    let node = [field(1, b"x"), field(2, b"y"), field(3, b"softmax"), field(4, b"Softmax")].concat();
    let graph = [field(1, &node), field(2, b"after"), field(11, &port("x")), field(12, &port("y"))].concat();
    [number(1, 8), field(8, &number(2, 17)), field(7, &graph)].concat().into()
}

/// Two models of which the second takes the first's output.
struct Chain {
    first: Arc<dyn Graph>,
    second: Arc<dyn Graph>,
}

impl Chain {
    /// One output of one call, by way of the host or of the device's memory.
    fn run(&self, inputs: &[NamedValue], keep: OutputSet) -> Value {
        let middle = self.first.run_calls(&[inputs], &[0], keep, None).unwrap().remove(0).value;
        assert_eq!(middle.memory().is_some(), keep.has(0), "where the value between the models is");
        self.second.run_calls(&[&as_input(middle)], &[0], keep, None).unwrap().remove(0).value
    }
}

fn as_input(value: Value) -> NamedValues {
    vec![NamedValue { name: "x".into(), value }]
}

fn apart(a: &Value, b: &Value) -> f64 {
    distance(&a.fetch().unwrap(), &b.fetch().unwrap())
}

fn told(right: bool, what: &str) -> usize {
    println!("{} residency: {what}", if right { "ok  " } else { "FAIL" });
    usize::from(!right)
}

/// Returns the failures.
pub(crate) fn run(path: &str, dims: &[&str]) -> usize {
    let cuda = open(None);
    let first = load(&cuda, path, Precision::F32, true).unwrap();
    let inputs = |batch: u64, seed: u64| -> NamedValues {
        random(first.signature(), &shapes(dims, batch), seed).into_iter().map(NamedValue::from).collect()
    };
    let kept = first.run_calls(&[&inputs(1, 1)], &[0], KEEP, None).unwrap().remove(0).value;
    let Value::Device(value) = &kept else { return told(false, "an output that may stay has not stayed") };
    let after = softmax(&first.signature().outputs[0]);
    let fresh = || Chain { first: Arc::clone(&first) as Arc<dyn Graph>, second: value.memory().load(&after).unwrap() };
    let chain = fresh();
    let failures = alike(&chain, &inputs) + together(&chain, &inputs) + mixed(&chain, &inputs);
    let failures = failures + counted(&cuda, &fresh(), &inputs(4, 4));
    time(&chain, &inputs(8, 8));
    drop((chain, kept));
    drop(first);
    let left = cuda.states()[0].used_bytes;
    failures
        + told(left == 0, &format!("{left} bytes are in use when all graphs and values are gone"))
        + full(path, dims)
}

fn alike(chain: &Chain, inputs: &dyn Fn(u64, u64) -> NamedValues) -> usize {
    let worst = [1, 3, 9, 32].map(|batch| {
        let inputs = inputs(batch, batch);
        apart(&chain.run(&inputs, KEEP), &chain.run(&inputs, OutputSet::NONE))
    });
    let worst = worst.into_iter().fold(0.0, f64::max);
    told(
        worst <= APART,
        &format!("two models in a row answer as by way of the host, memory poisoned: relative error {worst:.1e}"),
    )
}

/// Calls that run as one, with inputs on the device (a part of a value among them) and on the host.
fn together(chain: &Chain, inputs: &dyn Fn(u64, u64) -> NamedValues) -> usize {
    let middle =
        |batch, seed, keep| chain.first.run_calls(&[&inputs(batch, seed)], &[0], keep, None).unwrap().remove(0).value;
    let calls = [
        as_input(middle(4, 1, KEEP).rows(1, 4).unwrap()),
        as_input(middle(2, 2, OutputSet::NONE)),
        as_input(middle(1, 3, KEEP)),
    ];
    let all: Vec<&[NamedValue]> = calls.iter().map(Vec::as_slice).collect();
    let joined = chain.second.run_calls(&all, &[0], KEEP, None).unwrap().remove(0).value;
    let worst = calls.iter().zip([(0, 3), (3, 5), (5, 6)]).map(|(call, (start, end))| {
        let host = [NamedTensor::new("x", call[0].value.fetch().unwrap())];
        let alone = chain.second.run(&host, &[0]).unwrap().remove(0).tensor;
        distance(&joined.rows(start, end).unwrap().fetch().unwrap(), &alone)
    });
    let worst = worst.fold(0.0, f64::max);
    told(worst <= APART, &format!("three calls as one, from device and host: relative error {worst:.1e}"))
}

fn mixed(chain: &Chain, inputs: &dyn Fn(u64, u64) -> NamedValues) -> usize {
    let calls: Vec<_> = (0..64)
        .map(|call| {
            let inputs = inputs(1 + call % 5, 100 + call);
            let expected = chain.run(&inputs, OutputSet::NONE);
            (inputs, expected)
        })
        .collect();
    let (next, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((inputs, expected)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let right = apart(&chain.run(inputs, KEEP), expected) <= APART;
                    wrong.fetch_add(usize::from(!right), Ordering::Relaxed);
                }
            });
        }
    });
    let wrong = wrong.into_inner();
    told(wrong == 0, &format!("64 mixed chains from 16 threads: {wrong} wrong"))
}

/// Six values count while they live; at most four of their allocations are kept for later ones.
fn counted(cuda: &Cuda, chain: &Chain, inputs: &[NamedValue]) -> usize {
    let used = || cuda.states()[0].used_bytes;
    let one = chain.run(inputs, KEEP);
    let (size, before) = (one.byte_len().next_multiple_of(256), used());
    let values: Vec<Value> = (0..5).map(|_| chain.run(inputs, KEEP)).collect();
    let during = used() - before;
    drop((one, values));
    let after = (used() + size).abs_diff(before) / size;
    told(
        during == 5 * size && after == 4,
        &format!("a value counts {size} bytes: five more {during}, {after} of six spare afterwards"),
    )
}

/// A quarter of the memory holds values; what does not fit goes to the host.
fn full(path: &str, dims: &[&str]) -> usize {
    let limit = std::fs::metadata(path).unwrap().len() * 2 + (256 << 20);
    let cuda = open(Some(limit));
    let graph = load(&cuda, path, Precision::F32, false).unwrap();
    let inputs: NamedValues =
        random(graph.signature(), &shapes(dims, 8), 1).into_iter().map(NamedValue::from).collect();
    let one = || graph.run_calls(&[&inputs], &[0], KEEP, None).unwrap().remove(0).value;
    // As many as would take all of that quarter and some more, but not for ever.
    let first = one();
    let wanted = (limit / 4 / first.byte_len() + 8).min(5000);
    let kept: Vec<Value> = (0..wanted).map(|_| one()).collect();
    let on_device = 1 + kept.iter().filter(|value| value.memory().is_some()).count() as u64;
    let most = limit / 4 / first.byte_len();
    let right = on_device == most.min(wanted + 1) && kept.last().is_some_and(|last| apart(last, &first) <= APART);
    told(
        right,
        &format!("{on_device} of {} values stay in a quarter of {limit} bytes, the others are the host's", wanted + 1),
    )
}

fn time(chain: &Chain, inputs: &[NamedValue]) {
    let median = |keep| {
        let mut times = Vec::new();
        let started = Instant::now();
        while started.elapsed() < WINDOW {
            let call = Instant::now();
            chain.run(inputs, keep).fetch().unwrap();
            times.push(call.elapsed());
        }
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    let (host, device) = (median(OutputSet::NONE), median(KEEP));
    println!(
        "served chain of two models, batch 8, memory poisoned: p50 {host:.3} ms by way of the host, {device:.3} ms on the device"
    );
}
