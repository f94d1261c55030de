//! Operations: what was asked, how far it is, and how it ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use scorehost_core::{Clock, Failure, ServiceName, VersionName};
use tokio::sync::watch;

use crate::wire::{Error, LogLine, Operation, OperationState};

/// Lines kept of one operation; the first and the latest say most, so those in between go.
const MAX_LINES: usize = 200;

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
    /// Whether a restart would know of it.
    recorded: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
}

impl Progress {
    fn new(operation: Operation, clock: &Arc<dyn Clock>) -> Arc<Self> {
        let (cancelled, recorded) = (watch::Sender::new(false), watch::Sender::new(false));
        Arc::new(Self { current: watch::Sender::new(operation), cancelled, recorded, clock: Arc::clone(clock) })
    }

    pub(crate) fn current(&self) -> Operation {
        self.current.borrow().clone()
    }

    /// What is being done now; the log tells when it began.
    pub(crate) fn phase(&self, phase: &str) {
        let now = millis(&*self.clock);
        self.current.send_modify(|operation| {
            if !operation.state.finished() {
                phase.clone_into(&mut operation.phase);
                write(operation, now, phase.to_owned());
            }
        });
    }

    /// The operation as it is once it has ended so.
    pub(crate) fn ended(&self, result: &Result<(), End>, remains: Option<String>) -> Operation {
        let mut operation = self.current();
        let now = millis(&*self.clock);
        match result {
            Ok(()) => {
                operation.state = OperationState::Succeeded;
                write(&mut operation, now, "done".to_owned());
            }
            Err(end) => {
                operation.state = end.state;
                operation.error = Some((&end.failure).into());
                write(&mut operation, now, format!("{}: {}", end.state.name(), end.failure));
                if let Some(remains) = &remains {
                    write(&mut operation, now, remains.clone());
                }
                operation.remains = remains;
            }
        }
        operation
    }

    /// Ends the operation; the first end counts.
    pub(crate) fn finish(&self, ended: Operation) {
        self.current.send_if_modified(|operation| {
            let ends = !operation.state.finished();
            if ends {
                *operation = ended;
            }
            ends
        });
    }

    /// Tells that a restart would know of it from now on.
    pub(crate) fn record(&self) {
        self.recorded.send_replace(true);
    }

    /// Returns once a restart would know of it, or it has ended before.
    pub(crate) async fn recorded(&self) {
        let mut recorded = self.recorded.subscribe();
        tokio::select! {
            // The sender lives in `self`, so the channel cannot close while this waits.
            _ = recorded.wait_for(|recorded| *recorded) => {}
            _ = self.finished() => {}
        }
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

fn write(operation: &mut Operation, now: u64, text: String) {
    if operation.log.len() >= MAX_LINES {
        operation.log.remove(MAX_LINES / 2);
    }
    operation.log.push(LogLine { time_ms: now, text });
    operation.revision += 1;
    operation.updated_ms = now;
}

/// What is asked of an operation.
pub(crate) struct Asked<'a> {
    pub(crate) action: &'static str,
    pub(crate) service: &'a ServiceName,
    pub(crate) version: Option<&'a VersionName>,
    pub(crate) warnings: Vec<String>,
}

/// The operations that this host remembers.
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
    /// Ids that were forgotten and whose documents are still there.
    forgotten: Vec<String>,
}

impl Operations {
    pub(crate) fn new(clock: Arc<dyn Clock>, limit: usize) -> Self {
        Self { epoch: format!("{:x}", millis(&*clock)), limit, clock, known: Mutex::default() }
    }

    pub(crate) fn start(&self, asked: Asked<'_>) -> Arc<Progress> {
        let mut known = self.known();
        known.started += 1;
        let now = millis(&*self.clock);
        let mut operation = Operation {
            id: format!("{}-{}", self.epoch, known.started),
            action: asked.action.to_owned(),
            service: asked.service.to_string(),
            version: asked.version.map(ToString::to_string),
            state: OperationState::Running,
            phase: "accepted".to_owned(),
            revision: 0,
            warnings: asked.warnings,
            log: Vec::new(),
            started_ms: now,
            updated_ms: now,
            error: None,
            remains: None,
        };
        write(&mut operation, now, "accepted".to_owned());
        let progress = Progress::new(operation, &self.clock);
        known.operations.push_back(Arc::clone(&progress));
        known.forget(self.limit);
        progress
    }

    /// Takes in what a former process wrote down, oldest first. What was under way then was cut off, and nothing of it
    /// is kept.
    pub(crate) fn recall(&self, mut former: Vec<Operation>) {
        former.sort_by(|a, b| (a.started_ms, &a.id).cmp(&(b.started_ms, &b.id)));
        let mut known = self.known();
        for mut operation in former {
            if !operation.state.finished() {
                cut_off(&mut operation);
            }
            known.operations.push_back(Progress::new(operation, &self.clock));
        }
        known.forget(self.limit);
    }

    /// Ids of operations that are no longer remembered, each told once.
    pub(crate) fn forgotten(&self) -> Vec<String> {
        std::mem::take(&mut self.known().forgotten)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Progress>> {
        self.known().operations.iter().find(|progress| progress.current.borrow().id == id).cloned()
    }

    /// All that are remembered, or those of one service, newest first and without their logs.
    pub(crate) fn list(&self, service: Option<&str>) -> Vec<Operation> {
        let known = self.known();
        let wanted = known
            .operations
            .iter()
            .rev()
            .filter(|progress| service.is_none_or(|service| progress.current.borrow().service == service));
        wanted.map(|progress| Operation { log: Vec::new(), ..progress.current() }).collect()
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
            let oldest = self.operations.remove(oldest);
            self.forgotten.extend(oldest.map(|progress| progress.current().id));
        }
    }
}

fn cut_off(operation: &mut Operation) {
    let message = format!("the server stopped while it was in phase '{}'", operation.phase);
    operation.state = OperationState::Cancelled;
    operation.error = Some(Error {
        kind: scorehost_core::ErrorKind::Unavailable.name().to_owned(),
        message: message.clone(),
        hint: Some("repeat it".to_owned()),
    });
    operation.remains = Some("nothing of it was kept".to_owned());
    let now = operation.updated_ms;
    write(operation, now, message);
}

/// Unix time in milliseconds.
pub(crate) fn millis(clock: &dyn Clock) -> u64 {
    clock.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
