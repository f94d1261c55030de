//! Values that stay on the device from one call to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorehost_core::{
    Copied, DType, ErrorKind, Graph, NamedTensor, NamedValue, NamedValues, OutputSet, Shape, Tensor, Value,
};
use scorehost_device::{Accelerator, ModelSource};
use scorehost_device_opencl::{OpenClGpus, OpenClGraph};
use scorehost_graph::Model;
use scorehost_plan::Style;

use crate::inputs::{Random, random};
use crate::{devices, encode, open, options, perceptron};

const ALL: OutputSet = OutputSet::NONE.with(0);

/// 64 numbers to 64 numbers: what comes before the perceptron.
fn mixer(gpus: &OpenClGpus) -> Arc<OpenClGraph> {
    let mut seeded = Random::new(3);
    let weights: Vec<f32> =
        (0..64 * 64).map(|_| ((seeded.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.3).collect();
    let constants = [encode::tensor("w", &[64, 64], &weights)];
    let bytes = encode::model(64, 64, &[(&["x", "w"], "p", "MatMul"), (&["p"], "y", "Tanh")], &constants);
    gpus.load(0, &Model::read(bytes.into(), None).unwrap(), options(Style::Cores)).unwrap()
}

fn values(tensors: Vec<NamedTensor>) -> NamedValues {
    tensors.into_iter().map(NamedValue::from).collect()
}

fn rows(graph: &dyn Graph, rows: u64, seed: u64) -> NamedValues {
    values(random(graph.signature(), &[Shape::from_slice(&[rows, 64])], seed))
}

/// One output of one call.
fn run(graph: &dyn Graph, inputs: &[NamedValue], keep: OutputSet) -> Value {
    graph.run_calls(&[inputs], &[0], keep, None).unwrap().remove(0).value
}

fn as_input(value: Value) -> NamedValues {
    vec![NamedValue { name: "x".into(), value }]
}

/// The bits of a tensor of the host's.
fn bits(value: &Value) -> (Vec<u64>, Vec<u8>) {
    let tensor = value.fetch().unwrap();
    (tensor.shape().to_vec(), tensor.data().to_vec())
}

#[test]
fn two_models_in_a_row_answer_as_by_way_of_the_host() {
    let Some(gpus) = devices() else { return };
    let (first, (second, _)) = (mixer(gpus), perceptron(gpus, Style::Cores));
    // 9 rows are filled up to 10, and what fills up must not be seen.
    for count in [1, 3, 9, 64] {
        let inputs = rows(&*first, count, count);
        let (host, kept) = (run(&*first, &inputs, OutputSet::NONE), run(&*first, &inputs, ALL));
        assert_eq!((host.memory(), kept.memory()), (None, first.memory().as_ref()));
        assert_eq!((kept.shape(), kept.byte_len()), (&[count, 64][..], count * 256));
        let by_host = run(&*second, &as_input(host.clone()), OutputSet::NONE);
        let on_device = run(&*second, &as_input(kept.clone()), OutputSet::NONE);
        assert_eq!(bits(&on_device), bits(&by_host), "{count} rows");
        assert_eq!(bits(&kept), bits(&host));
    }
}

#[test]
fn a_value_that_stays_is_not_copied_through_the_host() {
    // Copies are counted by process, and this test has one of its own where nextest runs it.
    let Some(gpus) = devices() else { return };
    let (first, (second, _)) = (mixer(gpus), perceptron(gpus, Style::Cores));
    let inputs = rows(&*first, 8, 1);
    run(&*second, &as_input(run(&*first, &inputs, ALL)), OutputSet::NONE);
    let before = (Copied::ToDevice.total(), Copied::Result.total());
    let kept = run(&*first, &inputs, ALL);
    run(&*second, &as_input(kept), OutputSet::NONE);
    let copied = (Copied::ToDevice.total() - before.0, Copied::Result.total() - before.1);
    // 8 rows of 64 numbers in, 8 rows of 10 out.
    assert_eq!(copied, (8 * 256, 8 * 40));
}

#[test]
fn calls_run_as_one_wherever_their_inputs_are() {
    let Some(gpus) = devices() else { return };
    let (first, (second, _)) = (mixer(gpus), perceptron(gpus, Style::Cores));
    let kept = run(&*first, &rows(&*first, 4, 1), ALL);
    let calls =
        [as_input(kept.rows(1, 4).unwrap()), rows(&*second, 2, 2), as_input(run(&*first, &rows(&*first, 1, 3), ALL))];
    let together: Vec<&[NamedValue]> = calls.iter().map(Vec::as_slice).collect();
    let joined = second.run_calls(&together, &[0], ALL, None).unwrap().remove(0).value;
    assert_eq!(joined.shape(), [6, 10]);
    for (call, (start, end)) in calls.iter().zip([(0, 3), (3, 5), (5, 6)]) {
        let alone = run(&*second, call, OutputSet::NONE).fetch().unwrap();
        let piece = joined.rows(start, end).unwrap().fetch().unwrap();
        // The rows of a product may be summed in another order in a batch of another size.
        assert!(crate::inputs::distance(&piece, &alone) < 1e-6, "rows {start} to {end}");
    }
}

#[test]
fn values_count_as_device_memory_for_as_long_as_they_live() {
    let Some(gpus) = open(Some(4 << 20), true) else { return };
    let graph = mixer(&gpus);
    let inputs = rows(&*graph, 256, 1);
    drop(run(&*graph, &inputs, OutputSet::NONE));
    let used = || gpus.loads()[0].used_bytes;
    let before = used();
    // 64 KiB each; a quarter of 4 MiB may stay.
    let kept: Vec<Value> = (0..20).map(|_| run(&*graph, &inputs, ALL)).collect();
    let on_device = kept.iter().filter(|value| value.memory().is_some()).count();
    assert_eq!((on_device, used() - before), (16, 1 << 20), "the others go to the host's memory");
    let expected = bits(&run(&*graph, &inputs, OutputSet::NONE));
    assert!(kept.iter().all(|value| bits(value) == expected));
    let rest = kept[0].rows(255, 256).unwrap();
    drop(kept);
    assert_eq!(
        used() - before,
        5 * (64 << 10),
        "a row keeps the whole of which it is a part, and four are at hand for the next"
    );
    let again: Vec<Value> = (0..4).map(|_| run(&*graph, &inputs, ALL)).collect();
    assert_eq!(used() - before, 5 * (64 << 10));
    drop(again);
    drop((rest, graph));
    assert_eq!(used(), 0);
}

#[test]
fn values_of_another_device_come_through_the_host() {
    let (Some(gpus), Some(others)) = (devices(), open(None, true)) else { return };
    // The same processor opened twice: two contexts, whose memory is not each other's.
    let (first, (second, _)) = (mixer(gpus), perceptron(&others, Style::Cores));
    let kept = run(&*first, &rows(&*first, 2, 1), ALL);
    let by_host = run(&*second, &as_input(kept.fetch().unwrap().into()), OutputSet::NONE);
    assert_eq!(bits(&run(&*second, &as_input(kept), OutputSet::NONE)), bits(&by_host));
}

#[test]
fn a_value_of_another_type_or_name_is_refused() {
    let Some(gpus) = devices() else { return };
    let (first, (second, _)) = (mixer(gpus), perceptron(gpus, Style::Cores));
    let kept = run(&*first, &rows(&*first, 1, 1), ALL);
    let named = NamedValue { name: "z".into(), value: kept };
    let failure = second.run_calls(&[&[named]], &[0], OutputSet::NONE, None).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidInput, "{failure}");
    let bytes = Tensor::new(DType::U8, [1u64, 64].as_slice(), vec![0; 64].into()).unwrap();
    let failure = second.run_calls(&[&as_input(bytes.into())], &[0], OutputSet::NONE, None).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidInput, "{failure}");
}

