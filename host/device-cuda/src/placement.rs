//! GPUs as one family of devices among others.

use std::sync::Arc;

use scorehost_core::{DeviceKind, Failure, Graph};
use scorehost_device::{Accelerator, DeviceLoad, DeviceReport, LoadRequest, folding};

use crate::{Cuda, GpuState, LoadOptions};

/// Calls of one model that run at a time: one computes while another copies.
const CONTEXTS: usize = 2;

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

    fn load(&self, device: usize, request: &LoadRequest<'_>) -> Result<Arc<dyn Graph>, Failure> {
        let LoadRequest { model, precision, .. } = *request;
        let options = LoadOptions { precision, fold: folding(), contexts: CONTEXTS, poison: false, batches: true };
        Ok(Self::load(self, device, model, options)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CudaError;

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
