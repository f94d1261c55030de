//! The one scorer value of a replica, between the calls of the host.

use std::cell::RefCell;
use std::sync::Once;

use crate::bindings::entry_script as script_host;
use crate::bindings::scorer as scorer_host;
use crate::bindings::scorer::scorehost::scoring::failures::Failure;
use crate::bindings::scorer::scorehost::scoring::tensors::NamedTensor;
use crate::{EntryScript, Error, Request, Scorer, Tensors};

/// Holds the value that `init` made; the export macros keep one per replica.
pub struct State<T>(RefCell<Option<T>>);

impl<T> State<T> {
    /// Before `init`.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    fn start(&self, init: impl FnOnce() -> crate::Result<T>) -> Result<(), Failure> {
        log_panics();
        self.0.replace(Some(init().map_err(Error::into_host)?));
        Ok(())
    }

    fn with<R>(&self, call: impl FnOnce(&mut T) -> crate::Result<R>) -> Result<R, Failure> {
        let mut state = self.0.borrow_mut();
        let state =
            state.as_mut().ok_or_else(|| Error::internal("the host called the scorer before init").into_host())?;
        call(state).map_err(Error::into_host)
    }
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scorer> State<T> {
    /// Calls [`Scorer::init`].
    ///
    /// # Errors
    /// Those of the scorer.
    pub fn init_scorer(&self) -> Result<(), Failure> {
        self.start(T::init)
    }

    /// Calls [`Scorer::signature`]; empty before `init`.
    pub fn signature(&self) -> scorer_host::Signature {
        self.with(|scorer| Ok(scorer.signature())).unwrap_or_default().into_host()
    }

    /// Calls [`Scorer::run`].
    ///
    /// # Errors
    /// Those of the scorer.
    pub fn run_scorer(&self, inputs: Vec<NamedTensor>) -> Result<Vec<NamedTensor>, Failure> {
        self.with(|scorer| scorer.run(Tensors::from_host(inputs))).map(Tensors::into_host)
    }
}

impl<T: EntryScript> State<T> {
    /// Calls [`EntryScript::init`].
    ///
    /// # Errors
    /// Those of the script.
    pub fn init_script(&self) -> Result<(), Failure> {
        self.start(T::init)
    }

    /// Calls [`EntryScript::describe`]; the default before `init`.
    pub fn describe(&self) -> script_host::Description {
        self.with(|script| Ok(script.describe())).unwrap_or_default().into_host()
    }

    /// Calls [`EntryScript::run`].
    ///
    /// # Errors
    /// Those of the script.
    pub fn run_script(&self, request: script_host::HttpRequest) -> Result<script_host::HttpResponse, Failure> {
        self.with(|script| script.run(Request::from_host(request))).map(crate::Response::into_host)
    }
}

/// Sends panic messages to the service's log: a panic aborts, and there is no standard error to print them to.
fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| crate::error!("{panic}"))));
}
