#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Write};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

fn access<'a>(path: &'a str) -> Access<'a> {
    Access {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        protocol: "http",
        method: "POST",
        path,
        status: 200,
        duration: Duration::from_micros(1234),
        bytes_in: 10,
        bytes_out: Some(20),
        request_id: "r-1",
        trace_id: None,
        service: None,
        caller: None,
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
        kind: None,
        queue: Duration::ZERO,
        compute: Duration::ZERO,
    }
}

fn written(format: AccessFormat, access: &Access<'_>) -> String {
    let written = Written::default();
    let log = AccessLog::start(format, Sink::Stream(Box::new(written.clone()))).unwrap();
    log.record(access);
    log.flush();
    written.text()
}

#[test]
fn json_lines_hold_every_field() {
    let service = "echo".parse().unwrap();
    let full = Access {
        service: Some((&service, "2")),
        caller: Some("ada"),
        kind: Some(ErrorKind::Overloaded),
        trace_id: Some(0xabc),
        queue: Duration::from_micros(5),
        compute: Duration::from_micros(6),
        ..access("/a \"b\"\n\u{1}é")
    };
    let line = written(AccessFormat::Json, &full);
    assert!(line.ends_with("}\n"));
    let expected = json!({
        "time": "2023-11-14T22:13:20.123Z", "peer": "127.0.0.1", "protocol": "http", "method": "POST", "path": "/a \"b\"\n\u{1}é", "status": 200,
        "duration_us": 1234, "bytes_in": 10, "bytes_out": 20, "request_id": "r-1", "trace_id": "00000000000000000000000000000abc",
        "service": "echo", "version": "2", "queue_us": 5, "compute_us": 6, "caller": "ada", "kind": "overloaded",
    });
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
}

#[test]
fn text_lines_quote_only_what_needs_it() {
    let line = written(AccessFormat::Text, &Access { request_id: "", bytes_out: None, ..access("/a b\n") });
    assert_eq!(
        line,
        "2023-11-14T22:13:20.123Z peer=127.0.0.1 protocol=http method=POST path=\"/a b\\u000a\" status=200 duration_us=1234 bytes_in=10 \
         request_id=\"\"\n"
    );
}

#[test]
fn threads_lose_no_line() {
    let written = Written::default();
    let log = AccessLog::start(AccessFormat::Text, Sink::Stream(Box::new(written.clone()))).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..500).for_each(|_| log.record(&access("/x"))));
        }
    });
    log.flush();
    assert_eq!(written.text().lines().filter(|line| line.ends_with("request_id=r-1")).count(), 4000);
    assert_eq!(log.counts(), OutboxCounts { sent: 4000, dropped: 0, failed: 0 });
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let log = AccessLog::start(AccessFormat::Text, Sink::file(path.clone()).unwrap()).unwrap();
    log.record(&access("/one"));
    log.flush();
    std::fs::rename(&path, &moved).unwrap();
    log.record(&access("/two"));
    log.flush();
    assert!(std::fs::read_to_string(moved).unwrap().contains("path=/one"));
    let now = std::fs::read_to_string(path).unwrap();
    assert!(now.contains("path=/two") && !now.contains("path=/one"));
}

/// Refuses everything.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_that_cannot_be_written_are_counted() {
    let log = AccessLog::start(AccessFormat::Text, Sink::Stream(Box::new(Full))).unwrap();
    log.record(&access("/x"));
    log.flush();
    assert_eq!(log.counts().failed, 1);
}
