//! Which devices there are, and loading models on them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{DeviceKind, Failure, Graph, Placement};
use scorehost_graph::{Model, NoFold};

use crate::accelerator::{Accelerators, Opening};
use crate::onnxruntime::{self, Runtime};
use crate::{DeviceError, DeviceLoad, accelerators, reference, small};

/// Where to look for devices and how much of them to use.
#[derive(Clone, Debug, Default)]
pub struct DeviceConfig {
    /// The ONNX Runtime library, or a folder that holds it. When unset: `SCOREHOST_ONNXRUNTIME`, `ORT_DYLIB_PATH`,
    /// beside the program, [`DeviceConfig::library_dirs`], the system's library folders.
    pub onnxruntime: Option<PathBuf>,
    /// Further folders that may hold the library.
    pub library_dirs: Vec<PathBuf>,
    /// Where graphs run whose computation costs less than a call of the library.
    pub small_models: SmallModels,
    /// Threads that compute one call of ONNX Runtime together; 0 for the number of cores. The built-in executor computes a call
    /// on the thread that makes it.
    pub threads: usize,
    /// Whether the built-in executor runs graphs node by node as their files have them, without folding and fusion: slower,
    /// to find out whether these change an answer.
    pub as_written: bool,
    /// Bytes that all runs together may hold beside the weights, in ONNX Runtime; no limit when unset.
    pub scratch_bytes: Option<u64>,
    /// What models run on that ask for nothing in particular.
    pub placement: Placement,
}

/// Where small graphs run when ONNX Runtime is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmallModels {
    /// On the built-in executor, several times faster per call.
    #[default]
    BuiltIn,
    /// In ONNX Runtime like all others, for answers that equal its own to the last bit.
    OnnxRuntime,
}

/// One device, as `scorehost devices` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceReport {
    /// Name of the executor, such as `onnxruntime`; `none` where no executor uses the device.
    pub name: &'static str,
    /// `cpu`, `cuda` or `opencl`.
    pub kind: &'static str,
    /// Whether models can be loaded on it.
    pub available: bool,
    /// What it is, or why it is not available.
    pub detail: String,
}

/// A model to load.
#[derive(Clone, Debug)]
pub enum ModelSource {
    /// An ONNX file; tensors with external data have it in files below the same folder.
    File(PathBuf),
    /// The bytes of an ONNX file without external data.
    Bytes(Bytes),
}

/// The devices of this process.
pub struct Devices {
    runtime: Result<Arc<Runtime>, DeviceError>,
    small_models: SmallModels,
    as_written: bool,
    placement: Placement,
    accelerators: Accelerators,
}

impl Devices {
    /// Looks for all devices. Never fails: what is missing is in [`Devices::reports`], and models run on what is there.
    #[must_use]
    pub fn discover(config: DeviceConfig) -> Self {
        let (small_models, as_written) = (config.small_models, config.as_written);
        let runtime = Runtime::get(&config);
        if let Err(reason) = &runtime {
            tracing::warn!(%reason, "models run on the built-in reference executor");
        }
        Self { runtime, small_models, as_written, placement: config.placement, accelerators: Accelerators::default() }
    }

    /// Every device this program knows, available or not.
    #[must_use]
    pub fn reports(&self) -> Vec<DeviceReport> {
        let (available, detail) = match &self.runtime {
            Ok(runtime) => (true, describe(runtime)),
            Err(reason) => (false, reason.to_string()),
        };
        let in_use = match (available, self.small_models) {
            (false, _) => "in use",
            (true, SmallModels::BuiltIn) => "in use for graphs that it runs faster than a call of ONNX Runtime takes",
            (true, SmallModels::OnnxRuntime) => "used where ONNX Runtime is missing",
        };
        let operators = reference::operators();
        let built_in = format!("built in, {operators} operators (docs/reference/operators.md); {in_use}");
        let cpu = [
            DeviceReport { name: "onnxruntime", kind: "cpu", available, detail },
            DeviceReport { name: "reference", kind: "cpu", available: true, detail: built_in },
        ];
        cpu.into_iter().chain(self.accelerators.reports(accelerators::reports())).collect()
    }

