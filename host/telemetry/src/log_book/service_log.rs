//! One service's log: a budget in front of a ring.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use scorehost_core::{Clock, LogLevel, Logs, ServiceName};
use tokio::sync::Notify;

use super::follow::{Followed, Follower};
use super::ring::Ring;
use super::{LogConfig, LogLine, LogSink};

/// Request ids are the caller's text; more of one than this is cut.
const MAX_REQUEST_ID: usize = 128;

/// The log of one service.
pub struct ServiceLog {
    service: ServiceName,
    sink: Option<LogSink>,
    config: LogConfig,
    clock: Arc<dyn Clock>,
    started: Instant,
    book: Mutex<Book>,
    arrived: Notify,
    dropped: AtomicU64,
    /// Nanoseconds since `started` before which every line is dropped, so that a flood costs no lock.
    shut_until: AtomicU64,
    closed: AtomicBool,
}

struct Book {
    ring: Ring,
    window_ends: Duration,
    lines: u64,
    bytes: u64,
    /// Dropped lines that the ring already tells of.
    told: u64,
}

impl ServiceLog {
    pub(super) fn new(service: ServiceName, config: LogConfig, clock: Arc<dyn Clock>, sink: Option<LogSink>) -> Self {
        let ring = Ring::new(config.max_lines, config.max_bytes);
        let book = Mutex::new(Book { ring, window_ends: config.window, lines: 0, bytes: 0, told: 0 });
        let started = clock.now();
        let (dropped, shut_until) = (AtomicU64::new(0), AtomicU64::new(0));
        let (arrived, closed) = (Notify::new(), AtomicBool::new(false));
        Self { service, sink, config, clock, started, book, arrived, dropped, shut_until, closed }
    }

    /// The last `count` lines, oldest first.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<Arc<LogLine>> {
        self.book.lock().ring.tail(None, count)
    }

    /// The last `count` lines, of one version where it is given, and a follower of everything after them.
    #[must_use]
    pub fn tail_and_follow(self: &Arc<Self>, version: Option<&str>, count: usize) -> (Vec<Arc<LogLine>>, Follower) {
        let book = self.book.lock();
        let (tail, next) = (book.ring.tail(version, count), book.ring.next());
        drop(book);
        (tail, Follower::new(Arc::clone(self), next))
    }

    /// Lines dropped because the service wrote more than its budget.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The last `tail` lines and every one from then on. A follower that reads slower than the ring turns skips lines
    /// and is told how many.
    #[must_use]
    pub fn follow(self: &Arc<Self>, tail: usize) -> Follower {
        let from = {
            let book = self.book.lock();
            book.ring.next().saturating_sub(tail as u64).max(book.ring.first())
        };
        Follower::new(Arc::clone(self), from)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.arrived.notify_waiters();
    }

    pub(super) const fn arrived(&self) -> &Notify {
        &self.arrived
    }

    /// What a follower at line `number` gets now; `Err(true)` at the end of a closed log, `Err(false)` when it must wait.
    pub(super) fn read(&self, number: u64) -> Result<Followed, bool> {
        // Before the ring is looked at: what was written before the end must still be read.
        let closed = self.closed.load(Ordering::Acquire);
        let book = self.book.lock();
        match book.ring.first().checked_sub(number) {
            Some(skipped) if skipped > 0 => Ok(Followed::Skipped(skipped)),
            _ => book.ring.get(number).map(Followed::Line).ok_or(closed),
        }
    }

    fn drop_line(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn line(&self, version: &Arc<str>, level: LogLevel, request_id: &str, text: &str) -> LogLine {
        let (kept, cut) = cut(text, self.config.max_line_bytes);
        let text =
            if cut == 0 { kept.into() } else { format!("{kept}… ({cut} more bytes were cut)").into_boxed_str() };
        let (time, version, request_id) = (self.clock.wall(), Arc::clone(version), cut_id(request_id));
        LogLine { time, level, version, request_id, text }
    }

    fn append(&self, version: &Arc<str>, level: LogLevel, request_id: &str, line: &str) {
        let now = self.clock.now().saturating_duration_since(self.started);
        if nanos(now) < self.shut_until.load(Ordering::Relaxed) {
            return self.drop_line();
        }
        let line = self.line(version, level, request_id, line);
        let copy = self.sink.is_some().then(|| line.clone());
        {
            let mut book = self.book.lock();
            if !book.admit(&self.config, now, line.text.len() as u64) {
                self.shut_until.store(nanos(book.window_ends), Ordering::Relaxed);
                return self.drop_line();
            }
            book.tell_of_dropped(self.dropped(), &line);
            book.ring.push(line);
        }
        self.arrived.notify_waiters();
        if let (Some(sink), Some(line)) = (&self.sink, copy) {
            sink(&self.service, &line);
        }
    }
}

/// One version's hand on its service's log.
pub(super) struct VersionLog {
    pub(super) log: Arc<ServiceLog>,
    pub(super) version: Arc<str>,
}

impl Logs for VersionLog {
    fn write(&self, level: LogLevel, request_id: &str, line: &str) {
        self.log.append(&self.version, level, request_id, line);
    }
}

impl Logs for ServiceLog {
    /// Writes a line that is of no version.
    fn write(&self, level: LogLevel, request_id: &str, line: &str) {
        static NONE: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
        self.append(&NONE, level, request_id, line);
    }
}

impl Book {
    /// Takes a line of `bytes` out of the budget of the window around `now`.
    fn admit(&mut self, config: &LogConfig, now: Duration, bytes: u64) -> bool {
        if now >= self.window_ends {
            self.window_ends = now + config.window;
            (self.lines, self.bytes) = (0, 0);
        }
        let fits = self.lines < config.lines_per_window && self.bytes < config.bytes_per_window;
        if fits {
            self.lines += 1;
            self.bytes += bytes;
        }
        fits
    }

    /// Puts a line where others are missing, before the first that came through again.
    fn tell_of_dropped(&mut self, dropped: u64, after: &LogLine) {
        let untold = dropped - self.told;
        if untold == 0 {
            return;
        }
        self.told = dropped;
        let text = format!("{untold} lines were dropped here: the service wrote more than its log budget");
        let request_id = Box::default();
        let version = "".into();
        self.ring.push(LogLine { time: after.time, level: LogLevel::Warn, version, request_id, text: text.into() });
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn cut_id(request_id: &str) -> Box<str> {
    cut(request_id, MAX_REQUEST_ID).0.into()
}

/// The first `max` bytes of `text`, at a character's edge, and how many bytes are behind them.
fn cut(text: &str, max: usize) -> (&str, usize) {
    let kept = &text[..text.floor_char_boundary(max)];
    (kept, text.len() - kept.len())
}
