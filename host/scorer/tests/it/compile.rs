//! What is accepted as a scorer, and the cache of compiled components.

use std::fs;

use scorehost_core::{CallContext, ErrorKind, Failure};
use scorehost_scorer::{Engine, EngineConfig, ScorerError, World, inspect};

use crate::support::{bench, engine, floats, x};
use crate::{guests, http_guests};

#[test]
fn what_is_no_scorer_is_refused_with_the_reason() {
    let engine = engine();
    let check = |bytes: &[u8], expect: &str| {
        let failure: Failure = engine.compile(bytes).err().unwrap().into();
        assert_eq!(failure.kind, ErrorKind::InvalidInput);
        assert!(failure.message.contains(expect), "{failure}");
        assert!(failure.hint.is_some());
    };
    let good = guests::identity();
    check(b"", "not a WebAssembly component");
    check(b"PK\x03\x04 a zip file", "the first bytes are [50, 4b, 03, 04");
    check(&wat::parse_str("(module)").unwrap(), "core WebAssembly module");
    check(&good[..good.len() / 2], "damaged or invalid");
    check(&wat::parse_str("(component)").unwrap(), "exports neither world");
    let mut damaged = good.clone();
    let code = damaged.windows(4).rposition(|window| window == b"run\0").unwrap_or(damaged.len() / 2);
    damaged[code + 5..code + 25].fill(0xff);
    check(&damaged, "damaged or invalid");
    check(&guests::greedy(), "the component imports what this host does not grant: 'acme:gadgets/pump@1.0.0'");
    let wrong_types = r#"(component
      (core module $m (func (export "f")))
      (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f")))
      (export "init" (func $f)) (export "signature" (func $f)) (export "run" (func $f)))"#;
    check(&wat::parse_str(wrong_types).unwrap(), "does not fit the world 'scorehost:scoring/scorer@0.1.0'");
}

fn cached(folder: &std::path::Path) -> Engine {
    let cache_dir = Some(folder.to_path_buf());
    Engine::new(EngineConfig { cache_dir, max_replicas: 4, ..EngineConfig::default() }).unwrap()
}

fn entries(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_damaged_cache_entry_is_found_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let component = guests::identity();
    cached(folder.path()).compile(&component).unwrap();
    let [entry] = &entries(folder.path())[..] else { panic!("one entry expected") };
    let whole = fs::read(entry).unwrap();
    for damage in [0, 20, 60, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[damage] ^= 1;
        fs::write(entry, bytes).unwrap();
        let bench = bench();
        let mut replica = bench.replica(&cached(folder.path()), &component).await.unwrap();
        let outputs = replica.infer(x(&[3.0]), &CallContext::new("r")).await.unwrap();
        assert_eq!(floats(&outputs[0].tensor), [3.0]);
        assert_eq!(entries(folder.path()).len(), 1);
        assert_ne!(fs::read(entry).unwrap()[damage], whole[damage] ^ 1, "byte {damage} stayed damaged");
    }
    fs::write(entry, &whole[..10]).unwrap();
    cached(folder.path()).compile(&component).unwrap();
    assert!(fs::read(entry).unwrap().len() > 10);
}

#[test]
fn a_cache_entry_is_used_instead_of_compiling() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, echo) = (guests::identity(), guests::echo());
    cached(folder.path()).compile(&echo).unwrap();
    let [entry] = &entries(folder.path())[..] else { panic!("one entry expected") };
    let compiled = inspect(&echo).unwrap().digest.hex();
    let wanted = inspect(&identity).unwrap().digest.hex();
    // Under another component's name, the entry gives that component's code: proof that it was read.
    let name = entry.file_name().unwrap().to_str().unwrap().replace(&compiled, &wanted);
    fs::copy(entry, entry.with_file_name(name)).unwrap();
    let error = cached(folder.path()).compile(&identity).err().unwrap();
    assert!(matches!(error, ScorerError::Types { .. }), "{error}");
}

#[test]
fn the_same_bytes_are_compiled_once_while_they_are_in_use() {
    let engine = engine();
    let first = engine.compile(&guests::echo()).unwrap();
    let again = engine.compile(&guests::echo()).unwrap();
    assert_eq!((first.digest(), first.world()), (again.digest(), World::EntryScript));
}

#[test]
fn an_inspection_tells_what_a_component_can_reach() {
    let inspection = inspect(&guests::greedy()).unwrap();
    assert_eq!(inspection.world, Some(World::EntryScript));
    let refused: Vec<_> = inspection.capabilities.iter().filter(|one| !one.granted).collect();
    let names: Vec<_> = refused.iter().map(|one| (one.name, &*one.imports[0])).collect();
    assert_eq!(names, [("other", "acme:gadgets/pump@1.0.0")]);
    let needs: Vec<_> = inspection.capabilities.iter().filter_map(|one| Some((one.name, one.needs?.key()))).collect();
    assert_eq!(needs, [("outgoing http", "scorehost.grants.outbound")]);
    assert_eq!(inspection.dependencies, None);
    assert!(inspection.exports.contains(&"describe".to_owned()));
    assert!(inspection.core_modules >= 1 && inspection.core_bytes < inspection.size);
    assert!(inspection.toolchain.iter().any(|tool| tool.name == "wit-component"), "{:?}", inspection.toolchain);
    assert_eq!(inspect(&http_guests::handler()).unwrap().world, Some(World::HttpHandler));
    let models = inspect(&guests::calls_model("x")).unwrap();
    assert!(models.capabilities.iter().any(|one| one.name == "models" && one.granted));
    assert_eq!(inspect(&guests::command()).unwrap().world, Some(World::Command));
}
