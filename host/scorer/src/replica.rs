//! Live instances of the two scoring worlds.

use std::sync::Arc;

use scorehost_core::{
    BoxFuture, CallContext, Copied, EntryScriptDescription, ErrorKind, Failure, Interface, NamedTensors, RawRequest,
    RawResponse, Replica, Signature,
};

use crate::bindings::entry_script::{EntryScript, EntryScriptPre, HttpRequest, HttpResponse};
use crate::bindings::scorer::scorehost::scoring::tensors::NamedTensor as GuestTensor;
use crate::bindings::scorer::{Scorer, ScorerPre};
use crate::contract;
use crate::deployed::Deployed;
use crate::engine::Shared;
use crate::host::{from_guest_failure, specs};
use crate::sandbox::{Sandbox, Turn};
use crate::state::State;

/// A replica of world `scorer`.
pub(crate) struct ScorerReplica {
    sandbox: Sandbox,
    guest: Scorer,
    interface: Interface,
}

/// A replica of world `entry-script`.
pub(crate) struct EntryScriptReplica {
    sandbox: Sandbox,
    guest: EntryScript,
    interface: Interface,
}

/// What a guest answered, or why it refused; the outer error is its fall.
type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl ScorerReplica {
    pub(crate) async fn create(
        engine: &Arc<Shared>,
        environment: &Arc<Deployed>,
        pre: &ScorerPre<State>,
    ) -> Result<Self, Failure> {
        let mut sandbox = Sandbox::new(engine, environment);
        let turn = sandbox.begin(&CallContext::new(""), engine.init_timeout)?;
        let started = turn.bound(start_scorer(&mut sandbox, pre)).await;
        let (guest, signature) = sandbox.end(started, "init")??;
        Ok(Self { sandbox, guest, interface: Interface::Tensors(signature) })
    }

    async fn run(&mut self, inputs: NamedTensors, turn: &Turn) -> Answer<NamedTensors> {
        let state = self.sandbox.store.data_mut();
        let mut given = Vec::with_capacity(inputs.len());
        for input in inputs {
            given.push(GuestTensor { name: String::from(&*input.name), tensor: state.give(input.tensor)? });
        }
        match turn.bound(self.guest.call_run(&mut self.sandbox.store, &given)).await? {
            Ok(outputs) => self.sandbox.store.data_mut().receive(outputs),
            Err(failure) => Ok(Err(from_guest_failure(failure))),
        }
    }

    async fn infer_now(&mut self, inputs: NamedTensors, call: &CallContext) -> Result<NamedTensors, Failure> {
        contract::check_inputs(self.signature(), &inputs)?;
        let limit = self.sandbox.store.data().environment.scoring_timeout;
        let turn = self.sandbox.begin(call, limit)?;
        let answer = self.run(inputs, &turn).await;
        let outputs = self.sandbox.end(answer, "run")??;
        contract::check_outputs(self.signature(), &outputs)?;
        Ok(outputs)
    }

    const fn signature(&self) -> &Signature {
        static NONE: Signature = Signature { inputs: Vec::new(), outputs: Vec::new() };
        match &self.interface {
            Interface::Tensors(signature) => signature,
            Interface::EntryScript(_) => &NONE,
        }
    }
}

async fn start_scorer(sandbox: &mut Sandbox, pre: &ScorerPre<State>) -> Answer<(Scorer, Signature)> {
    let guest = pre.instantiate_async(&mut sandbox.store).await?;
    if let Err(failure) = guest.call_init(&mut sandbox.store).await? {
        return Ok(Err(init_failed(&failure.message)));
    }
    let signature = guest.call_signature(&mut sandbox.store).await?;
    let signature = Signature { inputs: specs(signature.inputs), outputs: specs(signature.outputs) };
    Ok(contract::check_signature(&signature).map(|()| (guest, signature)))
}

