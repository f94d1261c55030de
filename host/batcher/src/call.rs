//! A call that waits for a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use scorehost_core::{CallContext, Failure, ModelId, NamedValues, OutputIndices, OutputSet};
use tokio::sync::oneshot;

use crate::config::BatchConfig;
use crate::customer::Customer;
use crate::lane::Lane;
use crate::{DispatchError, QueueLimits, rows};

/// What comes of a call.
pub(crate) type Answer = Result<NamedValues, Failure>;

/// What a call wants of a graph's outputs.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Their places in the signature, in the order wanted.
    pub(crate) outputs: OutputIndices,
    /// Those that may stay on the device.
    pub(crate) keep: OutputSet,
}

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Whether a waiting call has started; its caller and a worker race to decide.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU8);

impl Progress {
    fn start(&self) -> bool {
        self.0.compare_exchange(WAITING, STARTED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// True when no worker has started the call, and from now on none will.
    pub(crate) fn give_up(&self) -> bool {
        self.0.compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// How a call may be merged with others.
#[derive(Clone)]
pub(crate) struct Mergeable {
    pub(crate) config: Arc<BatchConfig>,
    /// Calls of one number are merged, those of different numbers never.
    pub(crate) group: u64,
    /// Rows of every input; at least 1.
    pub(crate) rows: u64,
}

/// A call that waits for a worker.
pub(crate) struct QueuedCall {
    pub(crate) lane: Arc<Lane>,
    pub(crate) customer: Arc<Customer>,
    pub(crate) model: ModelId,
    /// In the signature's order where they can be merged.
    pub(crate) inputs: NamedValues,
    pub(crate) wanted: Wanted,
    pub(crate) call: CallContext,
    pub(crate) progress: Arc<Progress>,
    pub(crate) answer: oneshot::Sender<Answer>,
    /// When it came.
    pub(crate) arrived: Instant,
    /// When it got in line; later where it waited for company before.
    pub(crate) since: Instant,
    /// Calls of the same customer before it when it joined.
    pub(crate) ahead: usize,
    /// `None` where it runs alone.
    pub(crate) mergeable: Option<Mergeable>,
}

impl QueuedCall {
    /// Why waiting for `expected` makes no sense.
    pub(crate) fn in_vain(&self, expected: Duration, limits: &QueueLimits) -> Option<DispatchError> {
        let model = || self.model.clone();
        if expected > limits.max_wait {
            return Some(DispatchError::LongQueue { model: model(), expected, limit: limits.max_wait });
        }
        let left = self.call.deadline?.remaining(self.since);
        let expected = expected + self.takes().unwrap_or_default();
        (expected > left).then(|| DispatchError::Hopeless { model: model(), expected, left })
    }

    /// Whether its caller has gone.
    pub(crate) fn is_left(&self) -> bool {
        self.answer.is_closed()
    }

    /// True when it is to run now, and no one else runs it.
    pub(crate) fn start(&self) -> bool {
        !self.is_left() && self.progress.start()
    }

    /// Rows; 1 where they are not known.
    pub(crate) fn rows(&self) -> u64 {
        self.mergeable.as_ref().map_or(1, |mergeable| mergeable.rows)
    }

    /// How long its run is likely to take; `None` where nothing like it has run.
    pub(crate) fn takes(&self) -> Option<Duration> {
        let by_rows = |rows| self.lane.curve(rows::bytes(&self.inputs), rows).predict(rows);
        let known = self.mergeable.as_ref().and_then(|mergeable| by_rows(mergeable.rows));
        known.or_else(|| self.lane.likely())
    }

    /// Answers it after it `waited` for a worker. Its caller may have gone meanwhile.
    pub(crate) fn answer(self, answer: Answer, waited: Duration) {
        if answer.is_ok()
            && let Some(statistics) = self.customer.statistics()
        {
            statistics.waited_for_worker(waited);
        }
        let _ = self.answer.send(answer);
    }

    /// Whether it and another one may be in one run, as far as their graphs, deployments and shapes go.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (&self.mergeable, &other.mergeable) else { return false };
        Arc::ptr_eq(&self.lane, &other.lane) && one.group == two.group && rows::alike(&self.inputs, &other.inputs)
    }

    /// Why it is not run at `now`: its answer would come too late. `alone` is whether nothing else waited for a worker:
    /// then it is tried all the same, or else a wrong expectation would never be put right.
    pub(crate) fn too_late(&self, now: Instant, alone: bool) -> Option<DispatchError> {
        let deadline = self.call.deadline?;
        if deadline.passed(now) {
            return Some(DispatchError::Deadline { model: self.model.clone() });
        }
        let (left, expected) = (deadline.remaining(now), self.takes()?);
        let hopeless = !alone && expected > left;
        hopeless.then(|| DispatchError::Hopeless { model: self.model.clone(), expected, left })
    }
}
