//! The pool itself: the lock, and what happens outside it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use scorehost_core::order::Ticket;
use scorehost_core::{Clock, Failure, Interface, Replica, ReplicaFactory};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::creation::Creation;
use crate::state::State;
use crate::waiting::{Place, Waits};
use crate::{Lent, PoolConfig, PoolError, PoolLoad, PoolSignals, Want};

/// Hears that callers wait for replicas which the maximum does not allow. Must not block.
pub type WhenShort = Box<dyn Fn() + Send + Sync>;

/// The replicas of one version of one service.
pub struct Pool {
    factory: Arc<dyn ReplicaFactory>,
    config: PoolConfig,
    /// Where replicas are made: `init` of a scorer may compute for long, so never on a thread that answers requests.
    runtime: Handle,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    rested: Notify,
    when_short: OnceLock<WhenShort>,
}

impl Pool {
    /// An empty pool that makes its replicas on `runtime`.
    #[must_use]
    pub fn new(
        factory: Arc<dyn ReplicaFactory>,
        config: PoolConfig,
        runtime: Handle,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let state = Mutex::new(State::new(&config, clock.now()));
        let (rested, when_short) = (Notify::new(), OnceLock::new());
        Arc::new(Self { factory, config, runtime, clock, state, rested, when_short })
    }

    /// Names who hears that callers wait while the pool is at its maximum. Only the first one named does.
    pub fn when_short(&self, hears: WhenShort) {
        let _ = self.when_short.set(hears);
    }

    /// Makes the replicas of the minimum, at least one, and tells how they are called.
    ///
    /// # Errors
    /// What kept a replica from being made. Those that were made stay.
    pub async fn warm(self: &Arc<Self>) -> Result<Interface, Failure> {
        let pool = Arc::clone(self);
        let first = self.runtime.spawn(async move {
            let replica = pool.factory.create().await?;
            let interface = replica.interface().clone();
            pool.adopt(replica);
            Ok::<_, Failure>(interface)
        });
        let interface = first.await.map_err(Failure::internal)??;
        let others: Vec<_> = self.plan().into_iter().map(|creation| self.runtime.spawn(creation.run())).collect();
        for other in others {
            other.await.map_err(Failure::internal)??;
        }
        Ok(interface)
    }

    /// Lends an idle replica, where there is one.
    pub fn try_lend(self: &Arc<Self>) -> Option<Lent> {
        let replica = self.state.lock().lend(self.clock.now())?;
        Some(Lent::new(replica, Arc::clone(self)))
    }

    /// Lends a replica: an idle one, else the next that is made or given back. Callers are served by priority and then in
    /// their order, every eighth time the one that has waited longest.
    ///
    /// Dropping the future leaves the line. Waiting needs a tokio timer.
    ///
    /// # Errors
    /// When the line is full or too long, the longest wait or the deadline passes, or no replica can be made.
    pub async fn lend(self: &Arc<Self>, want: &Want) -> Result<Lent, PoolError> {
        if let Some(lent) = self.try_lend() {
            return Ok(lent);
        }
        let now = self.clock.now();
        let mut place = self.line_up(want, now)?;
        self.start_creations();
        let left = want.deadline.map(|deadline| deadline.remaining(now));
        let longest = left.map_or(self.config.max_queue_wait, |left| left.min(self.config.max_queue_wait));
        match timeout(longest, place.delivery()).await {
            Ok(delivered) => delivered,
            Err(_) => Err(self.waited_in_vain(longest)),
        }
    }

    fn waited_in_vain(&self, waited: Duration) -> PoolError {
        if waited < self.config.max_queue_wait {
            return PoolError::Deadline;
        }
        PoolError::QueueWait { waited }
    }