/// A refusal of `init`, of whatever kind, is the scorer's: no request of a caller is to blame for it.
fn init_failed(message: &str) -> Failure {
    Failure::new(ErrorKind::ScorerFault, format!("the scorer's init failed: {message}"))
}

impl Replica for ScorerReplica {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn infer<'a>(
        &'a mut self,
        inputs: NamedTensors,
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(self.infer_now(inputs, call))
    }

    fn score<'a>(&'a mut self, _: RawRequest, _: &'a CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        let message = "this service takes tensors, not a request body";
        Box::pin(async move { Err(Failure::new(ErrorKind::Unsupported, message)) })
    }

    fn healthy(&self) -> bool {
        self.sandbox.healthy()
    }

    fn memory(&self) -> u64 {
        self.sandbox.memory()
    }
}

impl EntryScriptReplica {
    pub(crate) async fn create(
        engine: &Arc<Shared>,
        environment: &Arc<Deployed>,
        pre: &EntryScriptPre<State>,
    ) -> Result<Self, Failure> {
        let mut sandbox = Sandbox::new(engine, environment);
        let turn = sandbox.begin(&CallContext::new(""), engine.init_timeout)?;
        let started = turn.bound(start_entry_script(&mut sandbox, pre)).await;
        let (guest, description) = sandbox.end(started, "init")??;
        Ok(Self { sandbox, guest, interface: Interface::EntryScript(description) })
    }

    async fn run(&mut self, request: &RawRequest, turn: &Turn) -> Answer<RawResponse> {
        Copied::ToGuest.count(request.body.len());
        let request = HttpRequest { method: &request.method, query: &request.query, body: &request.body };
        match turn.bound(self.guest.call_run(&mut self.sandbox.store, request)).await? {
            Ok(response) => Ok(response_of(response)),
            Err(failure) => Ok(Err(from_guest_failure(failure))),
        }
    }

    async fn score_now(&mut self, request: RawRequest, call: &CallContext) -> Result<RawResponse, Failure> {
        let limit = self.sandbox.store.data().environment.scoring_timeout;
        let turn = self.sandbox.begin(call, limit)?;
        let answer = self.run(&request, &turn).await;
        self.sandbox.end(answer, "run")?
    }
}

async fn start_entry_script(
    sandbox: &mut Sandbox,
    pre: &EntryScriptPre<State>,
) -> Answer<(EntryScript, EntryScriptDescription)> {
    let guest = pre.instantiate_async(&mut sandbox.store).await?;
    if let Err(failure) = guest.call_init(&mut sandbox.store).await? {
        return Ok(Err(init_failed(&failure.message)));
    }
    let said = guest.call_describe(&mut sandbox.store).await?;
    let (input_schema, output_schema) = (said.input_schema, said.output_schema);
    Ok(Ok((
        guest,
        EntryScriptDescription { raw_http: said.raw_http, http_handler: false, input_schema, output_schema },
    )))
}

fn response_of(response: HttpResponse) -> Result<RawResponse, Failure> {
    let HttpResponse { status, headers, body } = response;
    if !(100..=599).contains(&status) {
        let message = format!("the scorer answered with status {status}; expected 100 to 599");
        return Err(Failure::new(ErrorKind::ScorerFault, message));
    }
    Copied::FromGuest.count(body.len());
    Ok(RawResponse { status, headers, body: body.into() })
}

impl Replica for EntryScriptReplica {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn infer<'a>(&'a mut self, _: NamedTensors, _: &'a CallContext) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(async { Err(no_tensors()) })
    }

    fn score<'a>(
        &'a mut self,
        request: RawRequest,
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(self.score_now(request, call))
    }

    fn healthy(&self) -> bool {
        self.sandbox.healthy()
    }

    fn memory(&self) -> u64 {
        self.sandbox.memory()
    }
}

/// An entry script was asked for tensors.
pub(crate) fn no_tensors() -> Failure {
    Failure::new(ErrorKind::Unsupported, "this service takes a request body, not tensors")
        .with_hint("send the body to its scoring URI, /api/v1/service/<name>/score")
}
