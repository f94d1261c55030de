use std::fs;
use std::time::{Duration, SystemTime};

use super::{Cache, Entry};
use crate::fingerprint::of_bytes;

fn entry(component: &[u8]) -> Entry {
    Entry { component: component.to_vec(), digest: of_bytes(component), toolchain: "rustc 1.96.0".into() }
}

#[test]
fn an_entry_comes_back_as_it_went_in() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let cache = Cache::new(folder.path().join("deep/cache"), 1 << 20);
    let key = of_bytes(b"key");
    assert_eq!(cache.get(&key), None);
    cache.put(&key, &entry(b"a component\nof two lines")).expect("stored");
    assert_eq!(cache.get(&key), Some(entry(b"a component\nof two lines")));
}

#[test]
fn a_damaged_entry_is_not_returned_and_not_kept() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let cache = Cache::new(folder.path().to_owned(), 1 << 20);
    let key = of_bytes(b"key");
    cache.put(&key, &entry(b"component")).expect("stored");
    let path = cache.path(&key);
    let mut bytes = fs::read(&path).expect("entry");
    *bytes.last_mut().expect("bytes") ^= 1;
    fs::write(&path, bytes).expect("damage");
    assert_eq!(cache.get(&key), None);
    assert!(!path.exists());
}

#[test]
fn the_least_recently_used_entries_make_room() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let cache = Cache::new(folder.path().to_owned(), 3500);
    let keys = [of_bytes(b"1"), of_bytes(b"2"), of_bytes(b"3")];
    for (age, key) in keys.iter().enumerate() {
        cache.put(key, &entry(&[0; 1000])).expect("stored");
        let then = SystemTime::now() - Duration::from_secs(100 - age as u64);
        fs::File::options().append(true).open(cache.path(key)).expect("entry").set_modified(then).expect("aged");
    }
    // Reading the first makes the second the oldest.
    cache.get(&keys[0]).expect("present");
    cache.put(&of_bytes(b"4"), &entry(&[0; 1000])).expect("stored");
    let present = [keys[0], keys[1], keys[2], of_bytes(b"4")].map(|key| cache.get(&key).is_some());
    assert_eq!(present, [true, false, true, true]);
}
