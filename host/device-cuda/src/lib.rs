//! NVIDIA GPUs: the executor that runs `scorehost_graph`'s representation through CUDA.
//!
//! In: checked models. Out: [`scorehost_core::Graph`]s whose weights are on a GPU, run by many threads at once. Drivers and
//! libraries are opened at run time, so the crate compiles and its plans are tested where there is neither; what is missing
//! is a [`CudaError`] that names it. [`scorehost_plan`] turns a graph and concrete shapes into launches without touching a device,
//! `driver` is the only part that calls NVIDIA's libraries, `executor` puts them together.
//! Deliberately not here: choosing a device for a model, batching, and other device families.

#![deny(missing_docs)]

mod cuda;
mod driver;
mod error;
mod executor;
mod placement;
#[cfg(test)]
mod tests;

pub use cuda::{Cuda, CudaConfig, GpuReport, GpuState, LoadOptions};
pub use error::CudaError;
pub use executor::CudaGraph;
use scorehost_plan as plan;
pub use scorehost_plan::Cost;
