//! Choosing a GPU for a model.

use std::sync::Arc;

use scorehost_core::{DeviceKind, Failure, Graph, Precision};
use scorehost_device::{Accelerator, DeviceLoad, DeviceReport, folding};
use scorehost_graph::Model;

use crate::{Cuda, CudaError, GpuState, LoadOptions};

/// Calls of one model that run at a time: one computes while another copies.
const CONTEXTS: usize = 2;

/// The order in which GPUs are tried: those with the fewest calls under way first, then the most room.
fn by_load(states: &[GpuState]) -> Vec<usize> {
    let mut order: Vec<&GpuState> = states.iter().filter(|state| state.lost.is_none()).collect();
    order.sort_by_key(|state| {
        (state.running, std::cmp::Reverse(state.limit_bytes.saturating_sub(state.used_bytes)), state.report.ordinal)
    });
    order.into_iter().map(|state| state.report.ordinal).collect()
}

impl Accelerator for Cuda {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Gpu
    }

    fn reports(&self) -> Vec<DeviceReport> {
        let report = |state: GpuState| DeviceReport {
            name: "cuda",
            kind: "cuda",
            available: state.lost.is_none(),
            detail: state.lost.unwrap_or_else(|| format!("GPU {}: {}", state.report.ordinal, state.report)),
        };
        self.states().into_iter().map(report).collect()
    }

    fn loads(&self) -> Vec<DeviceLoad> {
        let load = |state: GpuState| DeviceLoad {
            name: format!("cuda:{}", state.report.ordinal),
            used_bytes: state.used_bytes,
            limit_bytes: state.limit_bytes,
            busy_seconds: state.busy_micros as f64 / 1e6,
            running: state.running,
            healthy: state.lost.is_none(),
        };
        self.states().into_iter().map(load).collect()
    }

    fn load(&self, model: &Model, precision: Precision) -> Result<Arc<dyn Graph>, Failure> {
        let states = self.states();
        let mut refused = states.iter().find_map(|state| {
            let reason = state.lost.clone()?;
            Some(CudaError::Lost { ordinal: state.report.ordinal, reason })
        });
        for ordinal in by_load(&states) {
            let options = LoadOptions { precision, fold: folding(), contexts: CONTEXTS, poison: false, batches: false };
            match Self::load(self, ordinal, model, options) {
                Ok(graph) => return Ok(graph),
                // Another GPU may have the room, or be alive.
                Err(reason @ (CudaError::Memory { .. } | CudaError::Lost { .. })) => refused = Some(reason),
                Err(reason) => return Err(reason.into()),
            }
        }
        Err(refused.unwrap_or(CudaError::NoDevice).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GpuReport;

    fn state(ordinal: usize, running: u64, used_bytes: u64, lost: bool) -> GpuState {
        let name = "a card".to_owned();
        let report =
            GpuReport { ordinal, name, memory_bytes: 100, capability: (9, 0), multiprocessors: 132, driver: (13, 0) };
        let lost = lost.then(|| "it fell off the bus".to_owned());
        GpuState { report, used_bytes, limit_bytes: 100, busy_micros: 0, running, lost }
    }

    #[test]
    fn the_least_busy_gpu_is_tried_first_and_a_lost_one_never() {
        let states = [state(0, 3, 0, false), state(1, 0, 90, false), state(2, 0, 10, false), state(3, 0, 0, true)];
        assert_eq!(by_load(&states), [2, 1, 0]);
    }

    #[test]
    fn a_machine_without_a_driver_is_a_typed_error_with_the_reason() {
        match Cuda::discover(&crate::CudaConfig::default()) {
            Ok(cuda) => assert!(!cuda.states().is_empty()),
            Err(reason) => {
                assert!(
                    matches!(reason, CudaError::Library { .. } | CudaError::NoDevice | CudaError::Call { .. }),
                    "{reason}"
                );
                assert!(reason.to_string().len() > 20, "{reason}");
            }
        }
    }
}
