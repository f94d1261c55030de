//! The only files that call the driver and NVIDIA's libraries. Every raw handle has one owner here, which destroys it.

mod compiler;
mod gpu;
mod matrices;
mod memory;
mod probe;
mod stream;

pub(crate) use compiler::CompilerCache;
#[cfg(test)]
pub(crate) use compiler::compile;
pub(crate) use gpu::Gpu;
pub(crate) use memory::{Memory, Pinned};
#[cfg(test)]
pub(crate) use probe::compiler_is_present;
pub(crate) use probe::gpus;
pub(crate) use stream::{Recording, Stream};

use cudarc::driver::result::DriverError;

use crate::CudaError;

/// What the driver says.
fn reason(error: DriverError) -> String {
    match (error.error_name(), error.error_string()) {
        (Ok(name), Ok(text)) => format!("{}: {}", name.to_string_lossy(), text.to_string_lossy()),
        _ => format!("driver error {}", error.0 as u32),
    }
}

fn failed(call: &'static str) -> impl Fn(DriverError) -> CudaError {
    move |error| CudaError::Call { call, reason: reason(error) }
}
