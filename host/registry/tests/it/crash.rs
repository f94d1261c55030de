//! `kill -9` at random moments: what was acknowledged is there and whole, and nothing half-written can be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use scorehost_core::ModelId;
use scorehost_registry::{DocumentChange, Registry};
use tempfile::tempdir;

use crate::store::{files_below, new_model, put};

/// The data directory; set in the process that is killed.
const DIR: &str = "SCOREHOST_TEST_CRASH_DIR";
const ROUNDS: u64 = 40;
/// Rounds that go on with the same directory; the next ones begin with none, so that making it is interrupted too.
const ROUNDS_PER_DIRECTORY: u64 = 5;
const SEED: u64 = 0x5eed_2026;

/// What the killed processes said of one directory.
#[derive(Default)]
struct Acknowledged {
    /// Registered model → the seed of its content.
    models: BTreeMap<ModelId, u64>,
    /// Models whose deletion was begun: there or not.
    deleting: BTreeSet<ModelId>,
    /// Models whose deletion was acknowledged: not there.
    deleted: BTreeSet<ModelId>,
    /// Documents: key → value.
    documents: BTreeMap<String, String>,
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    if let Some(dir) = std::env::var_os(DIR) {
        register_for_ever(Path::new(&dir));
    }
    let mut random = Random(SEED);
    let mut total = 0;
    for _ in 0..ROUNDS / ROUNDS_PER_DIRECTORY {
        let folder = tempdir().unwrap();
        let dir = folder.path().join("data");
        let mut acknowledged = Acknowledged::default();
        for round in 0..ROUNDS_PER_DIRECTORY {
            run_and_kill(&dir, &mut random, &mut acknowledged);
            check(&dir, &acknowledged).unwrap_or_else(|error| panic!("seed {SEED:#x}, round {round}: {error}"));
        }
        total += acknowledged.models.len();
    }
    assert!(total > 100, "only {total} models were acknowledged; the rounds say little");
}

/// Lets a process work until it has acknowledged some, and a random while longer.
fn run_and_kill(dir: &Path, random: &mut Random, acknowledged: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::nothing_acknowledged_is_lost_when_the_process_is_killed", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    // In one round of four the process may not come to acknowledge anything: it is killed while it opens.
    let wanted = if random.below(4) == 0 { 0 } else { 1 + random.below(60) };
    for _ in 0..wanted {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        acknowledged.note(&line);
    }
    // The random moment itself; nothing waits for the process to have done anything by then.
    thread::sleep(Duration::from_micros(random.below(20_000)));
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    rest.split_inclusive('\n').for_each(|line| acknowledged.note(line));
}

impl Acknowledged {
    /// Takes one line of the process; a line without its end was not said.
    fn note(&mut self, line: &str) {
        let Some(line) = line.strip_suffix('\n') else { return };
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["registered", id, seed] => drop(self.models.insert(id.parse().unwrap(), seed.parse().unwrap())),
            ["deleting", id] => drop(self.deleting.insert(id.parse().unwrap())),
            ["deleted", id] => drop(self.deleted.insert(id.parse().unwrap())),
            ["document", key, value] => drop(self.documents.insert(key.to_owned(), value.to_owned())),
            // The lines of the test harness.
            _ => {}
        }
    }
}

