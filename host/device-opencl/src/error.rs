//! Why there is no OpenCL device, or why it does not load or run a model.

use scorehost_core::{DType, ErrorKind, Failure, TensorError};
use scorehost_graph::GraphError;
use scorehost_plan::PlanError;

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
    /// A call's time was up before the device was done.
    #[error("OpenCL device '{device}' was not done with the call by its deadline")]
    Deadline {
        /// Name of the device.
        device: String,
    },
    /// Too many calls have ended at their deadlines while their work goes on.
    #[error("OpenCL device '{device}' still works for {calls} calls that ended at their deadlines; try again later")]
    Occupied {
        /// Name of the device.
        device: String,
        /// Calls.
        calls: usize,
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
    /// A device that only runs programs made by its vendor's tools.
    #[error("OpenCL device '{device}' compiles no programs; place the model on it as an fpga, with a program for it")]
    NoCompiler {
        /// Name of the device.
        device: String,
    },
    /// Operators without a kernel.
    #[error("the OpenCL device has no implementation of {}", .0.join(", "))]
    Operators(Vec<String>),
    /// All execution contexts of a graph stayed busy.
    #[error("all {contexts} executions of the model on OpenCL device '{device}' are busy")]
    Busy {
        /// Name of the device.
        device: String,
        /// Executions at a time.
        contexts: usize,
    },
    /// Inputs other than the signature's.
    #[error("the model takes the inputs [{expected}], got [{actual}]")]
    Inputs {
        /// Names in the signature.
        expected: String,
        /// Names given.
        actual: String,
    },
    /// An input of another dtype.
    #[error("input '{name}' must be {expected}, got {actual}")]
    InputType {
        /// The input.
        name: String,
        /// The signature's dtype.
        expected: DType,
        /// The dtype given.
        actual: DType,
    },
    /// A graph that has no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The model is unsound.
    #[error(transparent)]
    Model(#[from] GraphError),
    /// The device returned something that is no tensor.
    #[error("the device returned an invalid tensor: {0}")]
    Output(#[from] TensorError),
}

impl From<OpenClError> for Failure {
    fn from(error: OpenClError) -> Self {
        match error {
            OpenClError::Model(error) => error.into(),
            OpenClError::Plan(error) => error.into(),
            OpenClError::Operators(_) | OpenClError::NoCompiler { .. } => {
                Self::new(ErrorKind::Unsupported, error.to_string())
                    .with_hint("allow the fallback to the CPU for this deployment, or place it there")
            }
            OpenClError::Inputs { .. } | OpenClError::InputType { .. } => Self::invalid(error.to_string()),
            OpenClError::Memory { .. } | OpenClError::Largest { .. } | OpenClError::Busy { .. } => {
                Self::new(ErrorKind::Overloaded, "the OpenCL device has not enough room for this call")
                    .with_detail(error.to_string())
            }
            OpenClError::Occupied { .. } => Self::new(ErrorKind::Overloaded, error.to_string()),
            OpenClError::Deadline { .. } => Self::new(ErrorKind::Deadline, error.to_string())
                .with_hint("ask for fewer rows in a call, or raise scoringTimeoutMs"),
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
            | OpenClError::Argument { .. }
            | OpenClError::Output(_) => Self::internal(error),
        }
    }
}
