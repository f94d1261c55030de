#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Read;
use std::net::TcpListener;

use scorehost_core::ErrorKind;

use super::*;

fn nothing() -> impl FnMut(u64) {
    |_| ()
}

#[test]
fn a_server_that_is_not_there_comes_with_the_command_to_start_one() {
    // A port that was free a moment ago: bound and closed again.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Client::new(&format!("http://{address}")).unwrap().services().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.hint.unwrap().contains("scorehost serve"));
}

#[test]
fn a_url_that_is_none_is_refused() {
    for url in ["", "127.0.0.1:8080", "ftp://host", "http://", "https://", "http://a b"] {
        assert_eq!(Client::new(url).err().unwrap().kind, ErrorKind::InvalidInput, "{url}");
    }
}

#[test]
fn a_download_that_is_not_what_its_digest_says_is_refused() {
    let expected = digest_of_bytes(b"weights");
    let mut kept = Vec::new();
    content::copy_verified(&mut &b"weights"[..], &mut kept, &expected, &mut nothing()).unwrap();
    assert_eq!(kept, b"weights");
    let error = content::copy_verified(&mut &b"weight"[..], &mut kept, &expected, &mut nothing()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal);
}

#[test]
fn the_digest_of_a_stream_counts_its_bytes() {
    let mut seen = 0;
    let content = vec![7; 1 << 20];
    let (digest, size) = digest_of(&mut (&content[..]).take(1 << 20), &mut |bytes| seen += bytes).unwrap();
    assert_eq!((digest, size, seen), (digest_of_bytes(&content), 1 << 20, 1 << 20));
}
