#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;

fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_list_of_cargo_auditable_is_read() {
    let text = br#"{"packages":[
        {"name":"serde","version":"1.0.1","source":"crates.io","dependencies":[1]},
        {"name":"cc","version":"1.0.9","source":"crates.io","kind":"build"},
        {"name":"mine","version":"0.1.0","source":"local","root":true}]}"#;
    let found = auditable(&packed(text)).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].version.as_str()), ("serde", "1.0.1"));
}

#[test]
fn damaged_and_bursting_lists_are_none() {
    assert_eq!(auditable(b"not zlib"), None);
    assert_eq!(auditable(&packed(b"{")), None);
    assert_eq!(auditable(&packed(&vec![b' '; (MAX_LIST as usize) + 10])), None);
    assert_eq!(listed(b"[]"), None);
}
