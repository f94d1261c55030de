//! What the command line needs from the assembly.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use scorehost_control::wire::Device;
use scorehost_core::{Failure, RawResponse};
use serde::Serialize;

use crate::ServeOptions;

/// The parts of the program that run models and scorers. The assembly implements it.
pub trait Host {
    /// Serves until the process is told to stop, and drains.
    ///
    /// # Errors
    /// Where a port, the data directory or a setting does not work.
    fn serve(&self, options: ServeOptions) -> Result<(), Failure>;

    /// Scores one body in this process, without a server.
    ///
    /// # Errors
    /// Where the scorer cannot be loaded at all; a call that fails is in the report.
    fn run_local(&self, options: RunOptions) -> Result<RunReport, Failure>;

    /// Devices of this machine, and those that cannot be used with the reason.
    ///
    /// # Errors
    /// Where the library that was named does not work.
    fn devices(&self, onnxruntime: Option<PathBuf>) -> Result<Vec<Device>, Failure>;

    /// What a component is and can reach.
    ///
    /// # Errors
    /// Where the bytes are no component.
    fn inspect(&self, component: &[u8]) -> Result<Inspection, Failure>;
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A model file for a local run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalModel {
    /// Name under which the scorer opens it; the file's name without its extension unless given.
    pub name: String,
    /// The file, or a folder of files.
    pub path: PathBuf,
}

/// One scoring call without a server.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Bytes of the component.
    pub component: Vec<u8>,
    /// Models given to it.
    pub models: Vec<LocalModel>,
    /// The request's body.
    pub body: Vec<u8>,
    /// Its content type.
    pub content_type: String,
    /// Variables that the scorer can read.
    pub variables: BTreeMap<String, String>,
    /// Longest time of the call.
    pub timeout: Duration,
    /// Linear memory of the scorer, in bytes.
    pub memory_bytes: u64,
    /// Whether the scorer sees the machine's clocks and gets real randomness.
    pub clock: bool,
    /// Real randomness.
    pub random: bool,
    /// ONNX Runtime's shared library.
    pub onnxruntime: Option<PathBuf>,
}

/// What a local run did.
#[derive(Debug)]
pub struct RunReport {
    /// The scorer's answer, or why there is none; `detail` holds the backtrace.
    pub outcome: Result<RawResponse, Failure>,
    /// What the scorer printed and logged, in order.
    pub prints: Vec<String>,
    /// How long each step took, in order: `compile`, `load models`, `init`, `run`.
    pub timings: Vec<(String, Duration)>,
}

/// What a component is and can reach.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// `scorer`, `entry-script`, or another world that can be deployed; none where it cannot.
    pub world: Option<String>,
    /// `sha256:…` of the bytes.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// What its imports let it reach.
    pub capabilities: Vec<Capability>,
    /// Top-level exports.
    pub exports: Vec<String>,
    /// What made it, as far as it says so.
    pub toolchain: Vec<Tool>,
}

/// One kind of thing that a component can reach.
#[derive(Clone, Debug, Serialize)]
pub struct Capability {
    /// Short name, such as `models`.
    pub name: String,
    /// What it means under this host.
    pub meaning: String,
    /// Whether a deployment gets it; a component with a refused import is not deployed.
    pub granted: bool,
    /// The imports, by full name.
    pub imports: Vec<String>,
}

/// A tool that made a component.
#[derive(Clone, Debug, Serialize)]
pub struct Tool {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    /// Name.
    pub name: String,
    /// Version; may be empty.
    pub version: String,
}
