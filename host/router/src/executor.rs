//! Threads for long calls: each goes on for a slice, then the service that has used the least is next.
//!
//! A slice is one poll: the sandbox yields at every epoch tick, a call that waits for a model gives its thread away. What a
//! slice took on the processor is charged to its service's [`Flow`](scorehost_core::order::Flow), so services share the
//! threads by time and weight, whatever the number of their calls. Calls of one service go on in their order, for turns of
//! a tenth of a second.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use scorehost_core::order::{FairQueue, Flow};
use scorehost_core::{Priority, ServiceName};
use tokio::runtime::Handle;

mod meter;
mod share;
mod task;

pub(crate) use meter::Meter;
pub(crate) use share::Share;
pub(crate) use task::Handed;

use meter::ThreadTime;
use task::{Slice, Task};

/// How far a service may be ahead of those that wait before its short calls have to wait in line, too, in virtual
/// nanoseconds: a few slices, so that a single short call never does.
const AHEAD: u64 = 5_000_000;

/// The threads of long calls, shared by all services of the host. They end when this is dropped.
pub struct Executor {
    shared: Arc<Shared>,
}

/// What tasks and threads share.
pub(crate) struct Shared {
    ready: Mutex<Ready>,
    arrived: Condvar,
    /// Calls that wait for a thread, for those who only ask.
    waiting: AtomicUsize,
    /// The queue's virtual time, for those who only ask.
    now: AtomicU64,
    meter: Arc<dyn Meter>,
    /// By service, so that all its versions share what is the service's.
    flows: Mutex<HashMap<ServiceName, Weak<Flow>>>,
    /// What a test's runtime waits for in place of threads.
    #[cfg(test)]
    woken: tokio::sync::Notify,
}

#[derive(Default)]
struct Ready {
    calls: FairQueue<Arc<dyn Slice>>,
    ended: bool,
}

impl Executor {
    /// Starts `threads` threads, at least one. Calls find `timers` there: the runtime whose timers and sockets they use.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(threads: usize, timers: &Handle) -> io::Result<Arc<Self>> {
        Self::metered(threads, timers, Arc::new(ThreadTime))
    }

    /// [`Executor::start`] with another count of what threads compute.
    pub(crate) fn metered(threads: usize, timers: &Handle, meter: Arc<dyn Meter>) -> io::Result<Arc<Self>> {
        let executor = Self::stepped(meter);
        for number in 0..threads.max(1) {
            let (shared, timers) = (Arc::clone(&executor.shared), timers.clone());
            let work = move || {
                let _context = timers.enter();
                while let Some(call) = shared.wait() {
                    call.go_on();
                }
            };
            thread::Builder::new().name(format!("scorer-{number}")).spawn(work)?;
        }
        Ok(executor)
    }

    /// One without threads: its calls go on only when they are told to.
    pub(crate) fn stepped(meter: Arc<dyn Meter>) -> Arc<Self> {
        let shared = Shared {
            ready: Mutex::default(),
            arrived: Condvar::new(),
            waiting: AtomicUsize::new(0),
            now: AtomicU64::new(0),
            meter,
            flows: Mutex::default(),
            #[cfg(test)]
            woken: tokio::sync::Notify::new(),
        };
        Arc::new(Self { shared: Arc::new(shared) })
    }

    /// The flow of a service, which is the same for all its versions.
    pub(crate) fn flow(&self, service: &ServiceName) -> Arc<Flow> {
        let mut flows = self.shared.flows.lock();
        if let Some(flow) = flows.get(service).and_then(Weak::upgrade) {
            return flow;
        }
        flows.retain(|_, flow| flow.strong_count() > 0);
        let flow = Flow::new();
        flows.insert(service.clone(), Arc::downgrade(&flow));
        flow
    }

    /// Goes on with a call on the threads; dropping what is returned ends the call at once.
    pub(crate) fn spawn<F>(&self, share: &Share, priority: Priority, call: F) -> Handed<F::Output>
    where
        F: Future + Send + Unpin + 'static,
        F::Output: Send,
    {
        Task::spawn(&self.shared, share.clone(), priority, call)
    }

    /// Whether calls wait for a thread.
    pub(crate) fn is_busy(&self) -> bool {
        self.shared.waiting.load(Relaxed) > 0
    }

    /// Whether a service has used more than those that wait for a thread, so that it has to wait with them.
    pub(crate) fn is_ahead(&self, share: &Share) -> bool {
        self.is_busy() && share.flow.spent() > self.shared.now.load(Relaxed) + AHEAD
    }

    /// Counts time that a service used on a thread of its own, which matters only while others wait.
    pub(crate) fn used_elsewhere(&self, share: &Share, took: Duration) {
        if self.is_busy() {
            share.flow.catch_up(self.shared.now.load(Relaxed));
            share.charge(took);
        }
    }

    /// One whose calls go on in a task of this runtime, so that a test's paused time waits for them.
    #[cfg(test)]
    pub(crate) fn driven(meter: Arc<dyn Meter>) -> Arc<Self> {
        let executor = Self::stepped(meter);
        let weak = Arc::downgrade(&executor);
        let shared = Arc::clone(&executor.shared);
        tokio::spawn(async move {
            loop {
                shared.woken.notified().await;
                while weak.upgrade().is_some_and(|executor| executor.step()) {
                    tokio::task::yield_now().await;
                }
            }
        });
        executor
    }

    /// Goes on with the next call for one slice, on this thread; false when none is ready.
    #[cfg(test)]
    pub(crate) fn step(&self) -> bool {
        let next = self.shared.take(&mut self.shared.ready.lock());
        next.map(|call| call.go_on()).is_some()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let left = {
            let mut ready = self.shared.ready.lock();
            ready.ended = true;
            ready.calls.drain()
        };
        self.shared.arrived.notify_all();
        drop(left);
    }
}

impl Shared {
    /// Puts a call in line; one that is under way goes before those of its service that are not.
    fn push(&self, share: &Share, priority: Priority, under_way: bool, call: Arc<dyn Slice>) {
        let mut ready = self.ready.lock();
        if ready.ended {
            return;
        }
        if under_way {
            ready.calls.push_front(&share.flow, priority, call);
        } else {
            ready.calls.push(&share.flow, priority, call);
        }
        self.waiting.store(ready.calls.len(), Relaxed);
        drop(ready);
        self.arrived.notify_one();
        #[cfg(test)]
        self.woken.notify_one();
    }

    fn take(&self, ready: &mut Ready) -> Option<Arc<dyn Slice>> {
        let call = ready.calls.pop()?;
        self.waiting.store(ready.calls.len(), Relaxed);
        self.now.store(ready.calls.now(), Relaxed);
        Some(call)
    }

    /// Waits for the next call; `None` when the threads are to end.
    fn wait(&self) -> Option<Arc<dyn Slice>> {
        let mut ready = self.ready.lock();
        loop {
            if ready.ended {
                return None;
            }
            if let Some(call) = self.take(&mut ready) {
                return Some(call);
            }
            self.arrived.wait(&mut ready);
        }
    }
}

#[cfg(test)]
mod tests;
