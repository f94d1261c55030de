use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use scorehost_core::{Clock, Digest, ErrorKind, Failure, ModelId};
use scorehost_registry::{NewModel, PathError, Registry, RegistryConfig, RegistryError};
use tempfile::tempdir;

use crate::store::{files_below, ids, new_model, put, register};

struct FixedClock(Duration);

impl Clock for FixedClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + self.0
    }
}

fn id(text: &str) -> ModelId {
    text.parse().unwrap()
}

#[test]
fn a_model_comes_back_as_it_was_registered() {
    let dir = tempdir().unwrap();
    let clock = std::sync::Arc::new(FixedClock(Duration::from_millis(1_700_000_000_999)));
    let registry = Registry::open_with(dir.path(), RegistryConfig { clock, ..RegistryConfig::default() }).unwrap();
    let (onnx, words) = (put(&registry, b"graph"), put(&registry, b"a\nb\n"));
    let model = NewModel {
        description: "reads „digits“".to_owned(),
        tags: [("stage".to_owned(), "test".to_owned())].into(),
        ..new_model("digits", &[("vocabulary/words.txt", words), ("model.onnx", onnx)])
    };
    let registered = registry.register(model).unwrap();
    assert_eq!(registered.id, id("digits:1"));
    assert_eq!(registered.created, 1_700_000_000);
    let files: Vec<_> = registered.files.iter().map(|file| (file.path.as_str(), file.digest, file.size)).collect();
    assert_eq!(files, [("model.onnx", onnx, 5), ("vocabulary/words.txt", words, 4)]);
    drop(registry);

    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(registry.model(&id("digits:1")).unwrap(), registered);
    assert_eq!(registry.latest(&registered.id.name).unwrap(), registered);
    assert_eq!(registry.models().unwrap(), [registered]);
}

#[test]
fn versions_count_up_and_share_content() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let registered: Vec<String> = (0..11).map(|_| register(&registry, "m", b"same")).collect();
    assert_eq!(registered[0], "m:1");
    assert_eq!(registered[10], "m:11");
    assert_eq!(registry.latest(&"m".parse().unwrap()).unwrap().id, id("m:11"));
    assert_eq!(ids(&registry), registered, "sorted by number, not by text");
    assert_eq!(files_below(&dir.path().join("blobs")).len(), 1);
}

#[test]
fn a_deleted_version_is_never_given_again() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    register(&registry, "m", b"1");
    register(&registry, "m", b"2");
    registry.delete_model(&id("m:2")).unwrap();
    registry.delete_model(&id("m:1")).unwrap();
    drop(registry);
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(register(&registry, "m", b"3"), "m:3");
    assert_eq!(ids(&registry), ["m:3"]);
}

#[test]
fn a_missing_model_is_told_from_a_missing_version() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    register(&registry, "m", b"1");
    register(&registry, "m", b"2");
    let error = registry.model(&id("m:7")).unwrap_err();
    assert_eq!(error.to_string(), "model 'm:7' is not registered; versions of 'm': 1, 2");
    let error = registry.delete_model(&id("x:1")).unwrap_err();
    assert_eq!(error.to_string(), "no model 'x' is registered");
    assert!(matches!(registry.latest(&"mm".parse().unwrap()), Err(RegistryError::NameMissing { .. })));
}

#[test]
fn traversing_paths_are_refused_and_nothing_is_registered() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put(&registry, b"x");
    for path in ["../x", "/x", "a/../../x", "a\\b", "a\0", "", "a//b", "./a"] {
        let error = registry.register(new_model("m", &[("ok", digest), (path, digest)])).unwrap_err();
        assert!(matches!(error, RegistryError::Path(_)), "{path:?}: {error}");
    }
    let error = registry.register(new_model("m", &[("a", digest), ("a/b", digest)])).unwrap_err();
    assert!(matches!(error, RegistryError::Path(PathError::FileAndFolder(_))), "{error}");
    assert_eq!(ids(&registry), [""; 0]);
    assert_eq!(register(&registry, "m", b"x"), "m:1", "a refused registration uses no version");
}

#[test]
fn a_model_needs_files_and_stored_content() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let error = registry.register(new_model("m", &[])).unwrap_err();
    assert!(matches!(error, RegistryError::NoFiles { .. }), "{error}");
    let absent = Digest::from_bytes([9; 32]);
    let error = registry.register(new_model("m", &[("model.onnx", absent)])).unwrap_err();
    assert!(matches!(error, RegistryError::BlobMissing { digest } if digest == absent), "{error}");
}

#[test]
fn oversized_metadata_is_refused() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put(&registry, b"x");
    let model = NewModel { description: "d".repeat((64 << 10) + 1), ..new_model("m", &[("f", digest)]) };
    let error = registry.register(model).unwrap_err();
    assert_eq!(error.to_string(), "65537 bytes of description; the limit is 65536");
    let tags = [("k".to_owned(), "v".repeat(8 << 10))].into();
    let error = registry.register(NewModel { tags, ..new_model("m", &[("f", digest)]) }).unwrap_err();
    assert!(matches!(error, RegistryError::Limit { what: "bytes in one tag", .. }), "{error}");
}

#[test]
fn files_of_a_model_are_read_by_path() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let (a, b) = (put(&registry, b"A"), put(&registry, b"B"));
    registry.register(new_model("m", &[("d/b", b), ("a", a)])).unwrap();
    let files = registry.model_files(&id("m:1")).unwrap();
    assert_eq!(files.paths(), ["a", "d/b"]);
    assert_eq!(files.read("d/b").unwrap(), "B");
    let failure = files.read("../a").unwrap_err();
    assert_eq!(failure.kind, ErrorKind::NotFound);
    assert_eq!(failure.message, "model 'm:1' has no file '../a'; it has: [a, d/b]");
    assert!(matches!(registry.model_files(&id("m:2")), Err(RegistryError::ModelMissing { .. })));
}

#[test]
fn a_file_whose_content_is_gone_is_the_host_s_fault() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put(&registry, b"A");
    registry.register(new_model("m", &[("a", digest)])).unwrap();
    std::fs::remove_file(registry.blob_path(&digest)).unwrap();
    let failure: Failure = registry.model_files(&id("m:1")).unwrap().read("a").unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Internal);
    assert_eq!(failure.message, format!("the content {digest} of file 'a' of model 'm:1' is gone"));
}
