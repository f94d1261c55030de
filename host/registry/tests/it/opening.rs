use std::fs;
use std::os::unix::fs::PermissionsExt;

use redb::{Database, TableDefinition};
use scorehost_core::{ErrorKind, Failure};
use scorehost_registry::{Registry, RegistryError};
use tempfile::tempdir;

use crate::store::{files_below, ids, open_error, register};

#[test]
fn a_missing_directory_is_made() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("a/b/data");
    let registry = Registry::open(&data).unwrap();
    assert_eq!(registry.dir(), data);
    assert_eq!(register(&registry, "m", b"x"), "m:1");
}

#[test]
fn a_second_owner_is_refused_by_directory_and_pid() {
    let dir = tempdir().unwrap();
    let first = Registry::open(dir.path()).unwrap();
    let error = open_error(dir.path());
    let (name, pid) = (dir.path().display().to_string(), std::process::id());
    assert_eq!(error.to_string(), format!("data directory '{name}' is in use by another process (pid {pid})"));
    assert_eq!(Failure::from(error).kind, ErrorKind::Unavailable);
    drop(first);
    Registry::open(dir.path()).unwrap();
}

#[test]
fn what_an_interrupted_process_left_is_removed() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    register(&registry, "m", b"x");
    drop(registry);
    fs::write(dir.path().join("incoming/.tmpX"), "half an upload").unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(files_below(&dir.path().join("incoming")).len(), 0);
    assert_eq!(ids(&registry), ["m:1"]);
}

#[test]
fn a_half_made_metadata_file_is_made_anew() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("metadata.redb.new"), "half a database").unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(ids(&registry), [""; 0]);
    assert!(!dir.path().join("metadata.redb.new").exists());
}

#[test]
fn a_later_format_is_refused() {
    let dir = tempdir().unwrap();
    drop(Registry::open(dir.path()).unwrap());
    let database = Database::open(dir.path().join("metadata.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let about = TableDefinition::<&str, u64>::new("about");
    transaction.open_table(about).unwrap().insert("format", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = open_error(dir.path());
    assert!(matches!(error, RegistryError::FormatTooNew { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn a_file_in_place_of_the_directory_is_named() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open_error(&file);
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}

#[test]
fn a_directory_without_permission_is_named() {
    let dir = tempdir().unwrap();
    let locked = dir.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&locked).is_ok() {
        // The superuser may do everything; an immutable pseudo file system stands in.
        let error = open_error("/proc/self/data".as_ref());
        assert!(error.to_string().contains("/proc/self/data"), "{error}");
        return;
    }
    let error = open_error(&locked.join("data"));
    assert!(matches!(error, RegistryError::NotPermitted { .. }), "{error}");
}

#[test]
fn the_metadata_are_for_their_owner_alone() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("metadata.redb");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    drop(Registry::open(dir.path()).unwrap());
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(Registry::open(dir.path()).unwrap());
    assert_eq!(mode(), 0o600);
}
