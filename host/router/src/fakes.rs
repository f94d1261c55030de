//! Services that tests put into the table.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use scorehost_core::{
    BoxFuture, CallContext, ErrorKind, Failure, InferRequest, InferResponse, Interface, NamedTensor, Priority,
    RawRequest, RawResponse, Service, ServiceStatus, Signature, Tensor,
};

/// What a fake does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    /// Adds a number to every element.
    Add(f32),
    /// Fails.
    Fail(ErrorKind),
    /// Never answers.
    Hang,
    /// Panics.
    Panic,
}

pub(crate) struct Fake {
    status: ServiceStatus,
    does: Does,
    asked: AtomicUsize,
    low: AtomicUsize,
}

impl Fake {
    pub(crate) fn new(name: &str, version: &str, does: Does) -> Arc<Self> {
        let (name, interface) = (name.parse().unwrap(), Interface::Tensors(Signature::default()));
        let status = ServiceStatus {
            name,
            version: version.into(),
            interface,
            platform: "fake",
            models: vec![],
            batching: Default::default(),
        };
        Arc::new(Self { status, does, asked: AtomicUsize::new(0), low: AtomicUsize::new(0) })
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    /// Requests so far that everything else goes before.
    pub(crate) fn low(&self) -> usize {
        self.low.load(SeqCst)
    }

    async fn answer<T>(&self, call: &CallContext, answer: impl FnOnce(f32) -> T) -> Result<T, Failure> {
        self.asked.fetch_add(1, SeqCst);
        self.low.fetch_add(usize::from(call.priority == Priority::Low), SeqCst);
        match self.does {
            Does::Add(number) => Ok(answer(number)),
            Does::Fail(kind) => Err(Failure::new(kind, "planned")),
            Does::Hang => std::future::pending().await,
            Does::Panic => panic!("planned"),
        }
    }
}

impl Service for Fake {
    fn status(&self) -> &ServiceStatus {
        &self.status
    }

    fn infer<'a>(&'a self, request: InferRequest, call: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(async move {
            self.answer(&call, |number| {
                let add = |input: &NamedTensor| NamedTensor::new(Arc::clone(&input.name), added(&input.tensor, number));
                InferResponse { outputs: request.inputs.iter().map(add).collect(), cached: None }
            })
            .await
        })
    }

    fn score<'a>(&'a self, request: RawRequest, call: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(async move {
            let body = |number: f32| format!("{}{number}", String::from_utf8_lossy(&request.body)).into();
            self.answer(&call, |number| RawResponse { status: 200, headers: vec![], body: body(number) }).await
        })
    }
}

fn added(tensor: &Tensor, number: f32) -> Tensor {
    let values = tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()) + number);
    Tensor::from_f32(tensor.shape(), &values.collect::<Vec<_>>()).unwrap()
}
