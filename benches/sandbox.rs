//! What does the sandbox cost? Time of a call into a scorer beside the model it calls, of a new replica, and of a cached
//! start. Run: `cargo bench -p scorehost-scorer`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints its table")]
#![allow(dead_code, reason = "the guests and fakes are shared with the tests")]

#[path = "../host/scorer/tests/it/guests.rs"]
mod guests;
#[path = "../host/scorer/tests/it/support.rs"]
mod support;

use std::future::Future;
use std::time::{Duration, Instant};

use scorehost_core::{CallContext, Model, Replica};
use scorehost_scorer::{Engine, EngineConfig};

use support::{Bench, Doubler, bench, x};

const ROUNDS: usize = 20_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        calls().await;
        replicas().await;
    });
    starts();
}

/// Median over batches, so that one disturbed batch does not count.
async fn time<F: Future<Output = ()>>(name: &str, mut once: impl FnMut() -> F) {
    let mut batches = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..ROUNDS / 20 {
            once().await;
        }
        batches.push(start.elapsed() / (ROUNDS / 20) as u32);
    }
    show(name, &mut batches);
}

fn show(name: &str, times: &mut [Duration]) {
    times.sort();
    println!("{name:<58} {:>9.2} us", times[times.len() / 2].as_secs_f64() * 1e6);
}

async fn replica(engine: &Engine, bench: &Bench, component: &[u8]) -> tokio::sync::Mutex<Box<dyn Replica>> {
    tokio::sync::Mutex::new(bench.replica(engine, component).await.unwrap())
}

async fn calls() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let (bench, call, input) = (bench(), CallContext::new("request"), x(&[1.0; 16]));
    let model = Doubler::new(false);
    time("model called directly, FP32 [16]", async || {
        model.run(input.clone(), &[], &call).await.unwrap();
    })
    .await;
    for (name, component) in [
        ("scorer that calls the model, FP32 [16]", guests::calls_model("x")),
        ("scorer that gives its input back, FP32 [16]", guests::identity()),
    ] {
        let replica = replica(&engine, &bench, &component).await;
        time(name, async || {
            replica.lock().await.infer(input.clone(), &call).await.unwrap();
        })
        .await;
    }
}

async fn replicas() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let bench = bench();
    for (name, component) in [("identity", guests::identity()), ("entry script", guests::echo())] {
        let factory = engine.compile(&component).unwrap().factory(bench.environment.clone());
        time(&format!("new replica with init, and its end: {name}"), async || {
            drop(factory.create().await.unwrap());
        })
        .await;
    }
    let factory = engine.compile(&guests::identity()).unwrap().factory(bench.environment.clone());
    let before = resident_kib();
    let mut live = Vec::new();
    for _ in 0..1000 {
        live.push(factory.create().await.unwrap());
    }
    println!("{:<58} {:>9.2} KiB", "memory per live replica (1000 of them)", (resident_kib() - before) / 1000.0);
}

fn starts() {
    let folder = tempfile::tempdir().unwrap();
    let component = guests::calls_model("x");
    for name in ["first start: engine and compilation", "later start: engine and cached component"] {
        let start = Instant::now();
        let cache_dir = Some(folder.path().to_path_buf());
        let engine = Engine::new(EngineConfig { cache_dir, ..EngineConfig::default() }).unwrap();
        engine.compile(&component).unwrap();
        show(name, &mut [start.elapsed()]);
    }
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(f64::NAN)
}
