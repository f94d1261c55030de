//! A limit on the size of files, which needs no privilege, stands in for a full disk: the write calls fail alike.

use std::io::Write;
use std::process::Command;

use scorehost_core::{ErrorKind, Failure};
use scorehost_registry::{Registry, RegistryError};
use tempfile::tempdir;

use crate::store::{files_below, ids, register};

/// Set in the process that runs under the limit.
const LIMITED: &str = "SCOREHOST_TEST_FILE_LIMIT";

/// Runs the named test again in a process whose files cannot grow beyond `limit_kib`.
fn run_limited(test: &str, limit_kib: u32) {
    // A signal ignored here is ignored in the process too, so that the write fails instead of killing it.
    let script = r#"trap "" XFSZ; ulimit -S -f "$LIMIT"; exec "$0" "$@""#;
    let status = Command::new("bash")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("LIMIT", limit_kib.to_string())
        .env(LIMITED, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} under a limit of {limit_kib} KiB");
}

fn limited() -> bool {
    std::env::var_os(LIMITED).is_some()
}

fn lift_limit() {
    let pid = std::process::id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status().unwrap().success());
}

#[test]
fn an_upload_that_does_not_fit_is_typed_and_leaves_nothing() {
    if !limited() {
        return run_limited("disk_full::an_upload_that_does_not_fit_is_typed_and_leaves_nothing", 8192);
    }
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    register(&registry, "m", b"small");
    let mut writer = registry.blob_writer().unwrap();
    let error = loop {
        if let Err(error) = writer.write_all(&[1; 100_000]) {
            break RegistryError::from(error);
        }
    };
    assert!(matches!(error, RegistryError::DiskFull { .. }), "{error}");
    drop(writer);
    assert_eq!(Failure::from(error).kind, ErrorKind::Unavailable);
    assert_eq!(files_below(&dir.path().join("incoming")).len(), 0);
    assert_eq!(files_below(&dir.path().join("blobs")).len(), 1);
    assert_eq!(register(&registry, "m", b"still works"), "m:2");
}

#[test]
fn metadata_that_does_not_fit_is_typed_and_works_again_without_a_restart() {
    if !limited() {
        return run_limited("disk_full::metadata_that_does_not_fit_is_typed_and_works_again_without_a_restart", 16384);
    }
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    register(&registry, "m", b"small");
    let mut acknowledged = Vec::new();
    let error = loop {
        let key = format!("{:04}", acknowledged.len());
        match registry.put_document("service", &key, &vec![7; 1 << 18]) {
            Ok(()) => acknowledged.push(key),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, RegistryError::DiskFull { .. }), "{error}");
    let has_all = || {
        let keys: Vec<String> = registry.documents("service").unwrap().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys[..acknowledged.len()], acknowledged);
        assert_eq!(ids(&registry), ["m:1"]);
    };
    assert!(acknowledged.len() > 2, "{acknowledged:?}");
    has_all();
    lift_limit();
    registry.put_document("service", "after", b"1").unwrap();
    assert_eq!(register(&registry, "n", b"more"), "n:1");
    drop(registry);
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(registry.document("service", "after").unwrap().unwrap(), b"1");
    assert_eq!(ids(&registry), ["m:1", "n:1"]);
}
