//! Callers that never pause, and what they were answered.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::host::Host;

/// What is asked again and again.
#[derive(Clone)]
pub(crate) struct Asked {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Asked {
    pub(crate) fn new(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { path: path.to_owned(), headers, body: body.to_vec() }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("POST {} HTTP/1.1\r\nhost: load\r\ncontent-length: {}\r\n", self.path, self.body.len());
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// What callers saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Answers with 200.
    pub(crate) answers: u64,
    /// Everything else, as it was.
    pub(crate) failures: Vec<String>,
    /// Answers with 200 by the version that they name.
    pub(crate) versions: BTreeMap<String, u64>,
}

impl Seen {
    /// Asserts that every request was answered, and that there were some.
    pub(crate) fn assert_whole(&self) {
        assert!(self.failures.is_empty(), "{} of {}: {:?}", self.failures.len(), self.answers, self.failures.first());
        assert!(self.answers > 0);
    }
}

/// Callers at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    callers: Vec<JoinHandle<Seen>>,
}

impl Load {
    /// Starts `callers` threads. Half of them keep their connection, the others change it after every tenth request.
    pub(crate) fn start(host: &Host, callers: usize, asked: &Asked) -> Self {
        let (stop, answered) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let start = |number: usize| {
            let (stop, answered, asked) = (Arc::clone(&stop), Arc::clone(&answered), asked.bytes());
            let (address, keeps) = (host.address(), number.is_multiple_of(2));
            std::thread::spawn(move || call(address, &asked, keeps, &stop, &answered))
        };
        let callers = (0..callers).map(start).collect();
        Self { stop, answered, callers }
    }

    /// Returns once `more` further requests were answered: whatever was changed before has met some.
    pub(crate) fn until_answered(&self, more: u64) {
        let (goal, give_up) = (self.answered.load(Ordering::Relaxed) + more, Instant::now() + Duration::from_secs(60));
        while self.answered.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < give_up, "nobody answers any more");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the calls and tells what they saw together.
    pub(crate) fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for seen in self.callers.into_iter().map(|caller| caller.join().unwrap()) {
            all.answers += seen.answers;
            all.failures.extend(seen.failures);
            for (version, count) in seen.versions {
                *all.versions.entry(version).or_default() += count;
            }
        }
        all
    }
}

fn call(address: SocketAddr, asked: &[u8], keeps: bool, stop: &AtomicBool, answered: &AtomicU64) -> Seen {
    let (mut seen, mut connection) = (Seen::default(), None);
    while !stop.load(Ordering::Relaxed) {
        if !keeps && seen.answers.is_multiple_of(10) {
            connection = None;
        }
        let open = connection.get_or_insert_with(|| BufReader::new(connect(address)));
        match exchange(open, asked) {
            Ok((200, version)) => {
                seen.answers += 1;
                *seen.versions.entry(version).or_default() += 1;
            }
            Ok((status, _)) => seen.failures.push(format!("status {status}")),
            Err(error) => {
                seen.failures.push(error.to_string());
                connection = None;
            }
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The status of the answer, and the version that it names.
fn exchange(connection: &mut BufReader<TcpStream>, asked: &[u8]) -> std::io::Result<(u16, String)> {
    connection.get_mut().write_all(asked)?;
    let (mut status, mut length, mut version) = (0, 0, String::new());
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        match line.split_once(": ") {
            None if line.is_empty() => break,
            None => status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0),
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("x-scorehost-version", value)) => value.clone_into(&mut version),
            Some(_) => {}
        }
    }
    connection.read_exact(&mut vec![0; length])?;
    Ok((status, version))
}
