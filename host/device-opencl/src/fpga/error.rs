//! Why a model does not run with its FPGA program.

use scorehost_core::{ErrorKind, Failure, TensorError};
use scorehost_graph::GraphError;

use crate::OpenClError;

/// Why a model does not run with its FPGA program.
#[derive(Debug, thiserror::Error)]
pub enum FpgaError {
    /// The model came without files beside its graph.
    #[error("an FPGA runs a program that lies beside the model's graph, and only the graph came")]
    NoFolder,
    /// There is no manifest beside the graph.
    #[error(
        "the model has no FPGA program: '{manifest}' is missing beside {graph}; register the folder that holds both"
    )]
    NoManifest {
        /// Name of the file that is missing.
        manifest: String,
        /// Name of the graph's file.
        graph: String,
    },
    /// A file of the program cannot be used.
    #[error("'{file}' {problem}")]
    File {
        /// Name of the file.
        file: String,
        /// What is wrong with it, to be read after its name.
        problem: String,
    },
    /// The manifest says something that it cannot.
    #[error("'{file}' has {} {}:{}", .problems.len(), if .problems.len() == 1 { "error" } else { "errors" }, listed(.problems))]
    Manifest {
        /// Name of the file.
        file: String,
        /// Each with its path in the file.
        problems: Vec<String>,
    },
    /// The manifest is for another device.
    #[error("'{file}' is for a device named '{wanted}', this one is '{device}'")]
    OtherDevice {
        /// Name of the manifest.
        file: String,
        /// What the manifest asks for.
        wanted: String,
        /// The device's name.
        device: String,
    },
    /// A kernel does not fit the graph or the program.
    #[error("'{file}', kernel '{kernel}': {problem}")]
    Kernel {
        /// Name of the file: the manifest or the program.
        file: String,
        /// Name of the kernel.
        kernel: String,
        /// What does not fit, what was expected.
        problem: String,
    },
    /// Inputs other than the signature's.
    #[error("the model takes the inputs [{expected}], got [{actual}]")]
    Inputs {
        /// Names in the signature.
        expected: String,
        /// Names given.
        actual: String,
    },
    /// A tensor that a kernel does not take.
    #[error("'{value}' is {actual}; kernel '{kernel}' takes {expected}")]
    Value {
        /// Name of the value.
        value: String,
        /// Dtype and shape.
        actual: String,
        /// The kernel.
        kernel: String,
        /// Dtype and shape that it takes.
        expected: String,
    },
    /// All executions of a model stayed busy.
    #[error("all {contexts} executions of the model on OpenCL device '{device}' are busy")]
    Busy {
        /// Name of the device.
        device: String,
        /// Executions at a time.
        contexts: usize,
    },
    /// The part of the graph that runs on the CPU failed.
    #[error(transparent)]
    Cpu(Failure),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] OpenClError),
    /// The model is unsound.
    #[error(transparent)]
    Model(#[from] GraphError),
    /// A constant of the graph that cannot be read.
    #[error("constant '{name}' {problem}")]
    Constant {
        /// Its name.
        name: String,
        /// What is wrong, to be read after its name.
        problem: String,
    },
    /// The device returned something that is no tensor.
    #[error("the device returned an invalid tensor: {0}")]
    Output(#[from] TensorError),
}

fn listed(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

const HINT: &str = "docs/guide/fpga.md says how a program and its manifest are made";

impl From<FpgaError> for Failure {
    fn from(error: FpgaError) -> Self {
        match error {
            FpgaError::Cpu(failure) => failure,
            FpgaError::Device(error) => error.into(),
            FpgaError::Model(error) => error.into(),
            FpgaError::NoFolder | FpgaError::NoManifest { .. } => {
                Self::new(ErrorKind::Unsupported, error.to_string()).with_hint(HINT)
            }
            FpgaError::File { .. }
            | FpgaError::Manifest { .. }
            | FpgaError::OtherDevice { .. }
            | FpgaError::Constant { .. }
            | FpgaError::Kernel { .. } => Self::invalid(error.to_string()).with_hint(HINT),
            FpgaError::Inputs { .. } | FpgaError::Value { .. } => Self::invalid(error.to_string()),
            FpgaError::Busy { .. } => Self::new(ErrorKind::Overloaded, error.to_string()),
            FpgaError::Output(_) => Self::internal(error),
        }
    }
}
