//! Commands (`wasi:cli/run`) as entry scripts: one fresh instance per request, the body is standard input, what it prints
//! on standard output is the answer.

use std::sync::Arc;

use scorehost_core::{
    BoxFuture, CallContext, EntryScriptDescription, ErrorKind, Failure, Interface, NamedTensors, RawRequest,
    RawResponse, Replica,
};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};

use crate::deployed::Deployed;
use crate::engine::Shared;
use crate::replica::no_tensors;
use crate::sandbox::{Sandbox, Turn};
use crate::state::State;
use crate::wasi;

/// Bytes that a command may answer with.
const MAX_ANSWER: usize = 100 << 20;

/// Runs a command once per request. It holds no instance between requests, so nothing a request does can spoil it.
pub(crate) struct CommandReplica {
    engine: Arc<Shared>,
    environment: Arc<Deployed>,
    pre: CommandPre<State>,
    interface: Interface,
}

impl CommandReplica {
    pub(crate) fn new(engine: &Arc<Shared>, environment: &Arc<Deployed>, pre: CommandPre<State>) -> Self {
        let description = EntryScriptDescription { raw_http: true, ..EntryScriptDescription::default() };
        let interface = Interface::EntryScript(description);
        Self { engine: Arc::clone(engine), environment: Arc::clone(environment), pre, interface }
    }

    async fn score_now(&self, request: RawRequest, call: &CallContext) -> Result<RawResponse, Failure> {
        let mut sandbox = Sandbox::new(&self.engine, &self.environment);
        let answer = MemoryOutputPipe::new(MAX_ANSWER);
        let state = sandbox.store.data_mut();
        let mut builder = wasi::builder(&state.environment, &state.clock, &state.journal);
        builder.arg("scorer").stdout(answer.clone());
        for (name, value) in request_variables(&request) {
            builder.env(name, value);
        }
        builder.stdin(MemoryInputPipe::new(request.body));
        state.wasi = Some(builder.build());
        let turn = sandbox.begin(call, self.environment.scoring_timeout)?;
        let ran = run(&mut sandbox, &self.pre, &turn).await;
        sandbox.end(ran, "run")??;
        Ok(RawResponse { status: 200, headers: Vec::new(), body: answer.contents() })
    }
}

/// The request as variables, under the names of the Common Gateway Interface (RFC 3875).
fn request_variables(request: &RawRequest) -> [(&'static str, String); 4] {
    [
        ("REQUEST_METHOD", request.method.clone()),
        ("QUERY_STRING", request.query.clone()),
        ("CONTENT_TYPE", request.content_type.clone().unwrap_or_default()),
        ("CONTENT_LENGTH", request.body.len().to_string()),
    ]
}

async fn run(sandbox: &mut Sandbox, pre: &CommandPre<State>, turn: &Turn) -> wasmtime::Result<Result<(), Failure>> {
    let store = &mut sandbox.store;
    let guest = turn.bound(pre.instantiate_async(&mut *store)).await?;
    match turn.bound(guest.wasi_cli_run().call_run(&mut *store)).await {
        Ok(Ok(())) => Ok(Ok(())),
        Ok(Err(())) => Ok(Err(failed(store.data(), 1))),
        Err(error) => match error.downcast_ref() {
            Some(I32Exit(0)) => Ok(Ok(())),
            Some(I32Exit(status)) => Ok(Err(failed(store.data(), *status))),
            None => Err(error),
        },
    }
}

fn failed(state: &State, status: i32) -> Failure {
    let mut message = format!("the command exited with status {status}");
    if let Some(last) = state.journal.last_words().iter().rev().find(|line| !line.trim().is_empty()) {
        message = format!("{message}: {}", last.trim());
    }
    Failure::new(ErrorKind::ScorerFault, message)
}

impl Replica for CommandReplica {
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
