//! What a guest prints and logs: cut into lines, bounded, handed to the service's log.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use scorehost_core::{LogLevel, Logs};

/// Bytes of one line; the rest of a longer line is left out.
const MAX_LINE: usize = 8 << 10;
/// Lines of one call.
const MAX_LINES: u64 = 10_000;
/// Bytes of one call.
const MAX_BYTES: u64 = 1 << 20;
/// Error lines kept to explain a trap, and bytes of each.
const LAST_WORDS: usize = 24;
const LAST_WORD: usize = 512;

/// The log of one replica: knows which request is running and how much of its budget is left.
pub(crate) struct Journal {
    logs: Arc<dyn Logs>,
    page: Mutex<Page>,
}

/// What one call has written.
struct Page {
    request_id: Arc<str>,
    lines: u64,
    bytes: u64,
    dropped_lines: u64,
    dropped_bytes: u64,
    last_words: VecDeque<String>,
    out: Partial,
    err: Partial,
}

/// The beginning of a line whose end was not printed yet.
#[derive(Default)]
struct Partial {
    text: Vec<u8>,
    cut: usize,
}

/// Which of a guest's two streams.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Out,
    Err,
}

impl Journal {
    pub(crate) fn new(logs: Arc<dyn Logs>) -> Self {
        Self { logs, page: Mutex::new(Page::new(Arc::from(""))) }
    }

    /// Begins the page of a call.
    pub(crate) fn begin(&self, request_id: &Arc<str>) {
        let mut page = self.page.lock();
        page.request_id = Arc::clone(request_id);
        page.reset();
    }

    /// Ends the page of a call: half lines are written, and what was dropped is counted in a last line.
    pub(crate) fn end(&self) {
        let mut page = self.page.lock();
        for stream in [Stream::Out, Stream::Err] {
            page.finish_line(&*self.logs, stream);
        }
        if page.dropped_lines > 0 {
            let (lines, bytes) = (page.dropped_lines, page.dropped_bytes);
            let line =
                format!("{lines} further lines ({bytes} bytes) of this call were dropped: beyond the log budget");
            self.logs.write(LogLevel::Warn, &page.request_id, &line);
        }
    }

    /// Writes the lines of a message.
    pub(crate) fn write(&self, level: LogLevel, message: &str) {
        let mut page = self.page.lock();
        for line in message.lines() {
            page.line(&*self.logs, level, line.as_bytes(), 0);
        }
    }

    /// Writes a line about something that was begun in a call, against the budget of the call that runs.
    pub(crate) fn write_for(&self, request_id: &Arc<str>, level: LogLevel, line: &str) {
        let mut page = self.page.lock();
        if page.request_id == *request_id {
            page.line(&*self.logs, level, line.as_bytes(), 0);
        } else {
            self.logs.write(level, request_id, line);
        }
    }

    /// Takes bytes that the guest printed.
    pub(crate) fn print(&self, stream: Stream, mut bytes: &[u8]) {
        let mut page = self.page.lock();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            page.partial(stream).extend(&bytes[..end]);
            page.finish_whole_line(&*self.logs, stream);
            bytes = &bytes[end + 1..];
        }
        page.partial(stream).extend(bytes);
    }

    /// The error lines of the running call, last ones only: what the guest said before it fell.
    pub(crate) fn last_words(&self) -> Vec<String> {
        let mut page = self.page.lock();
        page.finish_line(&*self.logs, Stream::Err);
        page.last_words.iter().cloned().collect()
    }

    /// Writes a line of the host's own, outside the guest's budget.
    pub(crate) fn remark(&self, level: LogLevel, text: &str) {
        let page = self.page.lock();
        for line in text.lines() {
            self.logs.write(level, &page.request_id, line);
        }
    }
}

impl Page {
    fn new(request_id: Arc<str>) -> Self {
        Self {
            request_id,
            lines: 0,
            bytes: 0,
            dropped_lines: 0,
            dropped_bytes: 0,
            last_words: VecDeque::new(),
            out: Partial::default(),
            err: Partial::default(),
        }
    }

    fn reset(&mut self) {
        (self.lines, self.bytes, self.dropped_lines, self.dropped_bytes) = (0, 0, 0, 0);
        self.last_words.clear();
        self.out.clear();
        self.err.clear();
    }

    const fn partial(&mut self, stream: Stream) -> &mut Partial {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    /// Writes a half line, if there is one.
    fn finish_line(&mut self, logs: &dyn Logs, stream: Stream) {
        if !self.partial(stream).text.is_empty() {
            self.finish_whole_line(logs, stream);
        }
    }

    fn finish_whole_line(&mut self, logs: &dyn Logs, stream: Stream) {
        let mut partial = std::mem::take(self.partial(stream));
        let level = match stream {
            Stream::Out => LogLevel::Info,
            Stream::Err => LogLevel::Warn,
        };
        self.line(logs, level, &partial.text, partial.cut);
        partial.clear();
        *self.partial(stream) = partial;
    }

    /// Counts a line against the budget and writes it where there is some left. `cut` bytes are missing at its end.
    fn line(&mut self, logs: &dyn Logs, level: LogLevel, line: &[u8], cut: usize) {
        let kept = &line[..line.len().min(MAX_LINE)];
        let cut = cut + line.len() - kept.len();
        if level >= LogLevel::Warn {
            self.remember(kept);
        }
        if self.lines >= MAX_LINES || self.bytes + kept.len() as u64 > MAX_BYTES {
            self.dropped_lines += 1;
            self.dropped_bytes += (kept.len() + cut) as u64;
            return;
        }
        self.lines += 1;
        self.bytes += kept.len() as u64;
        let text = String::from_utf8_lossy(kept);
        if cut == 0 {
            logs.write(level, &self.request_id, &text);
        } else {
            logs.write(level, &self.request_id, &format!("{text} [{cut} more bytes]"));
        }
    }

    fn remember(&mut self, line: &[u8]) {
        let mut text = if self.last_words.len() < LAST_WORDS {
            String::new()
        } else {
            self.last_words.pop_front().unwrap_or_default()
        };
        text.clear();
        text.push_str(&String::from_utf8_lossy(&line[..line.len().min(LAST_WORD)]));
        self.last_words.push_back(text);
    }
}

impl Partial {
    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.text.len();
        let kept = bytes.len().min(room);
        self.text.extend_from_slice(&bytes[..kept]);
        self.cut += bytes.len() - kept;
    }

    fn clear(&mut self) {
        self.text.clear();
        self.cut = 0;
    }
}

#[cfg(test)]
mod tests;
