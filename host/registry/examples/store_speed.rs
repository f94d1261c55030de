//! Measures what the registry promises: registering small models, opening with 1000, listing them.
//! `cargo run --release -p scorehost-registry --example store_speed -- DIR` (DIR on the disk to be measured; made anew).

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use scorehost_registry::{NewFile, NewModel, Registry};

const MODELS: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("name a directory that does not exist yet")?;
    std::fs::create_dir(&dir)?;
    let registry = Registry::open(&dir)?;
    let mut times = (0..MODELS).map(|index| register(&registry, index)).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    drop(registry);
    let (open, registry) = timed(|| Registry::open(&dir));
    let registry = registry?;
    let (list, models) = timed(|| registry.models());
    assert_eq!(models?.len(), MODELS, "every model is listed");
    let (median, p99) = (times[MODELS / 2], times[MODELS * 99 / 100]);
    let mut out = std::io::stdout();
    writeln!(out, "register a 4 KiB model: median {median:.1?}, p99 {p99:.1?}")?;
    writeln!(out, "open with {MODELS} models: {open:.1?}; list them: {list:.1?}")?;
    Ok(())
}

/// Stores one file and registers it; the time of both.
fn register(registry: &Registry, index: usize) -> Result<Duration, Box<dyn Error>> {
    let begin = Instant::now();
    let mut writer = registry.blob_writer()?;
    writer.write_all(&index.to_le_bytes())?;
    writer.write_all(&[0; 4096])?;
    let (digest, _) = writer.finish(None)?;
    registry.register(NewModel {
        name: format!("model-{index}").parse()?,
        description: String::new(),
        tags: BTreeMap::new(),
        files: vec![NewFile { path: "model.onnx".to_owned(), digest }],
    })?;
    Ok(begin.elapsed())
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed(), result)
}
