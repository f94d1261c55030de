//! A call whose time on the processor is measured, and whose panic is an answer.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use scorehost_core::{BoxFuture, Clock, Failure};

/// A call with everything that it owns, so that any thread can go on with it.
pub(crate) type Call<T> = BoxFuture<'static, Result<T, Failure>>;

/// A call with the time spent inside its polls so far: the work of a guest, without its waits.
pub(crate) struct Metered<T> {
    call: Option<Call<T>>,
    clock: Arc<dyn Clock>,
    spent: Duration,
}

impl<T> Metered<T> {
    pub(crate) fn new(call: Call<T>, clock: Arc<dyn Clock>) -> Self {
        Self { call: Some(call), clock, spent: Duration::ZERO }
    }

    /// Time spent inside polls so far.
    pub(crate) const fn spent(&self) -> Duration {
        self.spent
    }
}

impl<T> Future for Metered<T> {
    /// The call's answer and the time spent.
    type Output = (Result<T, Failure>, Duration);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(call) = &mut this.call else { return Poll::Pending };
        let start = this.clock.now();
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
        this.spent += this.clock.now().saturating_duration_since(start);
        let answer = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(answer)) => answer,
            Err(panic) => Err(Failure::of_panic(&*panic)),
        };
        // Whatever the call holds (a replica) is released before its answer goes out.
        this.call = None;
        Poll::Ready((answer, this.spent))
    }
}
