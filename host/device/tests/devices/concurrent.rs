//! One load of the weights serves many threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorehost_core::{NamedTensor, Tensor};
use scorehost_device::ModelSource;

use crate::encode::{Message, float_tensor, float_value, model, node};
use crate::fixtures::{floats, onnxruntime};
use crate::memory::resident_bytes;

/// Rows and columns of the weights: 64 MiB in single precision.
const SIZE: u64 = 4096;

/// y = x * 2 by way of a large diagonal matrix.
fn doubling() -> Vec<u8> {
    let size = SIZE as usize;
    let mut weights = vec![0f32; size * size];
    (0..size).for_each(|row| weights[row * size + row] = 2.0);
    let graph = Message::default()
        .message(1, node("MatMul", &["x", "w"], "y"))
        .message(5, float_tensor("w", &[SIZE, SIZE], &weights))
        .message(11, float_value("x", &[1, SIZE]))
        .message(12, float_value("y", &[1, SIZE]));
    model(graph)
}

#[test]
fn threads_share_the_weights_of_a_model_and_get_their_own_results() {
    let Some(devices) = onnxruntime() else { return };
    let graph = devices.load(ModelSource::Bytes(doubling().into())).unwrap();
    let weights = SIZE * SIZE * 4;
    // What loading took, as measured: the weights once, and what the session itself needs.
    assert!((weights..weights * 2).contains(&graph.memory_bytes()), "{}", graph.memory_bytes());
    let run = |seed: usize| {
        let x: Vec<f32> = (0..SIZE as usize).map(|index| (index * 7 + seed) as f32 % 1013.0).collect();
        let input = NamedTensor::new("x", Tensor::from_f32([1, SIZE].as_slice(), &x).unwrap());
        let result = graph.run(&[input], &[0]).unwrap();
        let doubled: Vec<f64> = x.iter().map(|x| f64::from(*x) * 2.0).collect();
        assert_eq!(floats(&result[0].tensor).unwrap(), doubled);
    };
    run(0);
    let before = resident_bytes();
    let done = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (run, done) = (&run, done.clone());
            scope.spawn(move || {
                (0..20).for_each(|round| run(thread * 100 + round));
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), 8);
    let grown = resident_bytes().saturating_sub(before);
    // A second copy of the weights would be 64 MiB.
    assert!(grown < 16 << 20, "memory grew by {grown} bytes");
}
