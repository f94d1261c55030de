//! All cases, and running them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use scorehost_core::{Failure, Graph, NamedTensor};

use crate::compare::compare;
use crate::{Case, Class};

/// All cases of the ONNX project.
pub struct Suite {
    /// The cases, by name.
    pub cases: Vec<Case>,
}

/// What came of each case, by name: nothing to say, or why it failed.
pub type Outcomes = BTreeMap<String, Result<(), String>>;

impl Suite {
    /// The cases that `deploy/setup.sh` fetched, or `None` with a printed reason where they are missing.
    ///
    /// # Panics
    /// When they are missing and `REQUIRE_ONNX_CASES=1`, or when they are damaged.
    #[must_use]
    pub fn find() -> Option<Self> {
        let folder = folder();
        let Ok(index) = std::fs::read_to_string(folder.join("index.txt")) else {
            let missing = format!("the ONNX cases are not in {}; run deploy/setup.sh", folder.display());
            assert_ne!(std::env::var("REQUIRE_ONNX_CASES").as_deref(), Ok("1"), "{missing}");
            say(&format!("skipped: {missing}"));
            return None;
        };
        let read =
            |name: &str| Case::read(&folder, name).unwrap_or_else(|problem| panic!("{problem}; run deploy/setup.sh"));
        Some(Self { cases: index.lines().map(read).collect() })
    }

    /// Runs every case but those of [`Class::Outside`] on as many threads as there are cores. A panic of the device
    /// fails the whole run, as does one of its threads.
    ///
    /// # Panics
    /// When the device panics; the message names the case.
    pub fn run(&self, load: impl Fn(Bytes) -> Result<Arc<dyn Graph>, Failure> + Sync) -> Outcomes {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(case) = self.cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                if case.class != Class::Outside {
                    done.push((case.name.clone(), guarded(case, &load)));
                }
            }
            done
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined = |thread: std::thread::ScopedJoinHandle<'_, Vec<_>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().flat_map(joined).collect()
        })
    }

    /// Passed and all cases of a class.
    #[must_use]
    pub fn count(&self, class: Class, outcomes: &Outcomes) -> (usize, usize) {
        let of_class = || self.cases.iter().filter(|case| case.class == class);
        let passed = |case: &&Case| outcomes.get(&case.name).is_some_and(Result::is_ok);
        (of_class().filter(passed).count(), of_class().count())
    }

    /// A line for each class: how many passed, of how many.
    #[must_use]
    pub fn table(&self, device: &str, outcomes: &Outcomes) -> String {
        Class::ALL.into_iter().fold(format!("{device}\n"), |mut table, class| {
            let (passed, all) = self.count(class, outcomes);
            let share = 100.0 * passed as f64 / all.max(1) as f64;
            // Writing to a string does not fail.
            let _ = writeln!(table, "  {:<20} {passed:>5} of {all:>5}  {share:5.1} %", class.name());
            table
        })
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.models/onnx-node")
}

#[expect(clippy::print_stderr, reason = "what a test says to whoever runs it")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

fn guarded(case: &Case, load: &impl Fn(Bytes) -> Result<Arc<dyn Graph>, Failure>) -> Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(case, load)));
    outcome.unwrap_or_else(|_| panic!("{}: the device panicked", case.name))
}

/// Loads the model, runs it once for all outputs, and compares each expected one.
fn run(case: &Case, load: &impl Fn(Bytes) -> Result<Arc<dyn Graph>, Failure>) -> Result<(), String> {
    let message = |failure: Failure| failure.to_string();
    let (inputs, expected) = (case.inputs()?, case.outputs()?);
    let graph = load(case.model.clone()).map_err(message)?;
    let inputs: Vec<NamedTensor> = inputs.into_iter().map(|(name, tensor)| NamedTensor::new(name, tensor)).collect();
    graph.signature().check_inputs(&inputs).map_err(|problem| format!("the signature refuses it: {problem}"))?;
    let outputs: Vec<usize> = (0..graph.signature().outputs.len()).collect();
    let results = graph.run(&inputs, &outputs).map_err(message)?;
    let transform = case.operators.iter().any(|(_, operator)| matches!(&**operator, "DFT" | "STFT"));
    for (name, want) in &expected {
        let got = results.iter().find(|result| *result.name == **name);
        compare(name, &got.ok_or_else(|| format!("no output '{name}'"))?.tensor, want, transform)?;
    }
    Ok(())
}
