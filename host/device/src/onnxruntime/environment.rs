//! The one environment of a process.

use std::path::PathBuf;
use std::sync::Arc;

use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::logging::LogLevel;
use ort::session::{Session, builder::SessionBuilder};
use parking_lot::Mutex;

use super::{ffi, library};
use crate::{DeviceConfig, DeviceError};

/// ONNX Runtime, loaded.
pub(crate) struct Runtime {
    environment: Environment,
    /// The library's file.
    pub(crate) path: PathBuf,
    /// The library's version.
    pub(crate) version: String,
    /// Threads that compute, the caller's included.
    pub(crate) threads: usize,
}

/// ONNX Runtime allows one environment in a process, so the first one that is made serves all later inventories.
static RUNTIME: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);

impl Runtime {
    /// Loads the library and makes the environment, or returns the one there is (with the threads of the first call).
    ///
    /// # Errors
    /// Where no library is found, or the file is not one, or it is older than the version this program needs.
    pub(crate) fn get(config: &DeviceConfig) -> Result<Arc<Self>, DeviceError> {
        let path = library::locate(config)?;
        let mut runtime = RUNTIME.lock();
        if let Some(runtime) = runtime.as_ref().filter(|runtime| runtime.path == path) {
            return Ok(runtime.clone());
        }
        ffi::settle();
        let (version, _loaded) = ffi::probe(&path)?;
        if let Some(runtime) = &*runtime {
            return Ok(runtime.clone());
        }
        let made = Arc::new(Self::new(path, version, config)?);
        *runtime = Some(made.clone());
        Ok(made)
    }

    fn new(path: PathBuf, version: String, config: &DeviceConfig) -> Result<Self, DeviceError> {
        let builder = ort::init_from(&path).map_err(|error| DeviceError::Library(error.to_string()))?;
        let scratch = config.scratch_bytes;
        let threads = match config.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let build = || {
            // Spinning threads would take the cores from the threads that serve requests.
            let pool = GlobalThreadPoolOptions::default()
                .with_intra_threads(threads)?
                .with_inter_threads(1)?
                .with_spin_control(false)?;
            let logger = Arc::new(log);
            let environment =
                builder.with_telemetry(false).with_logger(logger).with_global_thread_pool(pool).build()?;
            environment.set_log_level(LogLevel::Warning);
            ffi::share_arena(&environment, scratch)?;
            Ok(environment)
        };
        let environment = build().map_err(|error: ort::Error| DeviceError::Library(error.message().to_owned()))?;
        Ok(Self { environment, path, version, threads })
    }

    /// A builder of sessions that share threads and memory.
    pub(super) fn session(&self) -> ort::Result<SessionBuilder> {
        // Memory patterns keep a plan for every input shape ever seen; the arena makes allocation cheap without them.
        let builder = Session::builder(&self.environment)?.with_env_allocators()?.with_memory_pattern(false)?;
        // Weights lie outside the arena, or a model that is evicted would leave its memory there instead of giving it back.
        Ok(builder.with_config_entry("session.use_device_allocator_for_initializers", "1")?)
    }
}

/// Passes ONNX Runtime's messages on.
fn log(level: LogLevel, category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => tracing::debug!(target: "onnxruntime", category, location, "{message}"),
        // What is wrong with a model is told to whoever loads it; here it is only for the operator's curiosity.
        LogLevel::Warning => tracing::info!(target: "onnxruntime", category, location, "{message}"),
        LogLevel::Error | LogLevel::Fatal => tracing::warn!(target: "onnxruntime", category, location, "{message}"),
    }
}