fn check(dir: &Path, acknowledged: &Acknowledged) -> Result<(), String> {
    let registry = Registry::open(dir).map_err(|error| format!("does not open: {error}"))?;
    let visible: BTreeSet<ModelId> = registry.models().unwrap().into_iter().map(|model| model.id).collect();
    for (id, seed) in &acknowledged.models {
        if acknowledged.deleted.contains(id) && visible.contains(id) {
            return Err(format!("deleted {id} is back"));
        }
        if acknowledged.deleting.contains(id) {
            continue;
        }
        let files = registry.model_files(id).map_err(|error| format!("acknowledged {id}: {error}"))?;
        let read = files.read("model.onnx").map_err(|error| format!("acknowledged {id}: {error}"))?;
        if read != content(*seed) {
            return Err(format!("{id} has other content"));
        }
    }
    for id in &visible {
        let files = registry.model_files(id).unwrap();
        for path in files.paths() {
            files.read(&path).map_err(|error| format!("visible {id}, file {path}: {error}"))?;
        }
    }
    for (key, value) in &acknowledged.documents {
        if registry.document("note", key).unwrap().as_deref() != Some(value.as_bytes()) {
            return Err(format!("document {key} is lost"));
        }
    }
    for thread in 0..3 {
        let [a, b] = ["a", "b"].map(|half| registry.document("part", &format!("{half}{thread}")).unwrap());
        if a != b {
            return Err(format!("half of a change of two documents can be seen: {a:?} {b:?}"));
        }
    }
    check_files(&registry, dir)
}

/// Nothing but whole content under its own digest, and no temporary file.
fn check_files(registry: &Registry, dir: &Path) -> Result<(), String> {
    for path in files_below(&dir.join("blobs")) {
        let digest = format!("sha256:{}", path.file_name().unwrap().to_str().unwrap()).parse().unwrap();
        registry.read_blob(&digest).map_err(|error| format!("half-written content can be seen: {error}"))?;
    }
    let left = files_below(&dir.join("incoming"));
    let allowed = ["blobs", "damaged", "incoming", "lock", "metadata.redb"];
    let strange: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !allowed.contains(&path.file_name().unwrap().to_str().unwrap()))
        .collect();
    if left.is_empty() && strange.is_empty() { Ok(()) } else { Err(format!("left behind: {left:?} {strange:?}")) }
}

/// The life of the process that is killed: three threads register, delete, collect and write documents.
fn register_for_ever(dir: &Path) -> ! {
    let registry = Registry::open(dir).unwrap();
    // Seeds of content go on where the last process on this directory stopped, near enough.
    let seeds = AtomicU64::new(1000 * registry.models().unwrap().len() as u64);
    thread::scope(|scope| {
        for thread in 0..3 {
            let (registry, seeds) = (&registry, &seeds);
            scope.spawn(move || {
                loop {
                    step(registry, thread, seeds.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
    });
    unreachable!("the threads never end")
}

fn step(registry: &Registry, thread: u64, seed: u64) {
    let digest = put(registry, &content(seed));
    let id = registry.register(new_model(&format!("m{}", thread % 2), &[("model.onnx", digest)])).unwrap().id;
    say(&format!("registered {id} {seed}"));
    match seed % 6 {
        0 => {
            say(&format!("deleting {id}"));
            registry.delete_model(&id).unwrap();
            say(&format!("deleted {id}"));
        }
        1 => {
            let key = format!("{seed}-{id}");
            registry.put_document("note", &key, id.to_string().as_bytes()).unwrap();
            say(&format!("document {key} {id}"));
        }
        2 => drop(registry.collect_garbage(&BTreeSet::new()).unwrap()),
        3 => registry.change_documents(&["a", "b"].map(|half| part(half, thread, seed))).unwrap(),
        _ => {}
    }
}

/// One of two documents that are always written together.
fn part(half: &str, thread: u64, seed: u64) -> DocumentChange {
    DocumentChange { kind: "part", key: format!("{half}{thread}"), bytes: Some(seed.to_string().into_bytes()) }
}

/// One write for a line, so that lines of several threads do not mix.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Content of 0 bytes to some hundred kilobytes, the same for the same seed.
fn content(seed: u64) -> Vec<u8> {
    let mut random = Random(seed + 1);
    let size = [0, 100, 5_000, 130_000, 400_000][usize::try_from(random.below(5)).unwrap()];
    let mut content: Vec<u8> = seed.to_le_bytes().to_vec();
    content.extend(std::iter::repeat_with(|| random.below(256) as u8).take(size));
    content
}

/// The xorshift64* generator (Vigna, 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
