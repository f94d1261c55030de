#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use scorehost_core::{LogLevel, Logs};

use super::*;

struct Moved(Mutex<Instant>);

impl Moved {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Instant::now())))
    }

    fn advance(&self, by: Duration) {
        *self.0.lock() += by;
    }
}

impl Clock for Moved {
    fn now(&self) -> Instant {
        *self.0.lock()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

fn log(config: LogConfig) -> (Arc<Moved>, LogBook, Arc<ServiceLog>) {
    let clock = Moved::new();
    let book = LogBook::new(config, clock.clone());
    let log = book.service(&name());
    (clock, book, log)
}

fn name() -> ServiceName {
    "echo".parse().unwrap()
}

fn texts(lines: &[Arc<LogLine>]) -> Vec<&str> {
    lines.iter().map(|line| &*line.text).collect()
}

fn write(log: &ServiceLog, text: &str) {
    log.write(LogLevel::Info, "r", text);
}

#[test]
fn the_tail_is_the_last_lines_oldest_first() {
    let (_, book, log) = log(LogConfig { max_lines: 3, ..LogConfig::default() });
    ["a", "b", "c", "d"].iter().for_each(|text| write(&log, text));
    assert_eq!(texts(&log.tail(2)), ["c", "d"]);
    assert_eq!(texts(&log.tail(100)), ["b", "c", "d"]);
    assert!(Arc::ptr_eq(&log, &book.find(&name()).unwrap()));
}

#[test]
fn a_flood_keeps_to_its_memory_and_is_counted() {
    let config = LogConfig { lines_per_window: 100, max_bytes: 1000, max_lines: 50, ..LogConfig::default() };
    let (clock, _, log) = log(config);
    let line = "x".repeat(90);
    (0..10_000).for_each(|_| write(&log, &line));
    assert_eq!(log.dropped(), 9_900);
    let kept = log.tail(usize::MAX);
    assert!(kept.iter().map(|line| line.text.len() + line.request_id.len()).sum::<usize>() <= 1000);

    clock.advance(Duration::from_secs(2));
    write(&log, "after");
    let [told, after] = &log.tail(2)[..] else { panic!("two lines") };
    assert_eq!(&*told.text, "9900 lines were dropped here: the service wrote more than its log budget");
    assert_eq!((&*after.text, told.level), ("after", LogLevel::Warn));
    write(&log, "next");
    assert_eq!(texts(&log.tail(2)), ["after", "next"], "told once");
}

#[test]
fn bytes_have_a_budget_too() {
    let (_, _, log) = log(LogConfig { bytes_per_window: 1000, ..LogConfig::default() });
    let line = "x".repeat(400);
    (0..10).for_each(|_| write(&log, &line));
    assert_eq!(log.dropped(), 7);
}

#[test]
fn a_long_line_is_cut_at_a_character() {
    let (_, _, log) = log(LogConfig { max_line_bytes: 4, ..LogConfig::default() });
    write(&log, "abcäöü");
    assert_eq!(texts(&log.tail(1)), ["abc… (6 more bytes were cut)"]);
}

#[tokio::test]
async fn a_follower_starts_with_the_tail_and_goes_on() {
    let (_, _, log) = log(LogConfig::default());
    ["a", "b"].iter().for_each(|text| write(&log, text));
    let mut follower = log.follow(1);
    let line = |followed: Option<Followed>| match followed {
        Some(Followed::Line(line)) => line.text.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(line(follower.next().await), "b");
    let writer = Arc::clone(&log);
    let (next, ()) = tokio::join!(follower.next(), async move { write(&writer, "c") });
    assert_eq!(line(next), "c");
}

#[tokio::test]
async fn a_slow_follower_is_told_how_many_lines_it_missed() {
    let (_, _, log) = log(LogConfig { max_lines: 2, ..LogConfig::default() });
    let mut follower = log.follow(0);
    ["a", "b", "c", "d", "e"].iter().for_each(|text| write(&log, text));
    assert_eq!(follower.next().await, Some(Followed::Skipped(3)));
    assert!(matches!(follower.next().await, Some(Followed::Line(line)) if &*line.text == "d"));
}

#[tokio::test]
async fn followers_of_a_removed_service_read_to_the_end() {
    let (_, book, log) = log(LogConfig::default());
    let mut follower = log.follow(0);
    write(&log, "last");
    book.remove(&name());
    assert!(matches!(follower.next().await, Some(Followed::Line(_))));
    assert_eq!(follower.next().await, None);
    assert!(book.find(&name()).is_none());
}

#[test]
fn lines_are_told_apart_by_version_and_each_goes_to_the_sink() {
    let copies = Arc::new(Mutex::new(Vec::new()));
    let sink: LogSink = {
        let copies = Arc::clone(&copies);
        Arc::new(move |service, line| copies.lock().push(format!("{service}/{}: {}", line.version, line.text)))
    };
    let book = LogBook::new(LogConfig::default(), Moved::new()).with_sink(sink);
    let (one, two) = (book.writer(&name(), &"1".into()), book.writer(&name(), &"2".into()));
    one.write(LogLevel::Info, "r", "a");
    two.write(LogLevel::Info, "r", "b");
    one.write(LogLevel::Info, "r", "c");
    let log = book.find(&name()).unwrap();
    assert_eq!(texts(&log.tail(9)), ["a", "b", "c"]);
    assert_eq!(texts(&log.tail_and_follow(Some("1"), 9).0), ["a", "c"]);
    assert_eq!(texts(&log.tail_and_follow(Some("1"), 1).0), ["c"]);
    assert_eq!(*copies.lock(), ["echo/1: a", "echo/2: b", "echo/1: c"]);
}

#[tokio::test]
async fn a_follower_begins_where_the_tail_ends() {
    let (_, _, log) = log(LogConfig::default());
    write(&log, "a");
    let (tail, mut follower) = log.tail_and_follow(None, 9);
    write(&log, "b");
    assert_eq!(texts(&tail), ["a"]);
    assert!(matches!(follower.next().await, Some(Followed::Line(line)) if &*line.text == "b"));
}
