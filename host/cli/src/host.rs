//! What the command line needs from the assembly.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use scorehost_control::wire::Device;
use scorehost_core::{Failure, Outbound, RawResponse};
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

    /// What reads the certificate of a server.
    fn certificate_reader(&self) -> ReadCertificate;

    /// The known flaws of what a component contains; `advisories` is the text of a list in the OSV format.
    ///
    /// # Errors
    /// Where the bytes are no component, or the text is no list.
    fn flaws(&self, component: &[u8], advisories: &str) -> Result<Vec<Flaw>, Failure>;

    /// A new pair of keys to sign components with.
    fn keygen(&self) -> KeyPair;

    /// The signature of a component by a private key in PEM, as one line.
    ///
    /// # Errors
    /// Where the key is none.
    fn sign(&self, component: &[u8], private_key: &str) -> Result<String, Failure>;

    /// Checks a signature by a public key in PEM; the key's id.
    ///
    /// # Errors
    /// `Forbidden` where the signature is not of this component by this key; `InvalidInput` where one of them is none.
    fn verify(&self, component: &[u8], signature: &str, public_key: &str) -> Result<String, Failure>;
}

/// Reads a certificate in DER form, or says why it is none.
pub type ReadCertificate = fn(&[u8]) -> Result<ServerCertificate, String>;

/// What a server's certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// DNS names and addresses that it is for.
    pub names: Vec<String>,
    /// Its end.
    pub not_after: SystemTime,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where models run whose computation takes less than a call of ONNX Runtime does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SmallModels {
    /// On the built-in executor, several times faster per call.
    BuiltIn,
    /// In ONNX Runtime like all others, for answers that equal its own to the last bit.
    Onnxruntime,
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
    /// Where the scorer may send HTTP requests.
    pub outbound: Vec<Outbound>,
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
    /// Packages in it; none where it says nothing about them.
    pub dependencies: Option<Vec<Dependency>>,
}

/// A package inside a component.
#[derive(Clone, Debug, Serialize)]
pub struct Dependency {
    /// `crates.io`, `PyPI`, `npm` or `toolchain`.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// A known flaw of a package inside a component.
#[derive(Clone, Debug, Serialize)]
pub struct Flaw {
    /// Id of the advisory.
    pub advisory: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: &'static str,
    /// The package.
    #[serde(flatten)]
    pub dependency: Dependency,
    /// First later version without the flaw.
    pub fixed: Option<String>,
    /// What it is.
    pub summary: String,
}

/// Keys to sign components with.
#[derive(Clone)]
pub struct KeyPair {
    /// PKCS #8 PEM.
    pub private_key: String,
    /// SubjectPublicKeyInfo PEM.
    pub public_key: String,
    /// Id of the key, by which signatures name it.
    pub id: String,
}

/// One kind of thing that a component can reach.
#[derive(Clone, Debug, Serialize)]
pub struct Capability {
    /// Short name, such as `models`.
    pub name: String,
    /// What it means under this host.
    pub meaning: String,
    /// Whether a deployment can get it; a component with a refused import is not deployed.
    pub granted: bool,
    /// The key of the deployment configuration without which it does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
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
