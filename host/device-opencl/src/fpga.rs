//! FPGAs: programs that vendors' tools made, and the graphs that run with them.
//!
//! Beside a model's `<stem>.onnx` lie a program's binary and its manifest `<stem>.fpga.json`, which says what the kernels are called,
//! what they take, and which nodes of the graph they stand for. Nothing is compiled here. Nodes without a kernel run on the CPU; the
//! cut between the two, and what it costs, is known when the model is loaded.

mod claim;
mod context;
mod cut;
mod error;
mod files;
mod graph;
mod loaded;
mod manifest;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use error::FpgaError;
use files::Files;
pub use graph::{FpgaCosts, FpgaGraph};
use scorehost_core::{DeviceKind, Failure, Graph};
use scorehost_device::{Accelerator, DeviceLoad, DeviceReport, LoadRequest};

use crate::driver::Device;
use crate::opencl;
use crate::{DeviceType, OpenCl};

/// The devices that run models placed on an FPGA: those of type accelerator.
pub struct Fpgas {
    devices: Vec<Arc<Device>>,
    /// Rows of devices that no placement uses.
    idle: Vec<DeviceReport>,
}

impl Fpgas {
    /// The FPGAs among the OpenCL devices; empty where there are none, whose loads are then refused.
    #[must_use]
    pub fn new(opencl: &OpenCl) -> Self {
        Self { devices: opencl.serving(DeviceType::Accelerator), idle: opencl.idle() }
    }

    /// Loads a model on one of the devices, by its place among [`Accelerator::loads`].
    ///
    /// # Errors
    /// What is wrong with the program beside the model's graph, or why it does not fit.
    pub fn load(&self, device: usize, request: &LoadRequest<'_>) -> Result<Arc<FpgaGraph>, FpgaError> {
        let missing =
            || crate::OpenClError::NoDevice { platforms: "none with a device of type accelerator".to_owned() };
        let device = self.devices.get(device).ok_or_else(missing)?;
        device.check()?;
        let files = Files::beside(request.path.ok_or(FpgaError::NoFolder)?)?;
        graph::load(device, request.model, files).map(Arc::new)
    }
}

impl Accelerator for Fpgas {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Fpga
    }

    fn reports(&self) -> Vec<DeviceReport> {
        self.devices.iter().map(|device| opencl::report(device)).chain(self.idle.iter().cloned()).collect()
    }

    fn loads(&self) -> Vec<DeviceLoad> {
        self.devices.iter().map(|device| opencl::load(device)).collect()
    }

    fn load(&self, device: usize, request: &LoadRequest<'_>) -> Result<Arc<dyn Graph>, Failure> {
        Ok(Self::load(self, device, request)?)
    }
}
