//! One store, and the rules of a call into it: a deadline that stops it, and a mark that stays when it does not return.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{CallContext, Deadline, ErrorKind, Failure};
use wasmtime::{Store, UpdateDeadline};

use crate::deployed::Deployed;
use crate::engine::Shared;
use crate::fault::{TimeUp, fault};
use crate::state::State;
use crate::ticker::Running;

/// Epochs from the beginning of a call to the first look at it: at least one whole tick.
const FIRST_LOOK: u64 = 2;
/// How much later than the guest's own deadline a call that waits in the host is given up. The guest's trap comes first
/// where it can, because it brings a backtrace.
const GRACE: Duration = Duration::from_millis(5);

/// A guest instance's store.
pub(crate) struct Sandbox {
    pub(crate) store: Store<State>,
    engine: Arc<Shared>,
    calling: bool,
}

/// A call under way.
pub(crate) struct Turn {
    give_up: tokio::time::Instant,
    _running: Running,
}

impl Sandbox {
    pub(crate) fn new(engine: &Arc<Shared>, environment: &Arc<Deployed>) -> Self {
        let deadline = Deadline::at(engine.clock.now());
        let mut store = Store::new(&engine.wasm, State::new(Arc::clone(environment), engine, deadline));
        store.limiter(|state| &mut state.limits);
        let memory = usize::try_from(environment.grants.memory_bytes).unwrap_or(usize::MAX);
        store.set_hostcall_fuel(memory.max(1 << 20));
        store.epoch_deadline_callback(|store| look(store.data()));
        Self { store, engine: Arc::clone(engine), calling: false }
    }

    /// Whether the last call ended in an orderly way.
    pub(crate) const fn healthy(&self) -> bool {
        !self.calling
    }

    /// Bytes of its linear memories. They only grow.
    pub(crate) fn memory(&self) -> u64 {
        self.store.data().limits.held()
    }

    /// Begins a call that may take `limit`, and no longer than the request's deadline.
    pub(crate) fn begin(&mut self, call: &CallContext, limit: Duration) -> Result<Turn, Failure> {
        let now = self.engine.clock.now();
        let own = Deadline::after(now, limit);
        let deadline = call.deadline.map_or(own, |deadline| deadline.earlier(own));
        if deadline.passed(now) {
            let message = "the request's deadline passed before the scorer was called";
            return Err(Failure::new(ErrorKind::Deadline, message));
        }
        self.calling = true;
        self.store.data_mut().begin(call, deadline);
        self.store.set_epoch_deadline(FIRST_LOOK);
        let give_up = tokio::time::Instant::now() + deadline.remaining(now) + GRACE;
        Ok(Turn { give_up, _running: self.engine.ticker.enter() })
    }

    /// Ends a call of `phase`. Only an orderly end makes the sandbox usable again.
    pub(crate) fn end<T>(&mut self, result: wasmtime::Result<T>, phase: &str) -> Result<T, Failure> {
        let outcome = match result {
            Ok(value) => {
                self.calling = false;
                Ok(value)
            }
            Err(error) => Err(fault(&error, phase, self.store.data_mut())),
        };
        self.store.data_mut().end();
        outcome
    }
}

impl Turn {
    /// Runs the guest until it returns or its time is up.
    pub(crate) async fn bound<T>(&self, guest: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
        match tokio::time::timeout_at(self.give_up, guest).await {
            Ok(result) => result,
            Err(_) => Err(TimeUp.into()),
        }
    }
}

/// At every tick: stop the guest if its time is up, else let others on this core go on.
fn look(state: &State) -> wasmtime::Result<UpdateDeadline> {
    if state.deadline.passed(state.clock.now()) {
        return Err(TimeUp.into());
    }
    // Tokio's own yield, because it lets the runtime look at its sockets and timers before the guest goes on.
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}
