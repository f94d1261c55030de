//! Calls of services by services: the way back to the router's table, with circles refused.
//!
//! A call takes the way of any request from the table on: the other service's version is chosen by its traffic, its admission,
//! queue and share apply, its statistics count it. What surrounds a request at the doors is here: the span, and the line of
//! the access log, which names the calling service where a key's owner would stand.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use scorehost_core::{
    Asked, BoxFuture, CallContext, Clock, ErrorKind, Failure, InferRequest, InferResponse, Plane, RawRequest,
    RawResponse, Service, ServiceName, Services,
};
use scorehost_ingress::{score_once, status_of};
use scorehost_telemetry::access::{Access, AccessLog};
use scorehost_telemetry::note::{self, Note};
use scorehost_telemetry::trace;

/// Services in a chain at most, the one that was asked from outside included.
const MAX_DEPTH: usize = 8;

/// Calls from service to service.
pub(crate) struct ServiceCalls {
    pub(crate) plane: Arc<dyn Plane>,
    pub(crate) access: Option<Arc<AccessLog>>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A call that may go on, and what its line needs.
struct Begun {
    service: Arc<dyn Service>,
    call: CallContext,
    method: String,
    bytes_in: u64,
    time: SystemTime,
    began: Instant,
    request_id: Arc<str>,
    caller: String,
}

impl ServiceCalls {
    /// Refuses circles and chains that are too long, and finds the version that answers.
    fn begin(&self, name: &ServiceName, call: CallContext, method: &str, bytes_in: u64) -> Result<Begun, Failure> {
        check(name, &call)?;
        let asked = Asked { caller: call.caller.as_deref(), ..Asked::default() };
        let routed = self.plane.route(name.as_str(), &asked).map_err(misnamed)?;
        let by = call.chain.last().map(|service| format!("service:{service}")).unwrap_or_default();
        let caller = match &call.caller {
            Some(caller) => format!("{caller} by {by}"),
            None => by,
        };
        Ok(Begun {
            service: routed.service,
            method: method.to_owned(),
            bytes_in,
            time: self.clock.wall(),
            began: self.clock.now(),
            request_id: Arc::clone(&call.request_id),
            caller,
            call,
        })
    }

    /// Runs a call with a span, a note and a line of its own, so that it does not write into those of the request it is part of.
    async fn run<T, F>(
        &self,
        mut begun: Begun,
        ask: impl FnOnce(Arc<dyn Service>, CallContext) -> F,
        answered: impl FnOnce(&T) -> (u16, u64),
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut span = trace::begin(&mut begun.call.trace, "service.call");
        if span.is_recording() {
            span.set("scorehost.service", begun.service.status().name.to_string());
            span.set("scorehost.chain", begun.call.chain.to_string());
        }
        let asked = ask(Arc::clone(&begun.service), begun.call.clone());
        let (answer, note) = note::keep(asked).await;
        let answer = answer.map_err(|failure| naming(&begun.service.status().name, failure));
        let (status, bytes_out) = match &answer {
            Ok(answer) => answered(answer),
            Err(failure) => {
                span.fail(failure.kind);
                (status_of(failure.kind).http.as_u16(), 0)
            }
        };
        self.log(&begun, &note, status, bytes_out, answer.as_ref().err().map(|failure| failure.kind));
        answer
    }

    fn log(&self, begun: &Begun, note: &Note, status: u16, bytes_out: u64, kind: Option<ErrorKind>) {
        let Some(log) = &self.access else { return };
        let answering = begun.service.status();
        log.record(&Access {
            time: begun.time,
            protocol: "service",
            method: &begun.method,
            path: answering.name.as_str(),
            status,
            duration: self.clock.now().saturating_duration_since(begun.began),
            bytes_in: begun.bytes_in,
            bytes_out: Some(bytes_out),
            request_id: &begun.request_id,
            trace_id: begun.call.trace.map(|trace| trace.trace_id),
            service: Some((&answering.name, &answering.version)),
            caller: Some(&begun.caller),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            kind,
            queue: note.queue,
            compute: note.compute,
        });
    }
}

/// What a scorer's author does about a service that is not there.
fn misnamed(failure: Failure) -> Failure {
    if failure.kind != ErrorKind::NotFound || failure.hint.is_some() {
        return failure;
    }
    failure.with_hint("deploy it, or correct the name in the scorer and in scorehost.grants.services")
}

/// A failure that says which service of the chain failed: it is read by who called another one.
fn naming(service: &ServiceName, failure: Failure) -> Failure {
    if failure.message.contains(&format!("service '{service}'")) {
        return failure;
    }
    Failure { message: format!("service '{service}': {}", failure.message).into(), ..failure }
}

fn check(name: &ServiceName, call: &CallContext) -> Result<(), Failure> {
    let chain = call.chain.then(name.clone());
    if call.chain.contains(name.as_str()) {
        let message = format!("services call each other in a circle: {chain}");
        return Err(Failure::new(ErrorKind::Forbidden, message)
            .with_hint("take one of them out of the others' scorehost.grants.services"));
    }
    if chain.len() > MAX_DEPTH {
        let message = format!("services call each other more than {MAX_DEPTH} deep: {chain}");
        return Err(Failure::new(ErrorKind::Forbidden, message).with_hint("call the services from one of them"));
    }
    Ok(())
}

impl Services for ServiceCalls {
    fn infer<'a>(
        &'a self,
        service: &'a ServiceName,
        request: InferRequest,
        call: CallContext,
    ) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(async move {
            let bytes = request.inputs.iter().map(|input| input.tensor.data().len() as u64).sum();
            let begun = self.begin(service, call, "INFER", bytes)?;
            let size = |answer: &InferResponse| {
                (200, answer.outputs.iter().map(|output| output.tensor.data().len() as u64).sum())
            };
            self.run(begun, |service, call| async move { service.infer(request, call).await }, size).await
        })
    }

    fn score<'a>(
        &'a self,
        service: &'a ServiceName,
        request: RawRequest,
        call: CallContext,
    ) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(async move {
            let method = request.method.clone();
            let begun = self.begin(service, call, &method, request.body.len() as u64)?;
            let size = |answer: &RawResponse| (answer.status, answer.body.len() as u64);
            // As the scoring door does it, so that a body is decoded as it is there.
            self.run(begun, |service, call| async move { score_once(&service, request, call).await }, size).await
        })
    }
}

/// Where there are no other services: a scorer that runs alone.
pub(crate) struct Alone;

impl Services for Alone {
    fn infer<'a>(
        &'a self,
        service: &'a ServiceName,
        _request: InferRequest,
        _call: CallContext,
    ) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(async move { Err(alone(service)) })
    }

    fn score<'a>(
        &'a self,
        service: &'a ServiceName,
        _request: RawRequest,
        _call: CallContext,
    ) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(async move { Err(alone(service)) })
    }
}

fn alone(service: &ServiceName) -> Failure {
    Failure::not_found(format!("there is no service '{service}': this scorer runs alone"))
        .with_hint("deploy both services to a host to try them together")
}

// Beside this file: every folder of `host` is a crate.
#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
