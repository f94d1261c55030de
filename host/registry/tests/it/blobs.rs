use std::io::{Read, Write};

use scorehost_core::Digest;
use scorehost_registry::{Registry, RegistryError};
use tempfile::tempdir;

use crate::store::{files_below, put};

/// The SHA-256 of "abc" (FIPS 180-2, appendix B.1).
const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn content_is_found_by_its_sha256() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put(&registry, b"abc");
    assert_eq!(digest.to_string(), ABC);
    assert_eq!(registry.blob_size(&digest).unwrap(), Some(3));
    assert_eq!(registry.read_blob(&digest).unwrap(), "abc");
    assert_eq!(registry.blob_path(&digest), dir.path().join("blobs/sha256/ba").join(&ABC[7..]));
    assert_eq!(registry.verify_blob(&digest).unwrap(), registry.blob_path(&digest));
}

#[test]
fn content_survives_reopening() {
    let dir = tempdir().unwrap();
    let digest = put(&Registry::open(dir.path()).unwrap(), b"abc");
    assert_eq!(Registry::open(dir.path()).unwrap().read_blob(&digest).unwrap(), "abc");
}

#[test]
fn equal_content_is_stored_once() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(put(&registry, b"abc"), put(&registry, b"abc"));
    assert_eq!(files_below(&dir.path().join("blobs")).len(), 1);
}

#[test]
fn unexpected_content_is_refused_and_leaves_nothing() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let mut writer = registry.blob_writer().unwrap();
    writer.write_all(b"abd").unwrap();
    let expected: Digest = ABC.parse().unwrap();
    let error = writer.finish(Some(expected)).unwrap_err();
    assert!(matches!(error, RegistryError::DigestMismatch { expected: same, .. } if same == expected), "{error}");
    assert_eq!(files_below(&dir.path().join("blobs")).len(), 0);
    assert_eq!(files_below(&dir.path().join("incoming")).len(), 0);
}

#[test]
fn an_upload_given_up_leaves_nothing() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let mut writer = registry.blob_writer().unwrap();
    writer.write_all(&[7; 300_000]).unwrap();
    assert_eq!(files_below(&dir.path().join("incoming")).len(), 1);
    drop(writer);
    assert_eq!(files_below(&dir.path().join("incoming")).len(), 0);
}

#[test]
fn missing_content_is_named() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest: Digest = ABC.parse().unwrap();
    assert_eq!(registry.blob_size(&digest).unwrap(), None);
    let error = registry.read_blob(&digest).unwrap_err();
    assert_eq!(error.to_string(), format!("no content {ABC} is stored"));
}

#[test]
fn a_stream_gives_the_content_in_pieces_of_any_size() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let content: Vec<u8> = (0..700_001_u32).map(|i| (i * 31 % 251) as u8).collect();
    let digest = put(&registry, &content);
    for piece in [1000, 1 << 16, 1 << 20] {
        let mut reader = registry.open_blob(&digest).unwrap();
        assert_eq!(reader.size(), 700_001);
        let mut read = Vec::new();
        let mut buffer = vec![0; piece];
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                count => read.extend_from_slice(&buffer[..count]),
            }
        }
        assert!(read == content, "pieces of {piece}");
    }
}

#[test]
fn empty_content_is_content() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let digest = put(&registry, b"");
    assert_eq!(registry.blob_size(&digest).unwrap(), Some(0));
    assert_eq!(registry.read_blob(&digest).unwrap(), "");
}
