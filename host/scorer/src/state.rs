//! What the host keeps for one replica, beside the guest's own memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use scorehost_core::{
    CallContext, Clock, Deadline, DeployedModel, Failure, NamedTensor, NamedTensors, Tensor, TensorError, Value,
};
use scorehost_operations::Device;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::deployed::Deployed;
use crate::engine::Shared;
use crate::host::TensorHandle;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::outbound::Http;
use crate::residency::Origin;
use crate::slab::{Slab, TooMany};

/// The guest may not hold more bytes of tensors.
#[derive(Debug, thiserror::Error)]
#[error("the scorer holds {held} bytes of tensors and asked for {wanted} more; it may hold {cap}")]
pub(crate) struct TensorsTooLarge {
    held: u64,
    wanted: u64,
    cap: u64,
}

/// The data of one store.
pub(crate) struct State {
    pub(crate) environment: Arc<Deployed>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where operations run.
    pub(crate) operations: Arc<dyn Device>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) limits: Limits,
    pub(crate) models: Slab<Opened>,
    /// The call being handled; its deadline is the effective one.
    pub(crate) call: CallContext,
    pub(crate) deadline: Deadline,
    tensors: Slab<Held>,
    held: Arc<AtomicU64>,
    /// Bytes of the running call's own inputs, which do not count against the cap.
    given: u64,
    pub(crate) wasi: Option<WasiCtx>,
    pub(crate) http: Http,
    pub(crate) table: ResourceTable,
}

/// A model that the guest has opened.
pub(crate) struct Opened {
    pub(crate) deployed: DeployedModel,
    /// Its number among the deployment's models.
    pub(crate) number: usize,
}

/// A tensor in the guest's hands. All handles to the same bytes share one charge.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) value: Value,
    /// The model's output that it is, or is a part of, where that may stay on a device.
    pub(crate) origin: Option<Arc<Origin>>,
    _charge: Arc<Charge>,
}

/// Bytes that count against the replica until the last handle to them is gone.
pub(crate) struct Charge {
    total: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Held {
    /// Another tensor over the same bytes.
    pub(crate) fn derive(&self, make: impl FnOnce(&Value) -> Result<Value, TensorError>) -> Result<Self, TensorError> {
        Ok(Self { value: make(&self.value)?, origin: self.origin.clone(), _charge: Arc::clone(&self._charge) })
    }
}

impl State {
    pub(crate) fn new(environment: Arc<Deployed>, engine: &Shared, deadline: Deadline) -> Self {
        let clock = Arc::clone(&engine.clock);
        let journal = Arc::new(Journal::new(Arc::clone(&environment.logs)));
        let outgoing = Arc::clone(&environment.outgoing);
        Self {
            http: Http::new(outgoing, Arc::clone(&journal), Arc::clone(&clock), deadline),
            journal,
            limits: Limits::new(environment.grants.memory_bytes),
            environment,
            clock,
            operations: Arc::clone(&engine.operations),
            models: Slab::new(),
            call: CallContext::new(""),
            deadline,
            tensors: Slab::new(),
            held: Arc::new(AtomicU64::new(0)),
            given: 0,
            wasi: None,
            table: ResourceTable::new(),
        }
    }

    /// Begins a call that must end by `deadline`.
    pub(crate) fn begin(&mut self, call: &CallContext, deadline: Deadline) {
        self.journal.begin(&call.request_id);
        self.http.begin(call, deadline);
        self.call = call.clone();
        self.call.deadline = Some(deadline);
        self.deadline = deadline;
        self.given = 0;
    }

    /// Ends a call; the request's headers are let go.
    pub(crate) fn end(&mut self) {
        self.journal.end();
        self.call.headers = None;
    }

    /// Gives the guest an input of the running call.
    pub(crate) fn give(&mut self, tensor: Tensor) -> Result<Resource<TensorHandle>, TooMany> {
        self.given += tensor.data().len() as u64;
        let held = self.charge(tensor.into(), None);
        self.push(held)
    }

    /// Gives the guest a tensor that it made, or that a model made for it.
    pub(crate) fn hold(&mut self, value: impl Into<Value>) -> wasmtime::Result<Resource<TensorHandle>> {
        self.hold_output(value.into(), None)
    }

    /// The same with the model's output that it is.
    pub(crate) fn hold_output(
        &mut self,
        value: Value,
        origin: Option<Arc<Origin>>,
    ) -> wasmtime::Result<Resource<TensorHandle>> {
        self.check_room(value.byte_len())?;
        let held = self.charge(value, origin);
        Ok(self.push(held)?)
    }

    /// Fails when `wanted` more bytes of tensors are too many.
    pub(crate) fn check_room(&self, wanted: u64) -> Result<(), TensorsTooLarge> {
        let held = self.held.load(Ordering::Relaxed);
        let cap = self.limits.cap().saturating_add(self.given);
        if held.saturating_add(wanted) > cap { Err(TensorsTooLarge { held, wanted, cap }) } else { Ok(()) }
    }

    pub(crate) fn charge(&self, value: Value, origin: Option<Arc<Origin>>) -> Held {
        let bytes = value.byte_len();
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Held { value, origin, _charge: Arc::new(Charge { total: Arc::clone(&self.held), bytes }) }
    }

    pub(crate) fn push(&mut self, held: Held) -> Result<Resource<TensorHandle>, TooMany> {
        self.tensors.push(held).map(Resource::new_own)
    }

    pub(crate) fn held(&self, handle: &Resource<TensorHandle>) -> wasmtime::Result<&Held> {
        Ok(self.tensors.get(handle.rep())?)
    }

    pub(crate) fn take(&mut self, handle: &Resource<TensorHandle>) -> wasmtime::Result<Held> {
        Ok(self.tensors.take(handle.rep())?)
    }

    /// A tensor's elements in the host's memory.
    ///
    /// # Errors
    /// `Unavailable` where they are on a device that is lost.
    pub(crate) fn fetch(&self, held: &Held) -> Result<Tensor, Failure> {
        if let (Value::Device(_), Some(origin)) = (&held.value, &held.origin) {
            self.environment.residency.read(origin);
        }
        held.value.fetch()
    }

    /// The tensors that the guest returned; they are no longer the guest's.
    pub(crate) fn receive(
        &mut self,
        outputs: Vec<crate::bindings::scorer::scorehost::scoring::tensors::NamedTensor>,
    ) -> wasmtime::Result<Result<NamedTensors, Failure>> {
        let mut tensors = NamedTensors::with_capacity(outputs.len());
        for output in outputs {
            let held = self.take(&output.tensor)?;
            match self.fetch(&held) {
                Ok(tensor) => tensors.push(NamedTensor::new(output.name, tensor)),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(tensors))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Made at the first WASI call: a scorer that makes none pays nothing.
        let ctx = self.wasi.get_or_insert_with(|| crate::wasi::context(&self.environment, &self.clock, &self.journal));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http.context, table: &mut self.table, hooks: &mut self.http.hooks }
    }
}