    /// What loads models here, and how: models that were looked at under another fingerprint may turn out differently.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match &self.runtime {
            Ok(runtime) => format!("onnxruntime {}, small models {:?}", runtime.version, self.small_models),
            Err(_) => "reference".to_owned(),
        }
    }

    /// The platform name that loaded models have, where it is one of this room's.
    #[must_use]
    pub fn platform(name: &str) -> Option<&'static str> {
        // Those of the accelerators' rooms, too, which this room must not depend on.
        let all = [onnxruntime::PLATFORM, reference::PLATFORM, "scorehost_cuda", "scorehost_opencl", "scorehost_fpga"];
        all.into_iter().find(|known| *known == name)
    }

    /// Adds a family of devices, such as `cuda`, which `open` opens when the first model asks for one of its kinds.
    #[must_use]
    pub fn with(mut self, name: &'static str, kinds: &'static [DeviceKind], open: Opening) -> Self {
        self.accelerators.add(name, kinds, open);
        self
    }

    /// Opens every family, so that [`Devices::reports`] tells what there is. Takes a part of a second for each.
    #[must_use]
    pub fn opened(self) -> Self {
        self.accelerators.open();
        self
    }

    /// What models run on that ask for nothing in particular.
    #[must_use]
    pub const fn placement(&self) -> Placement {
        self.placement
    }

    /// Bytes that models may hold on all devices of a kind together, 0 where there are none; opens them. `None` for the CPU, whose
    /// memory is not this room's.
    #[must_use]
    pub fn capacity(&self, kind: DeviceKind) -> Option<u64> {
        (kind != DeviceKind::Cpu).then(|| self.accelerators.capacity(kind))
    }

    /// Counts a model that the CPU takes because of `reason`.
    pub fn fell_back(&self, device: DeviceKind, reason: &Failure) {
        self.accelerators.fell_back(device, reason);
    }

    /// What the devices beside the CPU do at the moment.
    #[must_use]
    pub fn loads(&self) -> Vec<DeviceLoad> {
        self.accelerators.loads()
    }

    /// Models that the CPU has taken because the device asked for could not.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.accelerators.fallbacks()
    }

    /// Checks a model and loads it where [`DeviceConfig::placement`] says. Blocks while it reads and prepares the weights.
    ///
    /// # Errors
    /// Those of [`Devices::load_on`].
    pub fn load(&self, source: ModelSource) -> Result<Arc<dyn Graph>, Failure> {
        self.load_on(source, &self.placement)
    }

    /// Checks a model and loads it on the device that a placement asks for; on the CPU that is ONNX Runtime, where it is there.
    /// Blocks while it reads and prepares the weights.
    ///
    /// # Errors
    /// `InvalidInput` where the file is not a sound model or the device cannot run it; where no fallback to the CPU is
    /// allowed, `Unavailable`, `Overloaded` or `Unsupported` where the device is missing, full or without one of the
    /// model's operators.
    pub fn load_on(&self, source: ModelSource, placement: &Placement) -> Result<Arc<dyn Graph>, Failure> {
        let path = if let ModelSource::File(path) = &source { Some(path.clone()) } else { None };
        let (bytes, folder) = read(source)?;
        let model = Model::read(bytes.clone(), folder.as_deref()).map_err(DeviceError::from)?;
        if let Some(graph) = self.accelerators.load(&model, path.as_deref(), placement)? {
            return Ok(graph);
        }
        Ok(match &self.runtime {
            Ok(runtime) => match self.small(runtime, &model, &bytes) {
                Some(graph) => graph,
                None => onnxruntime::load(runtime, &model, &bytes, folder.as_deref())?,
            },
            Err(_) => reference::load(&model, self.as_written)?,
        })
    }
}

/// Whether a model has weights in files of its own, so that it can only be loaded from its folder. Blocks.
///
/// # Errors
/// Where the file cannot be read; a file that is no sound model has none, and says why when it is loaded.
pub fn has_external_data(path: &Path) -> Result<bool, Failure> {
    let bytes = std::fs::read(path).map_err(DeviceError::Read)?;
    let read = Model::read(bytes.into(), None);
    Ok(matches!(read, Err(scorehost_graph::GraphError::External { .. })))
}

/// Gives memory that freed models left in the heap back to the system.
pub fn trim_memory() {
    onnxruntime::heap::trim();
}

impl Devices {
    fn small(&self, runtime: &Arc<Runtime>, model: &Model, bytes: &Bytes) -> Option<Arc<dyn Graph>> {
        match self.small_models {
            SmallModels::BuiltIn => small::load(runtime, model, bytes),
            SmallModels::OnnxRuntime => None,
        }
    }
}

/// Whether calls of a model may be merged, as its graph shows without running anything, or why not.
pub(crate) fn batch(graph: &scorehost_graph::Graph) -> Result<(), Arc<str>> {
    graph.batch(&NoFold).map_err(|reason| Arc::from(reason.to_string()))
}

/// A model's bytes, and the folder that its other files may be in.
fn read(source: ModelSource) -> Result<(Bytes, Option<PathBuf>), DeviceError> {
    match source {
        ModelSource::Bytes(bytes) => Ok((bytes, None)),
        ModelSource::File(path) => {
            let bytes = std::fs::read(&path).map_err(DeviceError::Read)?;
            Ok((bytes.into(), Some(path.parent().unwrap_or(Path::new(".")).to_owned())))
        }
    }
}

fn describe(runtime: &Runtime) -> String {
    format!("ONNX Runtime {}, {} threads, from {}", runtime.version, runtime.threads, runtime.path.display())
}
