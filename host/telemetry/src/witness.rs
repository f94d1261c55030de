//! A version whose requests are kept: what came in and what went out is handed on once the answer is made.
//!
//! Versions that keep nothing are not wrapped, so that they pay nothing.

use std::sync::Arc;

use scorehost_core::{
    BoxFuture, CallContext, Failure, InferRequest, InferResponse, RawRequest, RawResponse, Service, ServiceStatus,
};

use crate::{ServiceCollector, ServiceRecorder};

/// A version, and what keeps its requests.
pub struct Witnessed {
    answering: Arc<dyn Service>,
    collector: Option<Arc<ServiceCollector>>,
    recorder: Option<Arc<ServiceRecorder>>,
}

impl Witnessed {
    /// `answering` itself where nothing is kept.
    #[must_use]
    pub fn of(
        answering: Arc<dyn Service>,
        collector: Option<Arc<ServiceCollector>>,
        recorder: Option<Arc<ServiceRecorder>>,
    ) -> Arc<dyn Service> {
        if collector.is_none() && recorder.is_none() {
            return answering;
        }
        if let Some(collector) = &collector {
            collector.describe(&answering.status().interface);
        }
        Arc::new(Self { answering, collector, recorder })
    }

    fn collector(&self, request_id: &str) -> Option<&ServiceCollector> {
        self.collector.as_deref().filter(|collector| collector.wants(request_id))
    }
}

impl Service for Witnessed {
    fn status(&self) -> &ServiceStatus {
        self.answering.status()
    }

    fn infer<'a>(&'a self, request: InferRequest, call: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        let collector = self.collector(&call.request_id);
        let recorded = self.recorder.as_deref().and_then(|recorder| Some((recorder, recorder.infer(&request, &call)?)));
        if collector.is_none() && recorded.is_none() {
            return self.answering.infer(request, call);
        }
        Box::pin(async move {
            let collected = collector.map(|collector| (collector, request.clone(), Arc::clone(&call.request_id)));
            let answer = self.answering.infer(request, call).await;
            if let (Some((collector, request, id)), Ok(answer)) = (collected, &answer) {
                collector.inferred(&id, request, answer);
            }
            if let Some((recorder, begun)) = recorded {
                recorder.inferred(begun, &answer);
            }
            answer
        })
    }

    fn score<'a>(&'a self, request: RawRequest, call: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        let collector = self.collector(&call.request_id);
        let recorded = self.recorder.as_deref().and_then(|recorder| Some((recorder, recorder.score(&request, &call)?)));
        if collector.is_none() && recorded.is_none() {
            return self.answering.score(request, call);
        }
        Box::pin(async move {
            let collected = collector.map(|collector| (collector, request.clone(), Arc::clone(&call.request_id)));
            let answer = self.answering.score(request, call).await;
            if let (Some((collector, request, id)), Ok(answer)) = (collected, &answer) {
                collector.scored(&id, request, answer);
            }
            if let Some((recorder, begun)) = recorded {
                recorder.scored(begun, &answer);
            }
            answer
        })
    }
}
