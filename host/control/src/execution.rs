//! Carrying an operation out: write the board, wait for the reconciler, make it durable, acknowledge.
//!
//! The order keeps requests whole: what is new is ready before anything is sent to it, and nothing is sent any more to what
//! goes before it goes. Until all of it is durable, in one step with the record of the operation, every end but success
//! puts the board back as it was.

use std::sync::Arc;

use scorehost_core::{EndpointSpec, Failure, ServiceName, VersionKey};
use scorehost_registry::DocumentChange;

use crate::ControlError;
use crate::catalog::{Reserved, Service};
use crate::desired::{Board, Observed, Placed};
use crate::document::{self, OPERATION};
use crate::operations::{Asked, End, Progress};
use crate::plan::{Context, Plan};
use crate::services::{Control, Inner};
use crate::wire::{Operation, OperationState};

impl Control {
    /// Starts an operation on a service, or says why it may not start. `plan` sees the service as it is acknowledged.
    pub(crate) fn launch(
        &self,
        action: &'static str,
        name: &ServiceName,
        warnings: Vec<String>,
        plan: impl FnOnce(Option<&Service>, &Context<'_>) -> Result<Plan, Failure>,
    ) -> Result<Arc<Progress>, Failure> {
        let inner = &self.0;
        let context = inner.context();
        let start = |plan: &Plan| {
            let warnings = [warnings, plan.warnings.clone()].concat();
            let asked = Asked { action, service: name, version: plan.version.as_ref(), warnings };
            let progress = inner.operations.start(asked);
            (progress.current().id, progress)
        };
        let reserved = inner.catalog.reserve(name, inner.config.max_models, |before| plan(before, &context), start)?;
        let Reserved { before, plan, started: progress } = reserved;
        let execution = Execution {
            inner: Arc::clone(inner),
            name: name.clone(),
            progress: Arc::clone(&progress),
            before,
            plan,
            ended: None,
        };
        inner.runtime.spawn(execution.carry_out());
        Ok(progress)
    }

    /// Starts an operation on a service that there is.
    pub(crate) fn launch_existing(
        &self,
        action: &'static str,
        name: &ServiceName,
        warnings: Vec<String>,
        plan: impl FnOnce(&Service, &Context<'_>) -> Result<Plan, Failure>,
    ) -> Result<Arc<Progress>, Failure> {
        self.known_service(name)?;
        self.launch(action, name, warnings, |before, context| {
            // It can have gone since the look above.
            let gone = || ControlError::NoService { service: name.to_string(), known: "others".to_owned() };
            plan(before.ok_or_else(gone)?, context)
        })
    }
}

/// One operation on its way.
struct Execution {
    inner: Arc<Inner>,
    name: ServiceName,
    progress: Arc<Progress>,
    before: Option<Service>,
    plan: Plan,
    ended: Option<Operation>,
}

/// Frees the service and ends the operation, also where its task is dropped half-way. Whoever sees the end may start the
/// next operation at once.
impl Drop for Execution {
    fn drop(&mut self) {
        let ended = self.ended.take().unwrap_or_else(|| self.progress.ended(&Err(self.cancelled()), None));
        self.inner.catalog.release(&self.name);
        self.progress.finish(ended);
    }
}

impl Execution {
    async fn carry_out(mut self) {
        let former = Former::of(&self.inner.board, &self.name, self.touched());
        let realised = tokio::select! {
            result = self.realise() => result,
            () = tokio::time::sleep(self.inner.config.operation_timeout) => Err(self.timed_out()),
            () = self.progress.cancelled() => Err(self.cancelled()),
        };
        let result = match realised {
            Ok(()) => self.keep().await.map_err(End::from),
            Err(end) => Err(end),
        };
        let end = match result {
            Ok(ended) => {
                self.ended = Some(ended);
                return;
            }
            Err(end) => end,
        };
        former.put_back(&self.inner.board);
        self.log(&end);
        let ended = self.progress.ended(&Err(end), Some(self.remains()));
        self.ended = Some(ended.clone());
        self.note_down(&ended).await;
    }

    /// Makes the board true: what is new first, then who may call and what is sent where, then what goes.
    async fn realise(&self) -> Result<(), End> {
        let forgotten = self.inner.operations.forgotten();
        let forgotten = forgotten.into_iter().map(|key| DocumentChange { kind: OPERATION, key, bytes: None });
        self.write(forgotten.chain([record(&self.progress.current())]).collect()).await?;
        self.progress.record();
        let board = &self.inner.board;
        let after = self.plan.after.as_ref();
        if let (None, Some(after)) = (&self.before, after) {
            board.put_endpoint(Arc::clone(&after.front));
        }
        let made: Vec<VersionKey> = self.made().map(|spec| spec.key()).collect();
        for spec in self.made() {
            board.put(Arc::clone(spec));
        }
        self.settle(&made, Wanted::Ready).await?;
        if let Some(front) = self.front() {
            self.progress.phase("changing access and traffic");
            board.put_endpoint(Arc::clone(front));
        }
        let going: Vec<VersionKey> = self.going().filter(|key| board.placed(key).is_some()).collect();
        going.iter().for_each(|key| board.remove(key));
        self.settle(&going, Wanted::Gone).await?;
        if after.is_none() {
            board.remove_endpoint(&self.name);
        }
        Ok(())
    }

    /// Waits until the reconciler has made every one of `keys` what is wanted.
    async fn settle(&self, keys: &[VersionKey], wanted: Wanted) -> Result<(), End> {
        let mut reports = self.inner.board.reports();
        let mut told = vec![0; keys.len()];
        loop {
            let reported = reports.borrow_and_update().clone();
            let mut open = 0;
            for (key, told) in keys.iter().zip(&mut told) {
                let known = reported.get(key);
                for phase in known.iter().flat_map(|known| &known.phases).skip(*told) {
                    self.progress.phase(&self.named(key, phase));
                    *told += 1;
                }
                match (wanted, known.map(|known| &known.observed)) {
                    (Wanted::Ready, Some(Observed::Ready)) | (Wanted::Gone, None) => {}
                    (Wanted::Ready, Some(Observed::Failed(failure))) => return Err(failure.clone().into()),
                    _ => open += 1,
                }
            }
            if open == 0 {
                return Ok(());
            }
            reports.changed().await.map_err(Failure::internal)?;
        }
    }

    /// A phase with its version, where the service has several.
    fn named(&self, key: &VersionKey, phase: &str) -> String {
        let versions = |service: &Option<Service>| service.as_ref().map_or(0, |service| service.versions.len());
        if versions(&self.before).max(versions(&self.plan.after)) > 1 {
            format!("version {}: {phase}", key.version)
        } else {
            phase.to_owned()
        }
    }

    /// Makes the change durable, then visible. Returns the end as it is written down.
    async fn keep(&self) -> Result<Operation, Failure> {
        let ended = self.progress.ended(&Ok(()), None);
        let mut changes = document::changes(self.before.as_ref(), self.plan.after.as_ref());
        changes.push(record(&ended));
        self.write(changes).await?;
        self.inner.catalog.store(&self.name, self.plan.after.clone());
        Ok(ended)
    }

    async fn write(&self, changes: Vec<DocumentChange>) -> Result<(), Failure> {
        self.inner.store(move |registry| registry.change_documents(&changes)).await
    }

    /// Writes down how the operation ended; the state of the service does not depend on it.
    async fn note_down(&self, ended: &Operation) {
        if let Err(failure) = self.write(vec![record(ended)]).await {
            tracing::warn!(
                operation = ended.id,
                detail = failure.detail,
                "the end of an operation is not kept: {failure}"
            );
        }
    }

    /// Descriptions that are realised.
    fn made(&self) -> impl Iterator<Item = &Arc<scorehost_core::ServiceSpec>> {
        let versions = self.plan.after.iter().flat_map(|after| &after.versions);
        versions.filter(|(version, _)| self.plan.put.contains(*version)).map(|(_, version)| &version.spec)
    }

    /// Versions that run and are not to run any more.
    fn going(&self) -> impl Iterator<Item = VersionKey> {
        let after = self.plan.after.as_ref();
        let stays = move |key: &VersionKey| {
            after.and_then(|after| after.versions.get(&key.version)).is_some_and(|version| version.running)
        };
        let before = self.before.iter().flat_map(|before| before.versions.keys().map(|version| before.key(version)));
        before.filter(move |key| !stays(key))
    }

    /// The front, where it changes.
    fn front(&self) -> Option<&Arc<EndpointSpec>> {
        let after = &self.plan.after.as_ref()?.front;
        let before = &self.before.as_ref()?.front;
        (before != after).then_some(after)
    }

    fn touched(&self) -> Vec<VersionKey> {
        self.made().map(|spec| spec.key()).chain(self.going()).collect()
    }

    /// What holds after an end without success.
    fn remains(&self) -> String {
        let Some(before) = &self.before else { return format!("service '{}' was not made", self.name) };
        let answering: Vec<String> = before.running().map(|(version, _)| version.to_string()).collect();
        match answering.as_slice() {
            [] => format!("service '{}' stays stopped", self.name),
            [version] => format!("version {version} of service '{}' answers as before", self.name),
            versions => format!("versions {} of service '{}' answer as before", versions.join(", "), self.name),
        }
    }

    fn log(&self, end: &End) {
        let detail = end.failure.detail.as_deref().unwrap_or_default();
        tracing::warn!(service = %self.name, state = end.state.name(), message = %end.failure, detail, "operation ended without success");
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

/// What is waited for.
#[derive(Clone, Copy)]
enum Wanted {
    Ready,
    Gone,
}

/// The board as it was, as far as an operation touches it.
struct Former {
    name: ServiceName,
    front: Option<Arc<EndpointSpec>>,
    versions: Vec<(VersionKey, Option<Placed>)>,
}

impl Former {
    fn of(board: &Board, name: &ServiceName, touched: Vec<VersionKey>) -> Self {
        let placed = |key: VersionKey| {
            let placed = board.placed(&key);
            (key, placed)
        };
        Self { name: name.clone(), front: board.endpoint(name), versions: touched.into_iter().map(placed).collect() }
    }

    fn put_back(self, board: &Board) {
        if let Some(front) = &self.front {
            board.put_endpoint(Arc::clone(front));
        }
        for (key, placed) in self.versions {
            board.restore(&key, placed);
        }
        if self.front.is_none() {
            board.remove_endpoint(&self.name);
        }
    }
}

fn record(operation: &Operation) -> DocumentChange {
    DocumentChange { kind: OPERATION, key: operation.id.clone(), bytes: Some(document::json(operation)) }
}
