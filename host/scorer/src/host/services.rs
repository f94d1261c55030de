//! Interface `services`: other services of this host, as far as the deployment grants them.

use std::sync::Arc;

use scorehost_core::{CallContext, ErrorKind, Failure, InferRequest, NamedTensor, RawRequest, ServiceName};
use wasmtime::component::Resource;

use super::TensorHandle;
use super::convert::to_guest_failure;
use crate::bindings::scorer::scorehost::scoring::failures::Failure as GuestFailure;
use crate::bindings::scorer::scorehost::scoring::tensors::NamedTensor as GuestTensor;
use crate::bindings::services::scorehost::services::services::{Host, HttpRequest, HttpResponse};
use crate::state::State;

type Answer<T> = wasmtime::Result<Result<T, GuestFailure>>;
type GuestInput = (String, Resource<TensorHandle>);

impl Host for State {
    fn granted(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.environment.grants.services.iter().map(ToString::to_string).collect())
    }

    async fn call_tensors(
        &mut self,
        service: String,
        inputs: Vec<GuestInput>,
        outputs: Vec<String>,
    ) -> Answer<Vec<GuestTensor>> {
        let (name, call) = match self.call_of(&service) {
            Ok(allowed) => allowed,
            Err(failure) => return Ok(Err(to_guest_failure(&failure))),
        };
        let given = |(name, tensor): GuestInput| Ok(NamedTensor::new(name, self.held(&tensor)?.tensor.clone()));
        let inputs = inputs.into_iter().map(given).collect::<wasmtime::Result<_>>()?;
        let request = InferRequest { inputs, outputs: outputs.into_iter().map(Arc::from).collect() };
        let services = Arc::clone(&self.environment.services);
        match services.infer(&name, request, call).await {
            Ok(answer) => Ok(Ok(self.hold_outputs(answer.outputs)?)),
            Err(failure) => Ok(Err(self.report(&failure))),
        }
    }

    async fn call(&mut self, service: String, request: HttpRequest) -> Answer<HttpResponse> {
        let (name, call) = match self.call_of(&service) {
            Ok(allowed) => allowed,
            Err(failure) => return Ok(Err(to_guest_failure(&failure))),
        };
        let HttpRequest { method, query, content_type, body } = request;
        let request = RawRequest {
            method: method.to_ascii_uppercase(),
            path: "/".to_owned(),
            query,
            body: body.into(),
            content_type,
        };
        let services = Arc::clone(&self.environment.services);
        match services.score(&name, request, call).await {
            Ok(answer) => {
                Ok(Ok(HttpResponse { status: answer.status, headers: answer.headers, body: answer.body.into() }))
            }
            Err(failure) => Ok(Err(self.report(&failure))),
        }
    }
}

impl State {
    /// The context of a call to another service, where the deployment grants it: the request's own, one service longer. Headers
    /// stay here: they were sent to this service, credentials included.
    fn call_of(&self, service: &str) -> Result<(ServiceName, CallContext), Failure> {
        let own = &self.environment.service;
        let Some(name) = self.environment.grants.services.iter().find(|granted| granted.as_str() == service) else {
            let message = format!("service '{own}' is not granted to call service '{service}'");
            let hint = "name it in scorehost.grants.services of the deployment configuration";
            return Err(Failure::new(ErrorKind::Forbidden, message).with_hint(hint));
        };
        let chain = self.call.chain.then(own.clone());
        Ok((name.clone(), CallContext { headers: None, chain, ..self.call.clone() }))
    }
}
