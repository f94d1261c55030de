//! The last lines of a log, numbered from its beginning.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use scorehost_core::LogLevel;

/// One line of a service's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub time: SystemTime,
    /// Severity.
    pub level: LogLevel,
    /// The version of the service that wrote it; empty where it is the service's own line.
    pub version: Arc<str>,
    /// The request being handled; empty outside one.
    pub request_id: Box<str>,
    /// What was written.
    pub text: Box<str>,
}

impl LogLine {
    /// Whether it is a line of that version; lines of the service itself belong to all.
    #[must_use]
    pub fn is_of(&self, version: Option<&str>) -> bool {
        version.is_none_or(|version| self.version.is_empty() || *self.version == *version)
    }

    fn bytes(&self) -> usize {
        self.request_id.len() + self.text.len()
    }
}

/// Lines `first..next()` of all that were ever pushed, within two bounds.
#[derive(Debug)]
pub(super) struct Ring {
    lines: VecDeque<Arc<LogLine>>,
    first: u64,
    bytes: usize,
    max_lines: usize,
    max_bytes: usize,
}

impl Ring {
    pub(super) fn new(max_lines: usize, max_bytes: usize) -> Self {
        Self { lines: VecDeque::new(), first: 0, bytes: 0, max_lines: max_lines.max(1), max_bytes }
    }

    /// Appends a line and lets go of the oldest ones; the newest stays, however long it is.
    pub(super) fn push(&mut self, line: LogLine) {
        self.bytes += line.bytes();
        self.lines.push_back(Arc::new(line));
        while self.lines.len() > self.max_lines || (self.bytes > self.max_bytes && self.lines.len() > 1) {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.first += 1;
        }
    }

    /// Number of the oldest line that is still here.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// Number that the next line will get.
    pub(super) fn next(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<LogLine>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.lines.get(index).cloned()
    }

    /// The last `count` lines, oldest first; of one version where it is given.
    pub(super) fn tail(&self, version: Option<&str>, count: usize) -> Vec<Arc<LogLine>> {
        let of_version = |line: &&Arc<LogLine>| line.is_of(version);
        let mut tail: Vec<_> = self.lines.iter().rev().filter(of_version).take(count).cloned().collect();
        tail.reverse();
        tail
    }
}
