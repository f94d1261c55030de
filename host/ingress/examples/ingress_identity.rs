//! The ingress room alone, in front of an in-memory service `identity` that returns its inputs: what a request costs before
//! and after the model.
//!
//! `ingress_identity HTTP_ADDRESS GRPC_ADDRESS THREADS` runs until it is killed.

use std::error::Error;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use scorehost_core::{
    Asked, BoxFuture, CallContext, DType, Failure, InferRequest, InferResponse, Interface, NamedTensor, Plane,
    RawRequest, RawResponse, Repository, RepositoryEntry, Routed, Service, ServiceName, ServiceStatus, Signature,
    TensorSpec,
};
use scorehost_ingress::{Body, Counters, Doors, Ingress, IngressConfig, Management, Observe, StatisticsSource};

struct Identity(ServiceStatus);

impl Service for Identity {
    fn status(&self) -> &ServiceStatus {
        &self.0
    }

    fn infer<'a>(&'a self, request: InferRequest, _: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        let name = self.output();
        Box::pin(async move {
            let outputs = request.inputs.into_iter().map(|input| NamedTensor { name: name.clone(), ..input }).collect();
            Ok(InferResponse { outputs, cached: None })
        })
    }

    fn score<'a>(&'a self, _: RawRequest, _: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(async { Err(Failure::invalid("identity takes tensors")) })
    }
}

impl Identity {
    fn output(&self) -> Arc<str> {
        match &self.0.interface {
            Interface::Tensors(signature) => signature.outputs[0].name.clone(),
            Interface::EntryScript(_) => "".into(),
        }
    }
}

struct One(Arc<dyn Service>);

impl Plane for One {
    fn route(&self, name: &str, _: &Asked<'_>) -> Result<Routed, Failure> {
        let service = self.service(name).ok_or_else(|| Failure::not_found("no such service"))?;
        Ok(Routed { service, several: false })
    }

    fn versions(&self, name: &str) -> Vec<Arc<dyn Service>> {
        self.service(name).into_iter().collect()
    }

    fn service(&self, name: &str) -> Option<Arc<dyn Service>> {
        (self.0.status().name.as_str() == name).then(|| self.0.clone())
    }

    fn services(&self) -> Vec<Arc<dyn Service>> {
        vec![self.0.clone()]
    }
}

struct Nothing;

impl Repository for Nothing {
    fn index(&self) -> BoxFuture<'_, Result<Vec<RepositoryEntry>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Err(Failure::not_found(format!("nothing named '{name}' is registered"))) })
    }

    fn unload<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.load(name)
    }
}

impl Management for Nothing {
    fn call(&self, _: Request<Incoming>) -> BoxFuture<'static, Result<Response<Body>, Failure>> {
        Box::pin(async { Err(Failure::not_found("this example has no management API")) })
    }
}

impl StatisticsSource for Nothing {
    fn counters(&self, _: &ServiceName, _: &str) -> Option<Counters> {
        None
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |name: &'static str| arguments.next().ok_or(name);
    let config = IngressConfig {
        http: next("HTTP_ADDRESS is missing")?.parse()?,
        grpc: Some(next("GRPC_ADDRESS is missing")?.parse()?),
        threads: Some(next("THREADS is missing")?.parse()?),
        ..IngressConfig::default()
    };
    let spec = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1, 16] };
    let signature = Signature { inputs: vec![spec("INPUT0")], outputs: vec![spec("OUTPUT0")] };
    let status = ServiceStatus {
        name: "identity".parse()?,
        version: "1".into(),
        interface: Interface::Tensors(signature),
        platform: "example_identity",
        models: Vec::new(),
        batching: Default::default(),
    };
    let doors = Doors {
        plane: Arc::new(One(Arc::new(Identity(status)))),
        statistics: Arc::new(Nothing),
        repository: Arc::new(Nothing),
        management: Arc::new(Nothing),
        gatekeeper: scorehost_auth::Gatekeeper::open(),
        observe: Observe::default(),
        ready: Arc::new(true.into()),
    };
    let ingress = Ingress::bind(config, doors)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(ingress.serve(std::future::pending()))?)
}
