//! One call on the executor: ready, running, waiting for something, or over.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use scorehost_core::Priority;
use tokio::sync::oneshot;

use super::{Share, Shared};

/// How long a call goes on before others of its own service do, in nanoseconds. Longer than usual calls, so that these
/// end in the order in which they began instead of all at once and late.
const TURN: u64 = 100_000_000;

/// Waits to be woken.
const IDLE: u8 = 0;
/// In the executor's queue.
const READY: u8 = 1;
/// On a thread.
const RUNNING: u8 = 2;
/// On a thread, and woken meanwhile: it is ready again as soon as its slice ends.
const WOKEN: u8 = 3;

/// A call that can go on for a slice.
pub(crate) trait Slice: Send + Sync {
    /// Polls it once on this thread, and charges what that took.
    fn go_on(self: Arc<Self>);
    /// Ends it at once, or as soon as its slice ends.
    fn abort(&self);
}

pub(crate) struct Task<F: Future> {
    shared: Arc<Shared>,
    share: Share,
    priority: Priority,
    state: AtomicU8,
    /// Nanoseconds computed so far.
    spent: AtomicU64,
    /// Of these, in the present turn.
    turn: AtomicU64,
    slot: Mutex<Slot<F>>,
}

/// The call itself where it is not on a thread, and where its end is told.
struct Slot<F: Future> {
    call: Option<F>,
    done: Option<oneshot::Sender<(F::Output, Duration)>>,
    aborted: bool,
}

/// A call on the executor. Completes with its output and the time it computed there; `None` when it panicked or the
/// executor ended. Dropping it ends the call.
pub(crate) struct Handed<T> {
    done: oneshot::Receiver<(T, Duration)>,
    task: Arc<dyn Slice>,
}

impl<F> Task<F>
where
    F: Future + Send + Unpin + 'static,
    F::Output: Send,
{
    pub(super) fn spawn(shared: &Arc<Shared>, share: Share, priority: Priority, call: F) -> Handed<F::Output> {
        let (send, done) = oneshot::channel();
        let task = Arc::new(Self {
            shared: Arc::clone(shared),
            share,
            priority,
            state: AtomicU8::new(READY),
            spent: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            slot: Mutex::new(Slot { call: Some(call), done: Some(send), aborted: false }),
        });
        shared.push(&task.share, priority, false, Arc::clone(&task) as _);
        Handed { done, task }
    }

    fn poll(self: &Arc<Self>, call: &mut F) -> Option<Poll<F::Output>> {
        let waker = Waker::from(Arc::clone(self));
        let mut context = Context::from_waker(&waker);
        let meter = &self.shared.meter;
        let before = meter.thread_time();
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(call).poll(&mut context)));
        let took = meter.thread_time().saturating_sub(before);
        self.share.charge(took);
        self.share.count(took);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.spent.fetch_add(nanos, Relaxed);
        self.turn.fetch_add(nanos, Relaxed);
        polled.ok()
    }

    fn end(&self, output: Option<F::Output>) {
        let done = self.slot.lock().done.take();
        if let (Some(done), Some(output)) = (done, output) {
            // Whoever waited may have gone meanwhile.
            let _ = done.send((output, Duration::from_nanos(self.spent.load(Relaxed))));
        }
    }

    /// The slice ended and the call did not.
    fn put_back(self: Arc<Self>, call: F) {
        let mut slot = self.slot.lock();
        if slot.aborted {
            drop(slot);
            drop(call);
            return;
        }
        slot.call = Some(call);
        drop(slot);
        if self.state.compare_exchange(RUNNING, IDLE, AcqRel, Acquire).is_err() {
            self.state.store(READY, Relaxed);
            self.line_up();
        }
    }

    fn line_up(self: Arc<Self>) {
        let turn_over = self.turn.load(Relaxed) >= TURN;
        if turn_over {
            self.turn.store(0, Relaxed);
        }
        let (shared, share) = (Arc::clone(&self.shared), self.share.clone());
        shared.push(&share, self.priority, !turn_over, self);
    }
}

impl<F> Slice for Task<F>
where
    F: Future + Send + Unpin + 'static,
    F::Output: Send,
{
    fn go_on(self: Arc<Self>) {
        self.state.store(RUNNING, Relaxed);
        let Some(mut call) = self.slot.lock().call.take() else { return };
        match self.poll(&mut call) {
            Some(Poll::Pending) => self.put_back(call),
            Some(Poll::Ready(output)) => {
                // Whatever the call holds is released before its answer goes out.
                drop(call);
                self.end(Some(output));
            }
            None => {
                drop(call);
                self.end(None);
            }
        }
    }

    fn abort(&self) {
        let mut slot = self.slot.lock();
        slot.aborted = true;
        let call = slot.call.take();
        drop(slot);
        drop(call);
    }
}

impl<F> Wake for Task<F>
where
    F: Future + Send + Unpin + 'static,
    F::Output: Send,
{
    fn wake(self: Arc<Self>) {
        let next = |state| match state {
            IDLE => Some(READY),
            RUNNING => Some(WOKEN),
            _ => None,
        };
        if self.state.fetch_update(AcqRel, Acquire, next) == Ok(IDLE) {
            self.line_up();
        }
    }
}

impl<T> Future for Handed<T> {
    type Output = Option<(T, Duration)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.done).poll(cx).map(Result::ok)
    }
}

impl<T> Drop for Handed<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
