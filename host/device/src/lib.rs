//! What models run on: the inventory of devices, and the two that need nothing but a CPU.
//!
//! In: model files. Out: [`scorehost_core::Graph`]s that take and return tensors and may be run by many threads at
//! once. The CPU device is ONNX Runtime where its shared library is found, otherwise the built-in reference executor, which also runs small
//! graphs, for which a call of the library costs more than their computation.
//! Every model passes `scorehost_graph`'s checks before a device sees it. Deliberately not here: batching, queues,
//! GPU and FPGA devices (rooms of their own), and any knowledge of services.

#![deny(missing_docs)]

mod accelerator;
mod accelerators;
mod error;
mod inventory;
mod onnxruntime;
mod reference;
mod small;

pub use accelerator::{Accelerator, DeviceLoad, LoadRequest, Opening, folding};
pub use error::DeviceError;
pub use inventory::{DeviceConfig, DeviceReport, Devices, ModelSource, SmallModels, has_external_data, trim_memory};
pub use reference::CpuPart;
