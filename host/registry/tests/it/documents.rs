use scorehost_registry::{DocumentChange, Registry, RegistryError};
use tempfile::tempdir;

#[test]
fn documents_are_kept_by_kind_and_key() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    registry.put_document("service", "b", b"2").unwrap();
    registry.put_document("service", "a", b"old").unwrap();
    registry.put_document("service", "a", b"1").unwrap();
    registry.put_document("servicf", "a", b"other").unwrap();
    registry.put_document("servic", "z", b"other").unwrap();
    drop(registry);
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(registry.document("service", "a").unwrap().unwrap(), b"1");
    assert_eq!(registry.document("service", "c").unwrap(), None);
    let expect = [("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())];
    assert_eq!(registry.documents("service").unwrap(), expect);
    assert_eq!(registry.documents("none").unwrap(), []);
}

#[test]
fn a_deleted_document_stays_deleted() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    registry.put_document("service", "a", b"1").unwrap();
    assert!(registry.delete_document("service", "a").unwrap());
    assert!(!registry.delete_document("service", "a").unwrap());
    drop(registry);
    assert_eq!(Registry::open(dir.path()).unwrap().document("service", "a").unwrap(), None);
}

#[test]
fn an_oversized_key_is_refused() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let error = registry.put_document("service", &"k".repeat(1025), b"").unwrap_err();
    assert!(matches!(error, RegistryError::Limit { actual: 1025, limit: 1024, .. }), "{error}");
}

#[test]
fn several_documents_change_together_or_not_at_all() {
    let dir = tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    registry.put_document("service", "old", b"1").unwrap();
    let change = |kind, key: &str, bytes: Option<&[u8]>| DocumentChange {
        kind,
        key: key.to_owned(),
        bytes: bytes.map(<[u8]>::to_vec),
    };
    let half = [
        change("endpoint", "a", Some(b"1")),
        change("service", "old", None),
        change("service", &"k".repeat(1025), None),
    ];
    assert!(matches!(registry.change_documents(&half).unwrap_err(), RegistryError::Limit { .. }));
    assert_eq!(registry.document("endpoint", "a").unwrap(), None);
    assert_eq!(registry.document("service", "old").unwrap().unwrap(), b"1");
    registry.change_documents(&half[..2]).unwrap();
    assert_eq!(registry.document("endpoint", "a").unwrap().unwrap(), b"1");
    assert_eq!(registry.document("service", "old").unwrap(), None);
}
