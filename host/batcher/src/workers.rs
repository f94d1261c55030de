//! The threads that run long calls.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use scorehost_core::Clock;
use scorehost_core::order::FairQueue;

use crate::batch::Turn;
use crate::call::QueuedCall;
use crate::forming::Forming;
use crate::gather::Gathering;
use crate::{DispatchError, QueueLimits};

#[derive(Default)]
struct Line {
    calls: FairQueue<QueuedCall>,
    /// Calls that wait for company before they get in line.
    forming: Forming,
    ended: bool,
}

/// The calls that wait. The next one is of the service whose runs took the least time so far, by weight, so that a flood of
/// one service, or its long runs, delay another's call by one run per worker. Calls of several services to one graph stand
/// here together: with the one whose turn it is go those that can be in the same run.
struct Shared {
    line: Mutex<Line>,
    arrived: Condvar,
    clock: Arc<dyn Clock>,
}

/// A fixed number of worker threads; they end when this is dropped.
pub(crate) struct Workers {
    shared: Arc<Shared>,
}

impl Workers {
    pub(crate) fn start(count: usize, clock: Arc<dyn Clock>) -> Result<Self, DispatchError> {
        let shared = Shared { line: Mutex::default(), arrived: Condvar::new(), clock };
        let workers = Self { shared: Arc::new(shared) };
        for number in 0..count {
            let shared = Arc::clone(&workers.shared);
            let thread = std::thread::Builder::new().name(format!("graph-{number}"));
            thread.spawn(move || shared.work()).map_err(|error| DispatchError::Workers(error.to_string()))?;
        }
        Ok(workers)
    }

    /// Gets a call in line.
    ///
    /// # Errors
    /// When the line of its service is full, or so long that it would wait in vain.
    pub(crate) fn line_up(&self, call: QueuedCall, limits: &QueueLimits) -> Result<(), DispatchError> {
        let mut line = self.shared.line.lock();
        line.admit(&call, limits)?;
        let now = call.since;
        let ready = line.forming.add(call, now);
        ready.into_iter().for_each(|call| line.push(call));
        drop(line);
        self.shared.arrived.notify_one();
        Ok(())
    }

    /// Calls that wait.
    pub(crate) fn queued(&self) -> usize {
        let line = self.shared.line.lock();
        line.calls.len() + line.forming.len()
    }
}

impl Line {
    fn admit(&mut self, call: &QueuedCall, limits: &QueueLimits) -> Result<(), DispatchError> {
        let (flow, priority) = (&call.customer.flow, call.call.priority);
        let queued = |line: &Self| line.calls.line(flow).map_or(0, |waiting| waiting.len()) + line.forming.of(flow);
        if queued(self) >= limits.max_queue {
            // Calls whose callers gave up hold no place.
            self.calls.retain(flow, |waiting| !waiting.is_left());
            self.forming.forget_left();
        }
        let ahead = self.calls.line(flow).map_or(0, |waiting| waiting.ahead(priority));
        if let Some(expected) = call.customer.expected_wait(ahead)
            && let Some(error) = call.in_vain(expected, limits)
        {
            return Err(error);
        }
        let full = queued(self);
        if full < limits.max_queue {
            return Ok(());
        }
        let error = |model| DispatchError::QueueFull { model, queued: full };
        let gives_way = self.calls.displace(flow, priority).ok_or_else(|| error(call.model.clone()))?;
        let refusal = error(gives_way.model.clone());
        // Its caller may have gone meanwhile.
        let _ = gives_way.answer.send(Err(refusal.into()));
        Ok(())
    }

    fn push(&mut self, call: QueuedCall) {
        let (flow, priority) = (Arc::clone(&call.customer.flow), call.call.priority);
        let ahead = self.calls.line(&flow).map_or(0, |waiting| waiting.ahead(priority));
        self.calls.push(&flow, priority, QueuedCall { ahead, ..call });
    }

    /// The next calls to run, started; `None` where none waits in line.
    fn next(&mut self, now: std::time::Instant) -> Option<Turn> {
        for call in self.forming.due(now, self.ended) {
            self.push(QueuedCall { since: now, ..call });
        }
        loop {
            let head = self.calls.pop()?;
            if !head.start() {
                continue;
            }
            for call in self.forming.along_with(&head) {
                self.push(QueuedCall { since: now, ..call });
            }
            let mut calls = self.company(&head, now);
            let alone = calls.is_empty() && self.calls.is_empty();
            calls.insert(0, head);
            return Some(Turn { calls, alone });
        }
    }

    /// The calls that run with `head`, started.
    fn company(&mut self, head: &QueuedCall, now: std::time::Instant) -> Vec<QueuedCall> {
        if self.calls.is_empty() {
            return Vec::new();
        }
        let Some(mut gathering) = Gathering::of(head, now) else { return Vec::new() };
        let mut company = self.calls.company(|call| gathering.ask(call));
        let preferred = head.mergeable.as_ref().map_or(u64::MAX, |head| head.config.preferred_up_to(gathering.rows()));
        let mut rows = gathering.rows();
        while rows > preferred {
            let Some(call) = company.pop() else { break };
            rows -= call.rows();
            let (flow, priority) = (Arc::clone(&call.customer.flow), call.call.priority);
            self.calls.push_front(&flow, priority, call);
        }
        company.retain(QueuedCall::start);
        company
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.line.lock().ended = true;
        self.shared.arrived.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(turn) = self.next() {
            turn.serve();
        }
    }

    /// Waits for the next turn; `None` when the workers are to end and nothing is left.
    fn next(&self) -> Option<Turn> {
        let mut line = self.line.lock();
        loop {
            let now = self.clock.now();
            if let Some(turn) = line.next(now) {
                return Some(turn);
            }
            if line.ended {
                return None;
            }
            match line.forming.next_due() {
                None => self.arrived.wait(&mut line),
                Some(due) => {
                    self.arrived.wait_for(&mut line, due.saturating_duration_since(now));
                }
            }
        }
    }
}