#[test]
fn a_graph_can_be_loaded_beside_a_value() {
    let Some(gpus) = devices() else { return };
    let first = mixer(gpus);
    let kept = run(&*first, &rows(&*first, 2, 1), ALL);
    let Value::Device(value) = &kept else { panic!("it stays") };
    let bytes = bytes::Bytes::from(encode::perceptron());
    let second = value.memory().load(&bytes).unwrap();
    let expected = crate::oracle(ModelSource::Bytes(bytes));
    let answer = run(&*second, &as_input(kept.clone()), OutputSet::NONE).fetch().unwrap();
    let input = [NamedTensor::new("x", kept.fetch().unwrap())];
    assert!(crate::inputs::distance(&answer, &expected.run(&input, &[0]).unwrap()[0].tensor) < 1e-5);
    let failure = value.memory().load(&bytes::Bytes::from_static(b"nothing")).map(drop).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidInput, "{failure}");
}

#[test]
fn sixty_four_chains_side_by_side_do_not_mix() {
    let Some(gpus) = devices() else { return };
    let (first, (second, _)) = (mixer(gpus), perceptron(gpus, Style::Cores));
    let calls: Vec<_> = (0..64u64)
        .map(|call| {
            let inputs = rows(&*first, 1 + call % 5, call);
            let middle = run(&*first, &inputs, OutputSet::NONE);
            (inputs, bits(&run(&*second, &as_input(middle), OutputSet::NONE)))
        })
        .collect();
    let (next, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((inputs, expected)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = run(&*second, &as_input(run(&*first, inputs, ALL)), ALL);
                    wrong.fetch_add(usize::from(bits(&answer) != *expected), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(wrong.into_inner(), 0);
}
