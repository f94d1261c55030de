use scorehost_registry::{Registry, RegistryError};
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
