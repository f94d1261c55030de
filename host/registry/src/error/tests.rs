#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn io(kind: io::ErrorKind) -> RegistryError {
    RegistryError::io("store content", "/srv/secret", kind.into())
}

#[test]
fn each_error_has_its_kind() {
    let digest = Digest::from_bytes([1; 32]);
    let id: ModelId = "m:1".parse().unwrap();
    let name = id.name.clone();
    let dir = PathBuf::from("data");
    let table = [
        (RegistryError::InUse { dir: dir.clone(), pid: None }, ErrorKind::Unavailable),
        (RegistryError::FormatTooNew { dir, found: 2, known: 1 }, ErrorKind::Unsupported),
        (RegistryError::MetadataDamaged { cause: String::new() }, ErrorKind::Internal),
        (RegistryError::Metadata(redb::Error::PreviousIo), ErrorKind::Internal),
        (io(io::ErrorKind::StorageFull), ErrorKind::Unavailable),
        (io(io::ErrorKind::FileTooLarge), ErrorKind::Unavailable),
        (io(io::ErrorKind::ReadOnlyFilesystem), ErrorKind::Internal),
        (io(io::ErrorKind::Other), ErrorKind::Internal),
        (RegistryError::DigestMismatch { expected: digest, actual: digest }, ErrorKind::InvalidInput),
        (RegistryError::BlobDamaged { digest }, ErrorKind::Internal),
        (RegistryError::BlobMissing { digest }, ErrorKind::NotFound),
        (RegistryError::ModelMissing { id: id.clone(), versions: vec![2] }, ErrorKind::NotFound),
        (RegistryError::NameMissing { name: name.clone() }, ErrorKind::NotFound),
        (RegistryError::FileMissing { id, path: "x".to_owned(), files: vec![] }, ErrorKind::NotFound),
        (PathError::Empty.into(), ErrorKind::InvalidInput),
        (RegistryError::NoFiles { name: name.clone() }, ErrorKind::InvalidInput),
        (RegistryError::Limit { what: "tags", actual: 2, limit: 1 }, ErrorKind::TooLarge),
        (RegistryError::VersionsUsedUp { name }, ErrorKind::Conflict),
    ];
    for (error, expect) in table {
        let text = error.to_string();
        assert_eq!(Failure::from(error).kind, expect, "{text}");
    }
}

#[test]
fn paths_of_the_machine_are_for_the_log_only() {
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::Other] {
        let failure = Failure::from(io(kind));
        assert!(!failure.message.contains("secret"), "{failure}");
        assert!(failure.detail.unwrap().contains("/srv/secret"));
    }
}

#[test]
fn the_engine_s_full_disk_is_a_full_disk() {
    let error = RegistryError::from(redb::Error::Io(io::ErrorKind::StorageFull.into()));
    assert!(matches!(error, RegistryError::DiskFull { .. }), "{error}");
}

#[test]
fn an_error_survives_the_way_through_io() {
    let digest = Digest::from_bytes([1; 32]);
    let through = RegistryError::from(io::Error::from(RegistryError::BlobDamaged { digest }));
    assert!(matches!(through, RegistryError::BlobDamaged { digest: same } if same == digest));
}

#[test]
fn damage_tells_what_to_do() {
    let failure = Failure::from(RegistryError::BlobDamaged { digest: Digest::from_bytes([0xab; 32]) });
    assert_eq!(failure.message, format!("the stored content sha256:{} is damaged", "ab".repeat(32)));
    assert_eq!(failure.hint.unwrap(), "register the same files again, which replaces the damaged content");
}
