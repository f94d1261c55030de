use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, SystemTime};

use scorehost_core::Digest;
use scorehost_registry::{Garbage, Registry};
use tempfile::tempdir;

use crate::store::{files_below, put, register};

/// Makes stored content look two days old.
fn age(registry: &Registry, digest: &Digest) {
    let file = File::options().append(true).open(registry.blob_path(digest)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(48 * 3600)).unwrap();
}

fn put_old(registry: &Registry, content: &[u8]) -> Digest {
    let digest = put(registry, content);
    age(registry, &digest);
    digest
}

fn nothing() -> BTreeSet<Digest> {
    BTreeSet::new()
}

#[test]
fn content_goes_with_the_last_model_that_refers_to_it() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    register(&registry, "a", b"shared");
    register(&registry, "b", b"shared");
    let digest = registry.models().unwrap()[0].files[0].digest;
    age(&registry, &digest);
    registry.delete_model(&"a:1".parse().unwrap()).unwrap();
    assert_eq!(registry.collect_garbage(&nothing()).unwrap(), Garbage::default());
    assert_eq!(registry.read_blob(&digest).unwrap(), "shared");
    registry.delete_model(&"b:1".parse().unwrap()).unwrap();
    assert_eq!(registry.collect_garbage(&nothing()).unwrap(), Garbage { blobs: 1, bytes: 6 });
    assert_eq!(registry.blob_size(&digest).unwrap(), None);
}

#[test]
fn content_that_the_caller_uses_stays() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let (component, unused) = (put_old(&registry, b"component"), put_old(&registry, b"unused"));
    assert_eq!(registry.collect_garbage(&[component].into()).unwrap().blobs, 1);
    assert_eq!(registry.read_blob(&component).unwrap(), "component");
    assert_eq!(registry.blob_size(&unused).unwrap(), None);
}

#[test]
fn fresh_uploads_stay() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put(&registry, b"model to be registered soon");
    assert_eq!(registry.collect_garbage(&nothing()).unwrap(), Garbage::default());
    assert!(registry.blob_size(&digest).unwrap().is_some());
}

#[test]
fn uploading_old_content_again_makes_it_fresh() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    put_old(&registry, b"x");
    put(&registry, b"x");
    assert_eq!(registry.collect_garbage(&nothing()).unwrap(), Garbage::default());
}

#[test]
fn pinned_content_stays_until_the_last_pin_goes() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put_old(&registry, b"x");
    let pins = [registry.pin(&digest), registry.pin(&digest)];
    assert_eq!(registry.collect_garbage(&nothing()).unwrap().blobs, 0);
    let [first, second] = pins;
    drop(first);
    assert_eq!(registry.collect_garbage(&nothing()).unwrap().blobs, 0);
    drop(second);
    assert_eq!(registry.collect_garbage(&nothing()).unwrap().blobs, 1);
}

#[test]
fn files_that_are_no_content_are_left_alone() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put_old(&registry, b"x");
    let note = registry.blob_path(&digest).with_file_name("note.txt");
    std::fs::write(&note, "mine").unwrap();
    File::options().append(true).open(&note).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(registry.collect_garbage(&nothing()).unwrap().blobs, 1);
    assert_eq!(files_below(&dir.path().join("blobs")), [note]);
}
