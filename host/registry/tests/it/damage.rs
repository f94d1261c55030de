use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use scorehost_core::{Digest, ErrorKind};
use scorehost_registry::{Registry, RegistryError};
use tempfile::tempdir;

use crate::store::{files_below, new_model, open_error, put, register};

/// Changes stored content in place, and its time as any write does once the clock has moved on.
fn damage(registry: &Registry, digest: &Digest, change: impl FnOnce(&File)) {
    let file = OpenOptions::new().write(true).open(registry.blob_path(digest)).unwrap();
    change(&file);
    file.set_modified(SystemTime::now() + Duration::from_secs(1)).unwrap();
}

fn flip_first(file: &File) {
    file.write_all_at(b"!", 0).unwrap();
}

fn flip_last(file: &File) {
    file.write_all_at(b"!", file.metadata().unwrap().len() - 1).unwrap();
}

fn truncate(file: &File) {
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

fn empty(file: &File) {
    file.set_len(0).unwrap();
}

fn lengthen(file: &File) {
    file.set_len(file.metadata().unwrap().len() + 1).unwrap();
}

const CHANGES: [fn(&File); 5] = [flip_first, flip_last, truncate, empty, lengthen];

fn is_damaged(error: &RegistryError, digest: Digest) -> bool {
    matches!(error, RegistryError::BlobDamaged { digest: named } if *named == digest)
}

/// Applies each change to content of its own and checks what `read` then says.
fn check_each_change(read: impl Fn(&Registry, &Digest) -> Result<(), RegistryError>) {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    for (index, change) in CHANGES.into_iter().enumerate() {
        let digest = put(&registry, &vec![u8::try_from(index).unwrap(); 300_000]);
        read(&registry, &digest).unwrap();
        damage(&registry, &digest, change);
        for attempt in 0..2 {
            let error = read(&registry, &digest).unwrap_err();
            assert!(is_damaged(&error, digest), "change {index}, attempt {attempt}: {error}");
        }
    }
}

#[test]
fn damaged_content_is_never_read_whole() {
    check_each_change(|registry, digest| registry.read_blob(digest).map(drop));
}

#[test]
fn damaged_content_fails_a_stream_at_its_end() {
    check_each_change(|registry, digest| {
        let mut reader = registry.open_blob(digest)?;
        io::copy(&mut reader, &mut io::sink())?;
        Ok(())
    });
}

#[test]
fn damaged_content_fails_a_reader_who_stops_at_the_known_length() {
    check_each_change(|registry, digest| {
        let mut reader = registry.open_blob(digest)?;
        let mut content = vec![0; usize::try_from(reader.size()).unwrap()];
        reader.read_exact(&mut content)?;
        // An empty file ends before the first byte; there the stream itself must fail.
        if content.is_empty() {
            reader.read(&mut [0]).map(drop)?
        }
        Ok(())
    });
}

#[test]
fn a_verdict_ends_when_the_file_changes() {
    check_each_change(|registry, digest| registry.verify_blob(digest).map(drop));
}

#[test]
fn storing_the_content_again_repairs_it() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put(&registry, b"precious");
    registry.register(new_model("m", &[("f", digest)])).unwrap();
    damage(&registry, &digest, flip_first);

    let failure = registry.model_files(&"m:1".parse().unwrap()).unwrap().read("f").unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Internal);
    assert_eq!(failure.message, format!("the stored content {digest} is damaged"));
    assert_eq!(registry.blob_size(&digest).unwrap(), None, "a client sends it again");
    assert_eq!(files_below(&dir.path().join("damaged")).len(), 1);

    put(&registry, b"precious");
    assert_eq!(registry.model_files(&"m:1".parse().unwrap()).unwrap().read("f").unwrap(), "precious");
    assert_eq!(files_below(&dir.path().join("damaged")).len(), 0);
}

#[test]
fn content_repaired_during_a_read_is_not_put_aside() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put(&registry, b"precious");
    damage(&registry, &digest, flip_first);
    let mut reader = registry.open_blob(&digest).unwrap();
    put(&registry, b"precious");
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(registry.read_blob(&digest).unwrap(), "precious");
}

#[test]
fn a_model_is_not_registered_over_damaged_content() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put(&registry, b"precious");
    damage(&registry, &digest, truncate);
    let error = registry.register(new_model("m", &[("f", digest)])).unwrap_err();
    assert!(is_damaged(&error, digest), "{error}");
    assert_eq!(registry.models().unwrap(), []);
}

/// Whatever bytes the metadata file holds, opening and listing end in a typed error or in the truth.
#[test]
fn damaged_metadata_is_an_error_and_no_panic() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    register(&registry, "m", b"x");
    let truth = registry.models().unwrap();
    drop(registry);
    let path = dir.path().join("metadata.redb");
    let intact = fs::read(&path).unwrap();

    for content in [&b""[..], b"not a database", &intact[..100], &intact[..intact.len() / 2]] {
        fs::write(&path, content).unwrap();
        let error = open_error(dir.path());
        assert!(
            matches!(error, RegistryError::MetadataDamaged { .. } | RegistryError::Metadata(_)),
            "{} bytes: {error}",
            content.len()
        );
    }
    fs::write(&path, intact).unwrap();
    assert_eq!(Registry::open(dir.path()).unwrap().models().unwrap(), truth);
}
