use parking_lot::Mutex as Lock;

use super::*;

#[derive(Default)]
struct Lines(Lock<Vec<(LogLevel, String, String)>>);

impl Logs for Lines {
    fn write(&self, level: LogLevel, request_id: &str, line: &str) {
        self.0.lock().push((level, request_id.to_owned(), line.to_owned()));
    }
}

fn journal() -> (Arc<Lines>, Journal) {
    let lines = Arc::new(Lines::default());
    let journal = Journal::new(Arc::clone(&lines) as Arc<dyn Logs>);
    journal.begin(&Arc::from("r1"));
    (lines, journal)
}

fn texts(lines: &Lines) -> Vec<String> {
    lines.0.lock().iter().map(|(_, _, line)| line.clone()).collect()
}

#[test]
fn prints_are_joined_to_lines_and_half_lines_come_out_at_the_end() {
    let (lines, journal) = journal();
    journal.print(Stream::Out, b"on");
    journal.print(Stream::Err, b"oh");
    journal.print(Stream::Out, b"e\ntwo\n\nthr");
    assert_eq!(texts(&lines), ["one", "two", ""]);
    journal.end();
    assert_eq!(texts(&lines)[3..], ["thr", "oh"]);
    assert_eq!(lines.0.lock()[4], (LogLevel::Warn, "r1".into(), "oh".into()));
}

#[test]
fn a_long_line_is_cut_and_says_by_how_much() {
    let (lines, journal) = journal();
    journal.print(Stream::Out, &[b'a'; MAX_LINE]);
    journal.print(Stream::Out, b"bcd\n");
    journal.write(LogLevel::Info, &"a".repeat(MAX_LINE + 5));
    let cut = |bytes: usize| format!("{} [{bytes} more bytes]", "a".repeat(MAX_LINE));
    assert_eq!(texts(&lines), [cut(3), cut(5)]);
}

#[test]
fn a_message_cannot_pass_for_several_lines_beyond_the_budget() {
    let (lines, journal) = journal();
    journal.write(LogLevel::Info, &"x\n".repeat(MAX_LINES as usize + 7));
    journal.end();
    let texts = texts(&lines);
    assert_eq!(texts.len() as u64, MAX_LINES + 1);
    assert!(texts[texts.len() - 1].starts_with("7 further lines (7 bytes)"));
}

#[test]
fn every_call_has_its_own_budget() {
    let (lines, journal) = journal();
    journal.write(LogLevel::Info, &"x\n".repeat(MAX_LINES as usize + 1));
    journal.end();
    let before = texts(&lines).len();
    journal.begin(&Arc::from("r2"));
    journal.write(LogLevel::Error, "boom");
    assert_eq!(lines.0.lock()[before..], [(LogLevel::Error, "r2".into(), "boom".into())]);
    assert_eq!(journal.last_words(), ["boom"]);
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let (lines, journal) = journal();
    journal.print(Stream::Out, b"caf\xff\n");
    assert_eq!(texts(&lines), ["caf\u{fffd}"]);
}
