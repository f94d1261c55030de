//! Counters read at one moment.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{DeviceKind, ErrorKind, ServiceName};

use crate::HistogramSnapshot;

/// How often, and how long altogether.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Times it happened.
    pub count: u64,
    /// Nanoseconds it took altogether.
    pub ns: u64,
}

/// Executions of one batch size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSnapshot {
    /// Inferences per execution.
    pub batch_size: u64,
    /// Bringing inputs into the executor's form.
    pub compute_input: Measure,
    /// The executor itself.
    pub compute_infer: Measure,
    /// Bringing outputs out of the executor's form.
    pub compute_output: Measure,
}

/// What the statistics extension of the Open Inference Protocol reports for one version of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSnapshot {
    /// The service.
    pub service: ServiceName,
    /// Its version.
    pub version: Arc<str>,
    /// When the latest successful request finished, in milliseconds since the Unix epoch; 0 before the first.
    pub last_inference: u64,
    /// Successful inferences.
    pub inference_count: u64,
    /// Executions that made them; fewer where calls were merged.
    pub execution_count: u64,
    /// Successful requests, from admission to answer.
    pub success: Measure,
    /// Failed requests, refused ones included.
    pub fail: Measure,
    /// Of successful requests: waiting for a replica.
    pub queue: Measure,
    /// Of successful requests: bringing inputs into the executor's form.
    pub compute_input: Measure,
    /// Of successful requests: the scorer or the model.
    pub compute_infer: Measure,
    /// Of successful requests: bringing outputs out of the executor's form.
    pub compute_output: Measure,
    /// Executions by batch size; sizes that did not occur are absent.
    pub batches: Vec<BatchSnapshot>,
    /// Failed requests by kind, in the kinds' order.
    pub failures: [(ErrorKind, u64); ErrorKind::ALL.len()],
    /// Requests whose caller went away; neither successes nor failures.
    pub cancelled: u64,
    /// Successful requests by duration, from admission to answer.
    pub latency: HistogramSnapshot,
    /// Waits for a replica of successful requests, where there was a wait at all.
    pub queue_wait: HistogramSnapshot,
    /// Time that calls of the scorer spent computing, models that ran on its thread included; nothing for a no-code service.
    pub computed: Duration,
    /// Requests that found no replica and waited for one to be made.
    pub cold_starts: u64,
    /// Time that runs of models for this version occupied devices beside the CPU, by kind in the kinds' order.
    pub on_devices: [(DeviceKind, Duration); DeviceKind::ALL.len()],
}

impl ServiceSnapshot {
    /// Failed requests of one kind.
    #[must_use]
    pub const fn failed(&self, kind: ErrorKind) -> u64 {
        self.failures[kind as usize].1
    }

    /// Every request that ended: answered, failed or cancelled.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.success.count + self.fail.count + self.cancelled
    }
}
