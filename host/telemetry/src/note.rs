//! What the rooms below a door learn of a request, for its access line and its span. Where nobody asked for either, writing
//! costs one look at the task's state.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{ErrorKind, ServiceName};

/// What is known of the request that a task answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The service and the version that answered or failed.
    pub service: Option<(ServiceName, Arc<str>)>,
    /// Who called, where somebody was asked.
    pub caller: Option<Arc<str>>,
    /// The kind of the failure, where it failed.
    pub kind: Option<ErrorKind>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Waiting for a replica.
    pub queue: Duration,
    /// The scorer or the model.
    pub compute: Duration,
}

impl Note {
    /// The version of a service that took the request.
    pub fn answered_by(&mut self, service: &ServiceName, version: &Arc<str>) {
        self.service = Some((service.clone(), Arc::clone(version)));
    }
}

tokio::task_local! {
    static NOTE: RefCell<Note>;
}

/// Writes to the note of the request that this task answers; does nothing where no note is kept.
pub fn write(write: impl FnOnce(&mut Note)) {
    // A failure means that no note is kept.
    let _ = NOTE.try_with(|note| write(&mut note.borrow_mut()));
}

/// Runs `work` with a note; returns its output and what was noted.
pub async fn keep<F: Future>(work: F) -> (F::Output, Note) {
    let kept = async {
        let output = work.await;
        (output, NOTE.with(RefCell::take))
    };
    NOTE.scope(RefCell::default(), kept).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn what_is_written_below_is_read_above_and_only_there() {
        write(|_| panic!("no note is kept here"));
        let ((), noted) = keep(async {
            write(|note| note.answered_by(&"echo".parse().unwrap(), &"2".into()));
            tokio::task::yield_now().await;
            write(|note| note.kind = Some(ErrorKind::Deadline));
        })
        .await;
        assert_eq!(noted.service, Some(("echo".parse().unwrap(), "2".into())));
        assert_eq!(noted.kind, Some(ErrorKind::Deadline));
        write(|_| panic!("no note is kept any more"));
    }
}
