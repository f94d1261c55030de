//! What does the sandbox cost? CPU time of a call into a scorer beside the model it calls, of a new replica, and of a cached
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

const CALLS: u32 = 200_000;
const REPLICAS: u32 = 20_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        calls().await;
        replicas().await;
    });
    starts();
}

/// CPU time of this thread: a busy machine does not show in it.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// CPU time of one of `rounds` calls. The kernel counts in steps of some milliseconds: take many rounds.
async fn time<F: Future<Output = ()>>(name: &str, rounds: u32, mut once: impl FnMut() -> F) {
    let start = cpu_time();
    for _ in 0..rounds {
        once().await;
    }
    show(name, (cpu_time() - start) / rounds);
}

fn show(name: &str, time: Duration) {
    println!("{name:<58} {:>9.2} us", time.as_secs_f64() * 1e6);
}

async fn replica(engine: &Engine, bench: &Bench, component: &[u8]) -> tokio::sync::Mutex<Box<dyn Replica>> {
    tokio::sync::Mutex::new(bench.replica(engine, component).await.unwrap())
}

async fn calls() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let (bench, call, input) = (bench(), CallContext::new("request"), x(&[1.0; 16]));
    let model = Doubler::new(false);
    time("model called directly, FP32 [16]", CALLS, async || {
        model.run(input.clone(), &[], &call).await.unwrap();
    })
    .await;
    for (name, component) in [
        ("scorer that calls the model, FP32 [16]", guests::calls_model("x")),
        ("scorer that gives its input back, FP32 [16]", guests::identity()),
    ] {
        let replica = replica(&engine, &bench, &component).await;
        time(name, CALLS, async || {
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
        time(&format!("new replica with init, and its end: {name}"), REPLICAS, async || {
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
        show(name, start.elapsed());
    }
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(f64::NAN)
}
