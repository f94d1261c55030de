//! Why there is no OpenCL device, or why it does not load or run a model.

use scorehost_core::{ErrorKind, Failure};

/// Why there is no OpenCL device, or why it does not load or run a model.
#[derive(Debug, thiserror::Error)]
pub enum OpenClError {
    /// OpenCL's library cannot be opened.
    #[error("OpenCL's library cannot be opened ({tried}): {reason}")]
    Library {
        /// Names and paths that were tried.
        tried: String,
        /// What the system says of the last one.
        reason: String,
    },
    /// The library is here and knows no platform.
    #[error(
        "OpenCL's library finds no platform: install a vendor's driver, which puts a file into /etc/OpenCL/vendors"
    )]
    NoPlatform,
    /// There are platforms and none has a device.
    #[error("no OpenCL platform has a device; there are: {platforms}")]
    NoDevice {
        /// Names of the platforms.
        platforms: String,
    },
    /// A call of OpenCL failed.
    #[error("{call} failed: {reason}")]
    Call {
        /// What was called.
        call: &'static str,
        /// What it says.
        reason: String,
    },
    /// An earlier call broke the device; nothing runs on it any more.
    #[error("OpenCL device '{device}' is lost: {reason}")]
    Lost {
        /// Name of the device.
        device: String,
        /// What broke it.
        reason: String,
    },
    /// The device's memory, or the part of it that may be used, is full.
    #[error("{wanted} bytes do not fit OpenCL device '{device}': {used} of {limit} are in use")]
    Memory {
        /// Name of the device.
        device: String,
        /// Bytes asked for; 0 where the driver found out while it worked.
        wanted: u64,
        /// Bytes in use.
        used: u64,
        /// Bytes that may be used.
        limit: u64,
    },
    /// More than one buffer of the device can be long.
    #[error("a buffer of {wanted} bytes is longer than OpenCL device '{device}' allows: {largest}")]
    Largest {
        /// Name of the device.
        device: String,
        /// Bytes asked for.
        wanted: u64,
        /// Bytes of the largest buffer.
        largest: u64,
    },
    /// A range that is not inside a buffer.
    #[error("bytes {offset} to {offset}+{bytes} are not inside a buffer of {length}")]
    Range {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        bytes: u64,
        /// Length of the buffer.
        length: u64,
    },
    /// A program's text that does not compile.
    #[error("an OpenCL program does not compile: {log}")]
    Build {
        /// What the compiler says.
        log: String,
    },
    /// A binary that the device does not take.
    #[error("OpenCL device '{device}' does not take the program's binary: {reason}")]
    Binary {
        /// Name of the device.
        device: String,
        /// What it says.
        reason: String,
    },
    /// A function that a program does not have.
    #[error("the program has no kernel '{kernel}'")]
    NoKernel {
        /// The name asked for.
        kernel: String,
    },
    /// Another number of arguments than a kernel has parameters.
    #[error("kernel '{kernel}' has {expected} parameters, got {given} arguments")]
    Arguments {
        /// Name of the kernel.
        kernel: String,
        /// Number of its parameters.
        expected: u32,
        /// Number of arguments.
        given: usize,
    },
    /// An argument that a kernel does not take.
    #[error("kernel '{kernel}' does not take argument {index}: {reason}")]
    Argument {
        /// Name of the kernel.
        kernel: String,
        /// Place of the argument, from 0.
        index: u32,
        /// What OpenCL says.
        reason: String,
    },
}

impl From<OpenClError> for Failure {
    fn from(error: OpenClError) -> Self {
        match error {
            OpenClError::Memory { .. } | OpenClError::Largest { .. } => {
                Self::new(ErrorKind::Overloaded, "the OpenCL device has not enough room for this call")
                    .with_detail(error.to_string())
            }
            OpenClError::Library { .. }
            | OpenClError::NoPlatform
            | OpenClError::NoDevice { .. }
            | OpenClError::Lost { .. } => Self::new(ErrorKind::Unavailable, error.to_string()),
            OpenClError::Call { .. }
            | OpenClError::Range { .. }
            | OpenClError::Build { .. }
            | OpenClError::Binary { .. }
            | OpenClError::NoKernel { .. }
            | OpenClError::Arguments { .. }
            | OpenClError::Argument { .. } => Self::internal(error),
        }
    }
}
