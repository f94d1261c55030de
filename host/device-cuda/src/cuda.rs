//! The GPUs of this process, and loading models on them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use scorehost_core::Precision;
use scorehost_graph::{Fold, Model};

use crate::driver::{self, CompilerCache, Gpu};
use crate::{CudaError, CudaGraph, executor};

/// How much of the GPUs to use.
#[derive(Clone, Debug, Default)]
pub struct CudaConfig {
    /// Bytes of each GPU's memory that models may take; all of it when unset.
    pub memory_limit: Option<u64>,
    /// Folder of compiled kernels, so that a restart compiles nothing.
    pub kernel_cache: Option<PathBuf>,
}

/// A GPU as the driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuReport {
    /// Number of the device in this process.
    pub ordinal: usize,
    /// The vendor's name.
    pub name: String,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// The CUDA version that the driver supports, major and minor.
    pub driver: (u32, u32),
}

impl fmt::Display for GpuReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.capability;
        let gibibytes = self.memory_bytes as f64 / f64::from(1 << 30);
        let (cuda, update) = self.driver;
        write!(
            f,
            "{}, {gibibytes:.1} GiB, compute capability {major}.{minor}, {} multiprocessors, driver for CUDA {cuda}.{update}",
            self.name, self.multiprocessors
        )
    }
}

/// What a GPU does at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuState {
    /// The device.
    pub report: GpuReport,
    /// Bytes that this process's models hold.
    pub used_bytes: u64,
    /// Bytes that they may hold.
    pub limit_bytes: u64,
    /// Microseconds that calls have occupied the device.
    pub busy_micros: u64,
    /// Calls under way.
    pub running: u64,
    /// Why nothing runs on it any more.
    pub lost: Option<String>,
}

/// How a model is loaded.
#[derive(Clone)]
pub struct LoadOptions {
    /// Arithmetic.
    pub precision: Precision,
    /// Evaluates what depends on constants and shapes only.
    pub fold: Arc<dyn Fold + Send + Sync>,
    /// Calls that run at a time, each with memory of its own; others wait.
    pub contexts: usize,
    /// Fills memory with NaN before each call, so that a test finds elements that nothing wrote.
    pub poison: bool,
    /// Whether calls with other numbers of rows share a plan: rows are filled up to the next of a few batch sizes. Acts for
    /// graphs that compute each row by itself.
    pub batches: bool,
}

/// The GPUs of this process.
pub struct Cuda {
    gpus: Vec<Arc<Gpu>>,
}

impl Cuda {
    /// Opens all GPUs.
    ///
    /// # Errors
    /// `Library` where the driver or a library is missing, `NoDevice` where the driver finds no GPU.
    pub fn discover(config: &CudaConfig) -> Result<Self, CudaError> {
        let cache = CompilerCache::new(config.kernel_cache.clone());
        let open = |report| Gpu::open(report, config.memory_limit, cache.clone());
        let gpus = driver::gpus()?.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { gpus })
    }

    /// All GPUs, and what they do.
    #[must_use]
    pub fn states(&self) -> Vec<GpuState> {
        let state = |gpu: &Arc<Gpu>| GpuState {
            report: gpu.report.clone(),
            used_bytes: gpu.used(),
            limit_bytes: gpu.limit(),
            busy_micros: gpu.busy_micros.load(Ordering::Relaxed),
            running: gpu.running.load(Ordering::Relaxed),
            lost: gpu.check().err().map(|error| error.to_string()),
        };
        self.gpus.iter().map(state).collect()
    }

    /// Loads a checked model on one GPU. Blocks while it prepares and copies the weights.
    ///
    /// # Errors
    /// `Operators` naming everything that has no kernel, `Memory` where the weights do not fit.
    pub fn load(&self, ordinal: usize, model: &Model, options: LoadOptions) -> Result<Arc<CudaGraph>, CudaError> {
        let gpu = self.gpus.get(ordinal).ok_or(CudaError::NoDevice)?;
        gpu.check()?;
        executor::load(gpu, model, options).map(Arc::new)
    }
}
