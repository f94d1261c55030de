//! Calls side by side.

use std::sync::atomic::{AtomicUsize, Ordering};

use scorehost_core::{Graph, Shape};
use scorehost_device::ModelSource;
use scorehost_plan::Style;

use crate::inputs::{distance, random};
use crate::{devices, load, oracle, path, perceptron};

#[test]
fn sixty_four_mixed_calls_get_the_answers_to_their_own_inputs() {
    let (Some(gpus), Some(text)) = (devices(), path("minilm.onnx")) else { return };
    let text = (load(gpus, &text, Style::Cores), oracle(ModelSource::File(text)));
    let graphs = [perceptron(gpus, Style::Cores), text];
    let calls: Vec<_> = (0..64u64)
        .map(|call| {
            let (graph, reference) = &graphs[(call % 2) as usize];
            let shape = |size| Shape::from_slice(&[1 + call % 5, size]);
            let shapes = if call % 2 == 0 { vec![shape(64)] } else { vec![shape(3 + call % 7); 3] };
            let inputs = random(reference.signature(), &shapes, call);
            let expected = reference.run(&inputs, &[0]).unwrap();
            (graph, inputs, expected)
        })
        .collect();
    let (next, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((graph, inputs, expected)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = graph.run(inputs, &[0]).unwrap();
                    let apart = distance(&answer[0].tensor, &expected[0].tensor);
                    wrong.fetch_add(usize::from(apart > 1e-3), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(wrong.into_inner(), 0);
}
