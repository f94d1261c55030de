//! The threads that run long calls.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use scorehost_core::order::FairQueue;

use crate::lane::QueuedCall;
use crate::{DispatchError, QueueLimits};

#[derive(Default)]
struct Line {
    calls: FairQueue<QueuedCall>,
    ended: bool,
}

/// The calls that wait. The next one is of the service whose runs took the least time so far, by weight, so that a flood of
/// one service, or its long runs, delay another's call by one run per worker. Calls of several services to one graph stand
/// here together: this is where they can become one batch.
#[derive(Default)]
struct Shared {
    line: Mutex<Line>,
    arrived: Condvar,
}

/// A fixed number of worker threads; they end when this is dropped.
pub(crate) struct Workers {
    shared: Arc<Shared>,
}

impl Workers {
    pub(crate) fn start(count: usize) -> Result<Self, DispatchError> {
        let workers = Self { shared: Arc::default() };
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
        let (flow, priority) = (Arc::clone(&call.customer.flow), call.call.priority);
        let ahead = line.calls.line(&flow).map_or(0, |waiting| waiting.ahead(priority));
        line.calls.push(&flow, priority, QueuedCall { ahead, ..call });
        drop(line);
        self.shared.arrived.notify_one();
        Ok(())
    }

    /// Calls that wait.
    pub(crate) fn queued(&self) -> usize {
        self.shared.line.lock().calls.len()
    }
}

impl Line {
    fn admit(&mut self, call: &QueuedCall, limits: &QueueLimits) -> Result<(), DispatchError> {
        let (flow, priority) = (&call.customer.flow, call.call.priority);
        let queued = |line: &Self| line.calls.line(flow).map_or(0, |waiting| waiting.len());
        if queued(self) >= limits.max_queue {
            // Calls whose callers gave up hold no place.
            self.calls.retain(flow, |waiting| !waiting.is_left());
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
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.line.lock().ended = true;
        self.shared.arrived.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        while let Some((call, alone)) = self.next() {
            if call.start() {
                call.serve(alone);
            }
        }
    }

    /// Waits for the next call, and tells whether it is the only one; `None` when the workers are to end and none is left.
    fn next(&self) -> Option<(QueuedCall, bool)> {
        let mut line = self.line.lock();
        loop {
            if let Some(call) = line.calls.pop() {
                return Some((call, line.calls.is_empty()));
            }
            if line.ended {
                return None;
            }
            self.arrived.wait(&mut line);
        }
    }
}
