//! Reading a log as it grows.

use std::sync::Arc;

use super::{LogLine, ServiceLog};

/// What a follower reads next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// The next line.
    Line(Arc<LogLine>),
    /// So many lines left the ring before they were read.
    Skipped(u64),
}

/// A reader of a growing log. It holds a position, no lines: any number of slow followers costs nothing.
pub struct Follower {
    log: Arc<ServiceLog>,
    next: u64,
}

impl Follower {
    pub(super) const fn new(log: Arc<ServiceLog>, next: u64) -> Self {
        Self { log, next }
    }

    /// Waits for the next line; `None` once the log is closed and read to its end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Followed> {
        let log = Arc::clone(&self.log);
        let mut arrived = std::pin::pin!(log.arrived().notified());
        loop {
            // Registered before looking, so that a line written in between wakes.
            arrived.as_mut().enable();
            match log.read(self.next) {
                Ok(read) => return Some(self.advance(read)),
                Err(true) => return None,
                Err(false) => arrived.as_mut().await,
            }
            arrived.set(log.arrived().notified());
        }
    }

    fn advance(&mut self, read: Followed) -> Followed {
        self.next += match &read {
            Followed::Line(_) => 1,
            Followed::Skipped(lines) => *lines,
        };
        read
    }
}
