//! What calls cost: latency of one caller, throughput of several, and how near that is to what the device can do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scorehost_core::Graph;
use scorehost_device_cuda::Cuda;

use crate::inputs::{random, shapes};
use crate::{PRECISIONS, load};

/// Time of one measurement.
const WINDOW: Duration = Duration::from_millis(700);
const CALLERS: usize = 4;

fn number(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Prints a table; returns the failures.
pub(crate) fn run(cuda: &Cuda, path: &str, dims: &[&str]) -> usize {
    // Ceilings of the device, measured in the same run where the script gives them.
    let bandwidth = number("GPU_BYTES_PER_S", 3.0e12);
    let mut failures = 0;
    for (precision, name, _) in PRECISIONS {
        let rate = number(&format!("GPU_FLOPS_{}", name.to_uppercase()), 0.0);
        let graph = match load(cuda, path, precision, false) {
            Ok(graph) => graph,
            Err(reason) => {
                println!("FAIL {path} {name}: {reason}");
                failures += 1;
                continue;
            }
        };
        for batch in [1, 8, 32] {
            let shapes = shapes(dims, batch);
            let inputs: Vec<_> = (0..4).map(|seed| random(graph.signature(), &shapes, seed)).collect();
            for input in inputs.iter().cycle().take(12) {
                graph.run(input, &[0]).unwrap();
            }
            let mut times = Vec::new();
            let started = Instant::now();
            while started.elapsed() < WINDOW {
                let call = Instant::now();
                graph.run(&inputs[times.len() % 4], &[0]).unwrap();
                times.push(call.elapsed());
            }
            times.sort();
            let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
            let together = throughput(&*graph, &inputs);
            let cost = graph.cost(&shapes).unwrap();
            let floor =
                (cost.bytes as f64 / bandwidth).max(if rate > 0.0 { cost.operations as f64 / rate } else { 0.0 });
            println!(
                "scorehost {path} {name} batch {batch}: p50 {:.3} ms p99 {:.3} ms, {:.0} rows/s with {CALLERS} callers; {:.2} GFLOP, {:.1} MB, floor {:.3} ms = {:.0} % of p50",
                at(0.5),
                at(0.99),
                together * batch as f64,
                cost.operations as f64 / 1e9,
                cost.bytes as f64 / 1e6,
                floor * 1e3,
                floor * 1e5 / at(0.5),
            );
        }
    }
    failures
}

/// Calls per second of several callers.
fn throughput(graph: &dyn Graph, inputs: &[Vec<scorehost_core::NamedTensor>]) -> f64 {
    let calls = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let calls = &calls;
            scope.spawn(move || {
                // A window to make the second context's plan, which is not counted.
                while started.elapsed() < WINDOW * 2 {
                    graph.run(&inputs[caller % inputs.len()], &[0]).unwrap();
                    if started.elapsed() > WINDOW {
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    calls.into_inner() as f64 / WINDOW.as_secs_f64()
}
