//! Calls of deployments with a delay, while they wait for others although a worker may be free.

use std::time::{Duration, Instant};

use scorehost_core::order::Flow;

use crate::call::QueuedCall;

/// Batches that form at once, over all graphs and shapes; further calls do not wait for company.
const MOST: usize = 64;

/// Alike calls.
struct Batch {
    calls: Vec<QueuedCall>,
    rows: u64,
    due: Instant,
}

/// The batches that form.
#[derive(Default)]
pub(crate) struct Forming {
    batches: Vec<Batch>,
}

impl Forming {
    /// Lets a call wait for others, where it may; returns those whose wait is over.
    pub(crate) fn add(&mut self, call: QueuedCall, now: Instant) -> Vec<QueuedCall> {
        let Some((due, enough)) = patience(&call, now) else { return vec![call] };
        let known = self.batches.iter().position(|batch| batch.calls.first().is_some_and(|first| first.fits(&call)));
        let index = match known {
            Some(index) => index,
            None if self.batches.len() < MOST => {
                self.batches.push(Batch { calls: Vec::new(), rows: 0, due });
                self.batches.len() - 1
            }
            None => return vec![call],
        };
        let batch = &mut self.batches[index];
        batch.rows += call.rows();
        batch.due = batch.due.min(due);
        batch.calls.push(call);
        if batch.rows >= enough { self.batches.swap_remove(index).calls } else { Vec::new() }
    }

    /// The calls whose delay has ended; all where `end`.
    pub(crate) fn due(&mut self, now: Instant, end: bool) -> Vec<QueuedCall> {
        self.take(|batch| end || batch.due <= now)
    }

    /// The calls that can go along with one that is about to run.
    pub(crate) fn along_with(&mut self, call: &QueuedCall) -> Vec<QueuedCall> {
        if self.batches.is_empty() {
            return Vec::new();
        }
        self.take(|batch| batch.calls.first().is_some_and(|first| first.fits(call)))
    }

    fn take(&mut self, ready: impl Fn(&Batch) -> bool) -> Vec<QueuedCall> {
        let mut taken = Vec::new();
        self.batches.retain_mut(|batch| {
            let goes = ready(batch);
            if goes {
                taken.append(&mut batch.calls);
            }
            !goes
        });
        taken
    }

    /// When the next delay ends.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.batches.iter().map(|batch| batch.due).min()
    }

    /// Calls of one flow.
    pub(crate) fn of(&self, flow: &Flow) -> usize {
        let calls = self.batches.iter().flat_map(|batch| &batch.calls);
        calls.filter(|call| std::ptr::eq(&*call.customer.flow, flow)).count()
    }

    /// Calls of all.
    pub(crate) fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.calls.len()).sum()
    }

    /// Drops the calls whose callers gave up.
    pub(crate) fn forget_left(&mut self) {
        for batch in &mut self.batches {
            batch.calls.retain(|call| !call.is_left());
            batch.rows = batch.calls.iter().map(QueuedCall::rows).sum();
        }
        self.batches.retain(|batch| !batch.calls.is_empty());
    }
}

/// Until when a call waits for others, and for how many rows; `None` where it does not wait. What a call has left to its deadline is not
/// waited away: half of it stays, and at least twice the time of a run.
fn patience(call: &QueuedCall, now: Instant) -> Option<(Instant, u64)> {
    let mergeable = call.mergeable.as_ref()?;
    let config = &mergeable.config;
    let spare = |left: Duration| (left / 2).min(left.saturating_sub(2 * call.takes().unwrap_or_default()));
    let last = call.call.deadline.map(|deadline| spare(deadline.remaining(now)));
    let delay = last.map_or(config.max_delay, |last| last.min(config.max_delay));
    let enough = config.enough().min(call.lane.limit(mergeable, &call.inputs));
    (!delay.is_zero() && mergeable.rows < enough).then(|| (now + delay, enough))
}
