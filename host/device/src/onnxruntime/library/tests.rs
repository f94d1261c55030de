#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_path_that_someone_set_is_taken_or_refused() {
    let there = std::env::current_exe().unwrap();
    let config = |path: &Path| DeviceConfig { onnxruntime: Some(path.to_owned()), ..DeviceConfig::default() };
    assert_eq!(locate(&config(&there)).unwrap(), there);
    let missing = Path::new("/nowhere/libonnxruntime.so");
    assert!(matches!(locate(&config(missing)), Err(DeviceError::LibraryMissing { path, .. }) if path == missing));
}

#[test]
fn the_library_beside_the_program_comes_before_configured_and_system_folders() {
    let found = candidates(&["/data/lib".into()], Some(Path::new("/opt/scorehost")));
    let position = |path: &str| found.iter().position(|candidate| candidate == &Path::new(path).join(FILE)).unwrap();
    assert!(position("/opt/scorehost/lib") < position("/data/lib"));
    assert!(position("/data/lib") < position("/usr/local/lib"));
}
