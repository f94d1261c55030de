//! Where a call computes: on the caller's thread while calls like it are short, else on the executor in its service's share.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use scorehost_core::order::take_long_slice;
use scorehost_core::{Clock, Deadline, Failure, Priority, ServiceName};
use scorehost_telemetry::{CostEstimate, Typical};

use super::Runtime;
use crate::executor::Share;
use crate::metered::{BeginBy, Call, Done, Metered};

/// The calls of one version of a service: whose time they use, and how much they usually use.
pub(super) struct Calls {
    pub(super) runtime: Runtime,
    pub(super) share: Share,
    pub(super) clock: Arc<dyn Clock>,
    /// Time on the processor.
    cost: CostEstimate,
    /// From the beginning to the end of a call on the executor, other calls' turns included.
    runs: Typical,
}

/// What is known of one call before it runs.
pub(super) struct Job<'a> {
    pub(super) service: &'a ServiceName,
    /// Size of its input.
    pub(super) bytes: usize,
    pub(super) priority: Priority,
    /// When it must have ended; `None` runs it however late it begins.
    pub(super) deadline: Option<Deadline>,
}

impl Calls {
    pub(super) fn new(runtime: Runtime, share: Share, clock: Arc<dyn Clock>) -> Self {
        Self { runtime, share, clock, cost: CostEstimate::default(), runs: Typical::default() }
    }

    /// Whether calls of others wait for a thread of the executor, so that every service's time counts.
    pub(super) fn contended(&self) -> bool {
        self.runtime.executor.is_busy()
    }

    /// Runs a call of a scorer.
    pub(super) async fn run<T: Send + 'static>(&self, job: &Job<'_>, call: Call<T>) -> Result<T, Failure> {
        let limit = self.runtime.inline_limit;
        let short = self.cost.within(job.bytes, limit);
        self.run_within(job, call, if short { limit } else { Duration::ZERO }).await
    }

    /// Runs a call that is short, or goes elsewhere by itself when it is long: a model's.
    pub(super) async fn run_model<T: Send + 'static>(&self, job: &Job<'_>, call: Call<T>) -> Result<T, Failure> {
        self.run_within(job, call, Duration::MAX).await
    }

    /// Runs a call here until it has computed for `limit`, unless its service has had more than its share.
    async fn run_within<T: Send + 'static>(&self, job: &Job<'_>, call: Call<T>, limit: Duration) -> Result<T, Failure> {
        let mut call = Metered::new(call, Arc::clone(&self.clock));
        if !limit.is_zero() && !self.runtime.executor.is_ahead(&self.share) {
            let done = here(&mut call, limit).await;
            let spent = call.spent();
            self.runtime.executor.used_elsewhere(&self.share, spent);
            self.share.count(spent);
            if let Some(done) = done {
                self.cost.record(job.bytes, spent);
                return done.answer;
            }
        }
        self.hand_over(job, call).await
    }

    async fn hand_over<T: Send + 'static>(&self, job: &Job<'_>, mut call: Metered<T>) -> Result<T, Failure> {
        let before = call.spent();
        call.begin_by(self.begin_by(job));
        let handed = self.runtime.executor.spawn(&self.share, job.priority, call);
        let Some((done, spent)) = handed.await else {
            return Err(Failure::internal("a call on the executor got lost"));
        };
        if let Some(took) = done.took {
            self.cost.record(job.bytes, before + spent);
            self.runs.record(took);
        }
        done.answer
    }

    /// The last moment at which a call can begin and still end in time.
    fn begin_by(&self, job: &Job<'_>) -> Option<BeginBy> {
        let moment = job.deadline?.instant().checked_sub(self.runs.likely()?)?;
        Some(BeginBy { moment: Deadline::at(moment), service: job.service.clone() })
    }
}

/// Polls a call on this thread; `None` once it has computed for longer than `limit`, or is about to, and is not done.
async fn here<T>(call: &mut Metered<T>, limit: Duration) -> Option<Done<T>> {
    poll_fn(|cx| {
        take_long_slice();
        match Pin::new(&mut *call).poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if take_long_slice() || call.spent() > limit => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
