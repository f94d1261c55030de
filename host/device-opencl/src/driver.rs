//! The only part that calls OpenCL. What it gives out is safe to use: memory is counted, and what the device works with is kept until it
//! is done, also where the call that it works for has ended before.
//!
//! `ocl` is the binding; its calls end in the forwarders of [`entry`], which reach the library that [`library`] opens at run time.

mod cache;
mod device;
mod entry;
mod event;
mod inventory;
mod kernel;
pub(crate) mod library;
mod memory;
mod probe;
mod program;
mod queue;
#[cfg(test)]
mod tests;
mod verdict;
mod work;

pub(crate) use cache::ProgramCache;
pub(crate) use device::{Bounds, Device};
pub(crate) use event::Event;
pub use inventory::{DeviceInfo, DeviceType};
pub(crate) use inventory::{Found, find};
pub(crate) use kernel::{Arg, Kernel};
pub(crate) use memory::Buffer;
pub(crate) use program::Program;
pub(crate) use queue::{Batch, Grid, Queue};

/// What OpenCL says, in one line: its name of the code where there is one.
fn reason(error: &ocl::core::Error) -> String {
    error.api_status().map_or_else(|| error.to_string().trim().to_owned(), |status| status.to_string())
}
