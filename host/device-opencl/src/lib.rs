//! OpenCL devices: what they are, programs and memory on them, and FPGAs that run programs made by their vendors' tools.
//!
//! In: checked models. Out: [`scorehost_core::Graph`]s on a device, run by many threads at once. The library is opened at run time and
//! linked to nothing, so the crate compiles and its program starts where there is none; what is missing is an [`OpenClError`] that
//! names it. `driver` is the only part that calls OpenCL. Deliberately not here: choosing a device for a model,
//! batching, and other device families.

#![deny(missing_docs)]

mod driver;
mod error;
mod executor;
mod fpga;
mod gpu;
mod opencl;

pub use driver::{DeviceInfo, DeviceType};
pub use error::OpenClError;
pub use executor::{LoadOptions, OpenClGraph};
pub use fpga::{FpgaCosts, FpgaError, FpgaGraph, Fpgas};
pub use gpu::OpenClGpus;
pub use opencl::{OpenCl, OpenClConfig};
