#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn store() -> (tempfile::TempDir, CredentialStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = CredentialStore::at(dir.path().join("scorehost"));
    (dir, store)
}

fn found(store: &CredentialStore, url: &str) -> Option<String> {
    store.find(url).unwrap().map(|credential| credential.reveal().to_owned())
}

#[test]
fn a_servers_own_credential_is_found_by_its_addresses_and_goes_with_it() {
    let (_dir, store) = store();
    let lent = store.lend("127.0.0.1:8080".parse().unwrap(), &Secret::new("mine")).unwrap();
    for (url, expected) in [
        ("http://127.0.0.1:8080", Some("mine")),
        ("http://localhost:8080/", Some("mine")),
        ("https://LOCALHOST:8080", Some("mine")),
        ("http://127.0.0.1:8081", None),
        ("http://[::1]:8080", None),
        ("http://example.org:8080", None),
        ("http://192.0.2.1:8080", None),
        ("nonsense", None),
    ] {
        assert_eq!(found(&store, url).as_deref(), expected, "{url}");
    }
    let mode = std::fs::metadata(lent.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(lent);
    assert_eq!(found(&store, "http://127.0.0.1:8080"), None);
}

#[test]
fn a_server_on_every_address_is_found_on_this_machine_only() {
    let (_dir, store) = store();
    let _lent = store.lend("0.0.0.0:80".parse().unwrap(), &Secret::new("mine")).unwrap();
    assert_eq!(found(&store, "http://localhost").as_deref(), Some("mine"));
    assert_eq!(found(&store, "http://127.0.0.1").as_deref(), Some("mine"));
    assert_eq!(found(&store, "http://192.0.2.1").as_deref(), None);
    assert_eq!(found(&store, "http://host.example").as_deref(), None);
}

#[test]
fn a_login_goes_before_and_is_forgotten_on_demand() {
    let (_dir, store) = store();
    let _lent = store.lend("127.0.0.1:8080".parse().unwrap(), &Secret::new("mine")).unwrap();
    let path = store.keep("http://127.0.0.1:8080/", &Secret::new("readers")).unwrap();
    store.keep("https://scores.example", &Secret::new("remote")).unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(found(&store, "http://127.0.0.1:8080").as_deref(), Some("readers"));
    assert_eq!(found(&store, "https://scores.example:443/").as_deref(), Some("remote"));
    assert_eq!(found(&store, "http://scores.example"), None);
    assert!(store.forget("http://127.0.0.1:8080").unwrap());
    assert!(!store.forget("http://127.0.0.1:8080").unwrap());
    assert_eq!(found(&store, "http://127.0.0.1:8080").as_deref(), Some("mine"));
}

#[test]
fn a_damaged_file_is_named_and_not_overlooked() {
    let (_dir, store) = store();
    let path = store.keep("https://a.example", &Secret::new("a")).unwrap();
    std::fs::write(&path, "{").unwrap();
    let failure = store.find("https://a.example").unwrap_err();
    assert!(failure.message.contains("credentials.json") && failure.hint.is_some(), "{failure}");
    assert!(store.keep("https://b.example", &Secret::new("b")).is_err());
}
