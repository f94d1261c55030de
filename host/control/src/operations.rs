//! Operations: what was asked, how far it is, and how it ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use scorehost_core::{Clock, Failure, ServiceName};
use tokio::sync::watch;

use crate::wire::{Operation, OperationState};

/// How an operation ended badly.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) state: OperationState,
    pub(crate) failure: Failure,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self { state: OperationState::Failed, failure }
    }
}

/// One operation, shared by the task that carries it out and those who watch it.
pub(crate) struct Progress {
    current: watch::Sender<Operation>,
    cancelled: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
}

impl Progress {
    pub(crate) fn current(&self) -> Operation {
        self.current.borrow().clone()
    }

    /// Tells what is being done now.
    pub(crate) fn phase(&self, phase: &str) {
        self.change(|operation| phase.clone_into(&mut operation.phase));
    }

    /// Ends the operation; the first end counts.
    pub(crate) fn finish(&self, result: Result<(), End>) {
        self.change(|operation| match result {
            Ok(()) => operation.state = OperationState::Succeeded,
            Err(end) => {
                operation.state = end.state;
                operation.error = Some((&end.failure).into());
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Operation)) {
        let now = millis(&*self.clock);
        self.current.send_modify(|operation| {
            if operation.state.finished() {
                return;
            }
            change(operation);
            operation.revision += 1;
            operation.updated_ms = now;
        });
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Returns once someone cancels.
    pub(crate) async fn cancelled(&self) {
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }

    /// The operation as soon as its revision is above `after`, or as it is when `limit` has passed.
    pub(crate) async fn after(&self, after: u64, limit: Duration) -> Operation {
        let mut changes = self.current.subscribe();
        let newer = changes.wait_for(|operation| operation.revision > after || operation.state.finished());
        let _ = tokio::time::timeout(limit, newer).await;
        self.current()
    }

    /// The operation when it has ended.
    pub(crate) async fn finished(&self) -> Operation {
        let _ = self.current.subscribe().wait_for(|operation| operation.state.finished()).await;
        self.current()
    }
}

/// The operations of this process.
pub(crate) struct Operations {
    /// Start of the process in hexadecimal, so that ids are not used again after a restart.
    epoch: String,
    limit: usize,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    started: u64,
    operations: VecDeque<Arc<Progress>>,
}

impl Operations {
    pub(crate) fn new(clock: Arc<dyn Clock>, limit: usize) -> Self {
        Self { epoch: format!("{:x}", millis(&*clock)), limit, clock, known: Mutex::default() }
    }

    pub(crate) fn start(&self, action: &str, service: &ServiceName, warnings: Vec<String>) -> Arc<Progress> {
        let mut known = self.known();
        known.started += 1;
        let now = millis(&*self.clock);
        let operation = Operation {
            id: format!("{}-{}", self.epoch, known.started),
            action: action.to_owned(),
            service: service.to_string(),
            state: OperationState::Running,
            phase: "accepted".to_owned(),
            revision: 1,
            warnings,
            started_ms: now,
            updated_ms: now,
            error: None,
        };
        let progress = Arc::new(Progress {
            current: watch::Sender::new(operation),
            cancelled: watch::Sender::new(false),
            clock: Arc::clone(&self.clock),
        });
        known.operations.push_back(Arc::clone(&progress));
        known.forget(self.limit);
        progress
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Progress>> {
        self.known().operations.iter().find(|progress| progress.current.borrow().id == id).cloned()
    }

    /// All that are remembered, newest first.
    pub(crate) fn list(&self) -> Vec<Operation> {
        self.known().operations.iter().rev().map(|progress| progress.current()).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Forgets the oldest finished operations beyond `limit`; running ones stay, their number is that of services.
    fn forget(&mut self, limit: usize) {
        while self.operations.len() > limit {
            let finished = |progress: &Arc<Progress>| progress.current.borrow().state.finished();
            let Some(oldest) = self.operations.iter().position(finished) else { return };
            self.operations.remove(oldest);
        }
    }
}

/// Unix time in milliseconds.
pub(crate) fn millis(clock: &dyn Clock) -> u64 {
    clock.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
