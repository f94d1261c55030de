//! A call whose time on the processor is measured, and whose panic is an answer.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use scorehost_core::{BoxFuture, Clock, Deadline, Failure, ServiceName};

use crate::RouteError;

/// A call with everything that it owns, so that any thread can go on with it.
pub(crate) type Call<T> = BoxFuture<'static, Result<T, Failure>>;

/// A call with the time spent inside its polls so far: the work of a guest, without its waits.
pub(crate) struct Metered<T> {
    call: Option<Call<T>>,
    clock: Arc<dyn Clock>,
    /// When it was polled first.
    began: Option<Instant>,
    begin_by: Option<BeginBy>,
    spent: Duration,
}

/// The last moment at which beginning a call makes sense, and whose call it is.
pub(crate) struct BeginBy {
    pub(crate) moment: Deadline,
    pub(crate) service: ServiceName,
}

/// What a call came to.
pub(crate) struct Done<T> {
    pub(crate) answer: Result<T, Failure>,
    /// Time from its first poll to its end; `None` where it never began.
    pub(crate) took: Option<Duration>,
}

impl<T> Metered<T> {
    pub(crate) fn new(call: Call<T>, clock: Arc<dyn Clock>) -> Self {
        Self { call: Some(call), clock, began: None, begin_by: None, spent: Duration::ZERO }
    }

    /// Time spent inside polls so far.
    pub(crate) const fn spent(&self) -> Duration {
        self.spent
    }

    /// Refuses to begin later than that. A call that has begun goes on.
    pub(crate) fn begin_by(&mut self, begin_by: Option<BeginBy>) {
        self.begin_by = begin_by;
    }

    /// Why a call that is polled first at `now` comes too late.
    fn too_late(&mut self, now: Instant) -> Option<Done<T>> {
        let begin_by = self.begin_by.take()?;
        if self.began.is_some() || now <= begin_by.moment.instant() {
            return None;
        }
        self.call = None;
        let answer = Err(RouteError::Hopeless { service: begin_by.service }.into());
        Some(Done { answer, took: None })
    }
}

impl<T> Future for Metered<T> {
    type Output = Done<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done<T>> {
        let this = &mut *self;
        let start = this.clock.now();
        if let Some(done) = this.too_late(start) {
            return Poll::Ready(done);
        }
        let Some(call) = &mut this.call else { return Poll::Pending };
        let began = *this.began.get_or_insert(start);
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
        let end = this.clock.now();
        this.spent += end.saturating_duration_since(start);
        let answer = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(answer)) => answer,
            Err(panic) => Err(Failure::of_panic(&*panic)),
        };
        // Whatever the call holds (a replica) is released before its answer goes out.
        this.call = None;
        Poll::Ready(Done { answer, took: Some(end.saturating_duration_since(began)) })
    }
}
