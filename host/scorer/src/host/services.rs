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
        let given = |(name, tensor): GuestInput| Ok(NamedTensor::new(name, self.fetch(self.held(&tensor)?)?));
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
        let granted = &self.environment.grants.services;
        let Some(name) = granted.iter().find(|granted| granted.as_str() == service) else {
            return Err(not_granted(own, service, granted));
        };
        let chain = self.call.chain.then(own.clone());
        Ok((name.clone(), CallContext { headers: None, chain, ..self.call.clone() }))
    }
}

/// Why a service may not call another one, and what to do about it.
fn not_granted(own: &ServiceName, service: &str, granted: &[ServiceName]) -> Failure {
    let (message, hint) = if own.as_str() == service {
        let message = format!("service '{own}' calls itself, and a circle of calls would not end: {own} → {own}");
        (message, "call a function of the scorer, or the model")
    } else {
        let granted: Vec<&str> = granted.iter().map(ServiceName::as_str).collect();
        let message = format!(
            "service '{own}' is not granted to call service '{service}'; it may call: [{}]",
            granted.join(", ")
        );
        (message, "name it in scorehost.grants.services of the deployment configuration, or correct the name")
    };
    Failure::new(ErrorKind::Forbidden, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::not_granted;

    #[test]
    fn what_is_not_granted_is_told_with_what_is_and_a_call_of_oneself_as_what_it_is() {
        let name = |name: &str| name.parse().expect("a name");
        let failure = not_granted(&name("front"), "rnk", &[name("rank"), name("embed")]);
        let expected = "service 'front' is not granted to call service 'rnk'; it may call: [rank, embed]";
        assert_eq!(failure.message, expected);
        let own = not_granted(&name("front"), "front", &[]);
        assert!(own.message.contains("calls itself") && !own.hint.expect("a hint").contains("grants"));
    }
}
