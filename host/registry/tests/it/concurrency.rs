use std::collections::BTreeSet;
use std::thread;

use scorehost_registry::Registry;
use tempfile::tempdir;

use crate::store::{files_below, new_model, put, register};

const THREADS: u32 = 8;
const EACH: u32 = 12;

#[test]
fn eight_threads_register_under_one_name_without_losing_a_version() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let work = |thread: u32| {
        let registry = &registry;
        move || -> Vec<u32> {
            let one = |round| {
                let own = put(registry, format!("{thread} {round}").as_bytes());
                let shared = put(registry, b"shared");
                registry.register(new_model("m", &[("own", own), ("shared", shared)])).unwrap().id.version
            };
            (0..EACH).map(one).collect()
        }
    };
    let given: Vec<u32> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(work(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(given.iter().copied().collect::<BTreeSet<_>>(), (1..=THREADS * EACH).collect());
    assert_eq!(files_below(&dir.path().join("blobs")).len() as u32, THREADS * EACH + 1);
    for model in registry.models().unwrap() {
        let files = registry.model_files(&model.id).unwrap();
        assert_eq!(files.read("shared").unwrap(), "shared");
        files.read("own").unwrap();
    }
}

#[test]
fn collecting_garbage_beside_uploads_takes_nothing_that_gets_registered() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    thread::scope(|scope| {
        let collector = scope.spawn(|| {
            for _ in 0..50 {
                registry.collect_garbage(&BTreeSet::new()).unwrap();
            }
        });
        for round in 0..EACH {
            let id = register(&registry, "m", format!("{round}").as_bytes());
            registry.delete_model(&id.parse().unwrap()).unwrap();
            let again = register(&registry, "m", format!("{round}").as_bytes()).parse().unwrap();
            registry.model_files(&again).unwrap().read("model.onnx").unwrap();
        }
        collector.join().unwrap();
    });
    assert_eq!(registry.models().unwrap().len() as u32, EACH);
}
