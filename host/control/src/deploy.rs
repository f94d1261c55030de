//! Carrying an operation out: write the board, wait for the reconciler, make it durable, acknowledge.

use std::sync::Arc;

use scorehost_core::{Access, EndpointSpec, Failure, ServiceName, ServiceSpec, VersionKey, VersionName};

use crate::ControlError;
use crate::catalog::Stored;
use crate::desired::Observed;
use crate::document;
use crate::operations::{End, Progress, millis};
use crate::services::{Control, Inner};
use crate::wire::OperationState;

/// What an operation does to its service.
#[derive(Clone)]
pub(crate) enum Change {
    /// Runs this description in place of what there is.
    Run(Arc<ServiceSpec>),
    /// Stops it and keeps the description.
    Stop,
    /// Stops it and forgets it.
    Delete,
}

impl Control {
    /// Starts an operation on a service, or says why it may not start.
    pub(crate) fn launch(
        &self,
        action: &str,
        name: &ServiceName,
        change: Change,
        warnings: Vec<String>,
    ) -> Result<Arc<Progress>, ControlError> {
        let candidate = match &change {
            Change::Run(spec) => Some(Arc::clone(spec)),
            Change::Stop | Change::Delete => None,
        };
        let inner = &self.0;
        let progress = inner.catalog.reserve(name, candidate, inner.config.max_models, || {
            let progress = inner.operations.start(action, name, warnings);
            (progress.current().id, progress)
        })?;
        let reservation = Reservation { inner: Arc::clone(inner), name: name.clone(), progress: Arc::clone(&progress) };
        inner.runtime.spawn(reservation.carry_out(change));
        Ok(progress)
    }
}

/// Frees the service and ends the operation also where its task is dropped half-way.
struct Reservation {
    inner: Arc<Inner>,
    name: ServiceName,
    progress: Arc<Progress>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.inner.catalog.release(&self.name);
        self.progress.finish(Err(self.cancelled()));
    }
}

impl Reservation {
    async fn carry_out(self, change: Change) {
        let before = self.inner.board.placed(&self.key());
        let realised = tokio::select! {
            result = self.realise(&change) => result,
            () = tokio::time::sleep(self.inner.config.operation_timeout) => Err(self.timed_out()),
            () = self.progress.cancelled() => Err(self.cancelled()),
        };
        let result = match realised {
            Ok(()) => self.keep(change).await.map_err(End::from),
            Err(end) => Err(end),
        };
        if let Err(end) = &result {
            self.inner.board.restore(&self.key(), before);
            let detail = end.failure.detail.as_deref().unwrap_or_default();
            tracing::warn!(service = %self.name, state = end.state.name(), message = %end.failure, detail, "operation ended without success");
        }
        self.inner.catalog.release(&self.name);
        self.progress.finish(result);
    }

    /// Writes the board and waits until the reconciler has made it true.
    async fn realise(&self, change: &Change) -> Result<(), End> {
        let mut reports = self.inner.board.reports();
        match change {
            Change::Run(spec) => {
                self.inner.board.put_endpoint(open(spec));
                self.inner.board.put(Arc::clone(spec));
            }
            // A stopped service is not on the board, and nobody would report it gone.
            Change::Stop | Change::Delete if self.inner.board.placed(&self.key()).is_none() => return Ok(()),
            Change::Stop | Change::Delete => self.inner.board.remove(&self.key()),
        }
        loop {
            let report = reports.borrow_and_update().get(&self.key()).cloned();
            match (change, report) {
                (Change::Run(_), Some(Observed::Ready)) | (Change::Stop | Change::Delete, None) => return Ok(()),
                (Change::Run(_), Some(Observed::Failed(failure))) => return Err(failure.into()),
                (_, Some(Observed::Progressing { phase })) if phase != self.progress.current().phase => {
                    self.progress.phase(&phase);
                }
                _ => {}
            }
            reports.changed().await.map_err(Failure::internal)?;
        }
    }

    /// What this operation changes on the board.
    fn key(&self) -> VersionKey {
        VersionKey { service: self.name.clone(), version: VersionName::first() }
    }

    /// Makes the change durable, then visible.
    async fn keep(&self, change: Change) -> Result<(), Failure> {
        let former = self.inner.catalog.stored(&self.name);
        let now = millis(&*self.inner.clock) / 1000;
        let stored = match change {
            Change::Run(spec) => {
                let created = former.map_or(now, |former| former.created);
                Some(Stored { spec, running: true, created, updated: now })
            }
            Change::Stop => former.map(|former| Stored { running: false, updated: now, ..former }),
            Change::Delete => None,
        };
        let (key, document) = (self.name.to_string(), stored.as_ref().map(document::encode));
        self.inner
            .store(move |registry| match document {
                Some(document) => registry.put_document(document::KIND, &key, &document),
                None => registry.delete_document(document::KIND, &key).map(drop),
            })
            .await?;
        self.inner.catalog.store(&self.name, stored);
        Ok(())
    }

    fn timed_out(&self) -> End {
        let (seconds, phase) = (self.inner.config.operation_timeout.as_secs(), self.progress.current().phase);
        End { state: OperationState::TimedOut, failure: ControlError::TimedOut { seconds, phase }.into() }
    }

    fn cancelled(&self) -> End {
        let failure = ControlError::Cancelled { phase: self.progress.current().phase }.into();
        End { state: OperationState::Cancelled, failure }
    }
}

/// The front of a service with one version that everyone may call.
pub(crate) fn open(spec: &ServiceSpec) -> Arc<EndpointSpec> {
    Arc::new(EndpointSpec::new(spec.name.clone(), Access::Open, spec.version.clone()))
}
