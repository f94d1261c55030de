//! OpenCL devices as GPUs: models run on them from kernels in OpenCL C.

use std::sync::Arc;

use scorehost_core::{DeviceKind, ErrorKind, Failure, Graph, Precision};
use scorehost_device::{Accelerator, DeviceLoad, DeviceReport, LoadRequest, folding};
use scorehost_graph::Model;

use crate::driver::Device;
use crate::executor::{self, LoadOptions, OpenClGraph};
use crate::opencl::{self, OpenCl};
use crate::{DeviceType, OpenClError};

/// Calls of one model that run at a time: one computes while another copies.
const CONTEXTS: usize = 2;

/// The devices that take the part of a GPU.
pub struct OpenClGpus {
    devices: Vec<Arc<Device>>,
}

impl OpenCl {
    /// The GPUs, and the host's processor where the configuration lets it take their part; `None` where there are neither.
    #[must_use]
    pub fn gpus(&self) -> Option<OpenClGpus> {
        let devices = self.serving(DeviceType::Gpu);
        (!devices.is_empty()).then_some(OpenClGpus { devices })
    }
}

impl OpenClGpus {
    /// Loads a checked model on one device. Blocks while it prepares and copies the weights and compiles kernels.
    ///
    /// # Errors
    /// `Operators` naming everything that has no kernel, `Memory` where the weights do not fit.
    pub fn load(&self, device: usize, model: &Model, options: LoadOptions) -> Result<Arc<OpenClGraph>, OpenClError> {
        let device = self.devices.get(device).ok_or(OpenClError::NoDevice { platforms: "none".to_owned() })?;
        executor::load(device, model, options).map(Arc::new)
    }
}

impl Accelerator for OpenClGpus {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Gpu
    }

    fn reports(&self) -> Vec<DeviceReport> {
        self.devices.iter().map(|device| opencl::report(device)).collect()
    }

    fn loads(&self) -> Vec<DeviceLoad> {
        self.devices.iter().map(|device| opencl::load(device)).collect()
    }

    fn load(&self, device: usize, request: &LoadRequest<'_>) -> Result<Arc<dyn Graph>, Failure> {
        // There is no arithmetic between F32 and F16 here.
        let precision = if request.precision == Precision::F16 { Precision::F16 } else { Precision::F32 };
        if request.precision == Precision::BF16 {
            let message =
                format!("OpenCL devices keep numbers in fp32 or fp16, and {} was asked for", request.precision);
            return Err(Failure::new(ErrorKind::Unsupported, message).with_hint("say fp16, or leave the precision out"));
        }
        let options =
            LoadOptions { precision, fold: folding(), contexts: CONTEXTS, poison: false, batches: true, style: None };
        Ok(Self::load(self, device, request.model, options)?)
    }
}
