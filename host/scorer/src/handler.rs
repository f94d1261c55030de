//! Standard HTTP handlers (`wasi:http/incoming-handler`): one fresh instance per request, as the world's convention has it.

mod exchange;

use std::pin::pin;
use std::sync::Arc;

use scorehost_core::{
    BoxFuture, CallContext, EntryScriptDescription, ErrorKind, Failure, Interface, NamedTensors, RawRequest,
    RawResponse, Replica,
};
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use crate::deployed::Deployed;
use crate::engine::Shared;
use crate::replica::no_tensors;
use crate::sandbox::{Sandbox, Turn};
use crate::state::State;
use exchange::{Answered, answer, request_of};

/// Answers each request with an instance of its own. It holds none between requests, so nothing a request does can spoil it.
pub(crate) struct HandlerReplica {
    engine: Arc<Shared>,
    deployed: Arc<Deployed>,
    pre: ProxyPre<State>,
    interface: Interface,
}

impl HandlerReplica {
    /// A handler has no `init`; it is instantiated once here, so that what cannot start is refused when it is deployed.
    pub(crate) async fn create(
        engine: &Arc<Shared>,
        deployed: &Arc<Deployed>,
        pre: &ProxyPre<State>,
    ) -> Result<Self, Failure> {
        let mut sandbox = Sandbox::new(engine, deployed);
        let turn = sandbox.begin(&CallContext::new(""), engine.init_timeout)?;
        let started = turn.bound(pre.instantiate_async(&mut sandbox.store)).await;
        sandbox.end(started, "init")?;
        let description =
            EntryScriptDescription { raw_http: true, http_handler: true, ..EntryScriptDescription::default() };
        let interface = Interface::EntryScript(description);
        Ok(Self { engine: Arc::clone(engine), deployed: Arc::clone(deployed), pre: pre.clone(), interface })
    }

    async fn score_now(&mut self, request: RawRequest, call: &CallContext) -> Result<RawResponse, Failure> {
        let mut sandbox = Sandbox::new(&self.engine, &self.deployed);
        let turn = sandbox.begin(call, self.deployed.scoring_timeout)?;
        let handled = handle(&mut sandbox, &self.pre, request, call, &turn).await;
        match sandbox.end(handled, "handle")? {
            Answered::Response(response) => Ok(response),
            Answered::Never => Err(fault("the handler returned without a response".into())),
            Answered::Error(code) => Err(fault(format!("the handler answered with the error {code}"))),
        }
    }
}

fn fault(message: String) -> Failure {
    Failure::new(ErrorKind::ScorerFault, message)
}

/// Runs the guest and takes its response as it is written: a guest waits until its last bytes were taken.
async fn handle(
    sandbox: &mut Sandbox,
    pre: &ProxyPre<State>,
    request: RawRequest,
    call: &CallContext,
    turn: &Turn,
) -> wasmtime::Result<Answered> {
    let store = &mut sandbox.store;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut http = store.data_mut().http();
    let incoming = http.new_incoming_request(Scheme::Http, request_of(request, call)?)?;
    let outparam = http.new_response_outparam(sender)?;
    let guest = turn.bound(pre.instantiate_async(&mut *store)).await?;
    let mut answer = pin!(answer(receiver));
    let mut complete = None;
    {
        let running = guest.wasi_http_incoming_handler().call_handle(&mut *store, incoming, outparam);
        let mut running = pin!(turn.bound(running));
        loop {
            tokio::select! {
                taken = &mut answer, if complete.is_none() => complete = Some(taken),
                ran = &mut running => break ran?,
            }
        }
    }
    // Whatever the guest left open ends here; an unanswered request is seen as such instead of being waited for.
    store.data_mut().table = ResourceTable::new();
    match complete {
        Some(answered) => answered,
        None => turn.bound(answer).await,
    }
}

impl Replica for HandlerReplica {
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
        true
    }
}
