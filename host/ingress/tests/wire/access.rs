//! The access log: written where the filter asks for it, by every door.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::client::{exchange, get};
use crate::fakes::Server;

/// A log that the test can read.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_request_is_one_line() {
    let lines = Lines::default();
    let writer = lines.clone();
    // The server's threads are not this one, so the subscriber has to be the process's.
    tracing_subscriber::fmt().with_env_filter("off,access=debug").json().with_writer(move || writer.clone()).init();
    let server = Server::start();
    get(server.http(), "/v2/models/line-absent");
    exchange(server.http(), "POST", "/api/v1/service/script/score?line=2", &[("x-request-id", "r-1")], b"status-418");
    let long = format!("/line-{}", "x".repeat(1000));
    get(server.http(), &long);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line = |part: &str| -> Value {
        let mut found = text.lines().filter(|line| line.contains(part));
        let line = found.next().unwrap_or_else(|| panic!("no line with {part} in {text}"));
        assert!(found.next().is_none(), "{part} is there twice: {text}");
        serde_json::from_str::<Value>(line).unwrap()["fields"].take()
    };
    let absent = line("line-absent");
    assert_eq!(
        (&absent["protocol"], &absent["method"], &absent["status"]),
        (&"http".into(), &"GET".into(), &404.into())
    );
    assert_eq!(absent["request_id"].as_str().unwrap().len(), 32);
    let scored = line("r-1");
    assert_eq!((&scored["path"], &scored["status"]), (&"/api/v1/service/script/score".into(), &418.into()));
    assert!(scored["duration_us"].is_u64());
    assert_eq!(line("/line-x")["path"].as_str().unwrap().len(), 256);
}
