//! A deployment's model over a graph that may have to be loaded first.

use std::sync::Arc;

use scorehost_core::{
    BoxFuture, CallContext, Failure, LogLevel, Logs, MemoryId, Model, ModelId, ModelMetadata, Named, NamedTensors,
    NamedValues, OutputSet,
};

use crate::resident::Use;
use crate::{Pin, Resident};

/// A deployment that hears of evictions and reloads of its model: its service's log.
pub struct Audience {
    model: ModelId,
    logs: Arc<dyn Logs>,
}

impl Audience {
    /// What happens to `model` is written to `logs`.
    #[must_use]
    pub fn new(model: ModelId, logs: Arc<dyn Logs>) -> Arc<Self> {
        Arc::new(Self { model, logs })
    }

    pub(crate) fn hear(&self, event: &str) {
        self.logs.write(LogLevel::Info, "", &format!("model '{}' {event}", self.model));
    }
}

/// A model whose graph comes back into memory when it is called.
pub struct KeptModel {
    model: Arc<dyn Model>,
    graph: Arc<Resident>,
    /// Held for what they do: the log hears of the graph, and a pinned graph stays.
    _audience: Option<Arc<Audience>>,
    _pin: Option<Pin>,
}

impl KeptModel {
    /// `model` calls `graph`; `audience` hears of it, and `pin` keeps it loaded, for as long as the model lives.
    #[must_use]
    pub fn new(
        model: Arc<dyn Model>,
        graph: Arc<Resident>,
        audience: Option<Arc<Audience>>,
        pin: Option<Pin>,
    ) -> Arc<Self> {
        if let Some(audience) = &audience {
            graph.tell(audience);
        }
        Arc::new(Self { model, graph, _audience: audience, _pin: pin })
    }

    /// Whether a call has to wait until the graph is here and kept here for it.
    fn must_hold(&self, inputs: &[impl Named], outputs: &[Arc<str>]) -> bool {
        let safe = self.graph.is_loaded() && !self.graph.shared.is_pressed();
        if safe {
            self.graph.touch();
            return false;
        }
        // A call that is refused anyway must not push others out of memory.
        let signature = &self.metadata().signature;
        signature.check_inputs(inputs).is_ok() && signature.output_indices(outputs).is_ok()
    }

    async fn hold(&self, call: &CallContext) -> Result<Use, Failure> {
        let held = self.graph.acquire(call.deadline).await?;
        self.graph.touch();
        Ok(held)
    }
}

impl Model for KeptModel {
    fn metadata(&self) -> &ModelMetadata {
        self.model.metadata()
    }

    fn run<'a>(
        &'a self,
        inputs: NamedTensors,
        outputs: &'a [Arc<str>],
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        if !self.must_hold(&inputs, outputs) {
            return self.model.run(inputs, outputs, call);
        }
        Box::pin(async move {
            let _held = self.hold(call).await?;
            self.model.run(inputs, outputs, call).await
        })
    }

    fn memory(&self) -> Option<MemoryId> {
        self.model.memory()
    }

    fn run_values<'a>(
        &'a self,
        inputs: NamedValues,
        outputs: &'a [Arc<str>],
        keep: OutputSet,
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedValues, Failure>> {
        if !self.must_hold(&inputs, outputs) {
            return self.model.run_values(inputs, outputs, keep, call);
        }
        Box::pin(async move {
            let _held = self.hold(call).await?;
            self.model.run_values(inputs, outputs, keep, call).await
        })
    }
}