    fn line_up(self: &Arc<Self>, want: &Want, now: Instant) -> Result<Place, PoolError> {
        let (deliver, delivered) = oneshot::channel();
        let mut state = self.state.lock();
        if state.signals().total() == 0
            && let Some(cause) = state.backing_off(now)
        {
            return Err(PoolError::Create { cause: cause.clone() });
        }
        // A replica may have come back since the first look.
        if let Some(replica) = state.lend(now) {
            let _ = deliver.send(Ok(replica));
            return Ok(Place::new(Arc::clone(self), None, delivered));
        }
        let waits = Waits { now, max_queue: self.config.max_queue, max_wait: self.config.max_queue_wait };
        let ticket = state.enqueue(want, waits, deliver)?;
        Ok(Place::new(Arc::clone(self), Some(ticket), delivered))
    }

    /// What the pool is doing.
    #[must_use]
    pub fn signals(&self) -> PoolSignals {
        self.state.lock().signals()
    }

    /// What the pool is doing and did since the last call of this function. One reader at most.
    #[must_use]
    pub fn load(&self) -> PoolLoad {
        self.state.lock().load(self.clock.now())
    }

    /// Changes the bounds: `kept` replicas stay while they are idle, and calls may make up to `most`. Missing ones are made at
    /// once; surplus ones end when they are idle, and no call ends for it.
    pub fn resize(self: &Arc<Self>, kept: usize, most: usize) {
        let surplus = self.state.lock().resize(kept, most);
        drop(surplus);
        self.start_creations();
    }

    /// Lets idle replicas go, makes none in advance any more, and waits until every call has ended. Callers that still
    /// hold the pool are served.
    pub async fn drain(&self) {
        let idle = {
            let mut state = self.state.lock();
            state.draining = true;
            state.shed(0)
        };
        drop(idle);
        loop {
            let mut rested = std::pin::pin!(self.rested.notified());
            // Registered before looking, so that an end in between wakes.
            rested.as_mut().enable();
            if self.state.lock().at_rest() {
                return;
            }
            rested.await;
        }
    }

    pub(crate) fn factory(&self) -> &dyn ReplicaFactory {
        &*self.factory
    }

    pub(crate) fn leave(&self, ticket: Ticket) {
        self.change(|state| {
            state.leave(ticket);
            None
        });
    }

    /// A lent replica came back: it goes on, or is retired and replaced.
    pub(crate) fn take_back(self: &Arc<Self>, replica: Box<dyn Replica>) {
        let (healthy, now) = (replica.healthy(), self.clock.now());
        let ended = self.change(|state| {
            state.returned(now);
            if healthy { state.place(replica, now) } else { Some(replica) }
        });
        // The common way ends here, without a second look at the state.
        if ended.is_some() {
            drop(ended);
            self.start_creations();
        }
    }

    /// A creation ended.
    pub(crate) fn created(self: &Arc<Self>, created: Result<Box<dyn Replica>, Failure>) {
        let now = self.clock.now();
        let surplus = self.change(|state| match created {
            Ok(replica) => {
                state.created();
                state.place(replica, now)
            }
            Err(cause) => {
                tracing::warn!(%cause, detail = cause.detail, "a replica could not be made");
                state.not_created(now, &self.config, cause);
                None
            }
        });
        drop(surplus);
    }

    /// Takes in a replica that nobody planned.
    fn adopt(self: &Arc<Self>, replica: Box<dyn Replica>) {
        let now = self.clock.now();
        let surplus = self.change(|state| state.place(replica, now));
        drop(surplus);
    }

    /// Changes the state and tells whoever drains. What comes out is dropped by the caller, outside the lock.
    fn change(&self, change: impl FnOnce(&mut State) -> Option<Box<dyn Replica>>) -> Option<Box<dyn Replica>> {
        let mut state = self.state.lock();
        let out = change(&mut state);
        if state.draining && state.at_rest() {
            self.rested.notify_waiters();
        }
        out
    }

    fn plan(self: &Arc<Self>) -> Vec<Creation> {
        let (planned, short) = {
            let mut state = self.state.lock();
            (state.plan_creations(self.clock.now()), state.take_short())
        };
        if short && let Some(hears) = self.when_short.get() {
            hears();
        }
        (0..planned).map(|_| Creation::new(Arc::clone(self))).collect()
    }

    fn start_creations(self: &Arc<Self>) {
        for creation in self.plan() {
            self.runtime.spawn(creation.run());
        }
    }
}

#[cfg(test)]
mod tests;
