//! Deployed models: from a registered model's files to something that can be called, each graph's weights in memory once and
//! only while there is room.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scorehost_batcher::{Caller, Deployed, Dispatcher};
pub(crate) use scorehost_control::files::graph_path;
use scorehost_core::{
    DeployedModel, DeviceKind, Digest, Failure, Graph, LogLevel, Model, ModelFiles, ModelId, ModelRef, Placement,
    ServiceSpec,
};
use scorehost_device::{Devices, ModelSource, has_external_data, trim_memory};
use scorehost_memory::{Audience, KeptModel, Resident, Source, Use, Wanted};
use scorehost_registry::{RegisteredModel, Registry, StoredFile};
use scorehost_telemetry::{LogBook, Statistics};

use crate::batching::{Configured, unmerged};
use crate::device_memory::DeviceMemory;
use crate::model_facts::ModelFacts;
use crate::realiser::blocking;

/// Turns registered models into callable ones.
pub(crate) struct Models {
    registry: Arc<Registry>,
    devices: Arc<Devices>,
    dispatcher: Arc<Dispatcher>,
    memory: Arc<DeviceMemory>,
    facts: Arc<ModelFacts>,
    logs: Arc<LogBook>,
    statistics: Arc<Statistics>,
    /// Whether the services of an earlier run are back: until then only what is likely to be called is loaded.
    restored: AtomicBool,
    /// Models that the start of the host left for their first call.
    left: Mutex<HashSet<ModelId>>,
}

/// The rooms that models are made of.
pub(crate) struct Workshop {
    pub(crate) registry: Arc<Registry>,
    pub(crate) devices: Arc<Devices>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) memory: Arc<DeviceMemory>,
    pub(crate) facts: Arc<ModelFacts>,
    pub(crate) logs: Arc<LogBook>,
    pub(crate) statistics: Arc<Statistics>,
}

impl Models {
    pub(crate) fn new(workshop: Workshop) -> Self {
        let Workshop { registry, devices, dispatcher, memory, facts, logs, statistics } = workshop;
        Self {
            registry,
            devices,
            dispatcher,
            memory,
            facts,
            logs,
            statistics,
            restored: AtomicBool::new(false),
            left: Mutex::default(),
        }
    }

    /// From now on whatever is deployed is loaded at once, which shows that it can be.
    pub(crate) fn are_restored(&self) {
        self.restored.store(true, Ordering::Release);
        self.left().clear();
    }

    /// Makes one model of a deployment callable, and loads it unless the host starts and there is no room for it anyway.
    ///
    /// # Errors
    /// `NotFound` where it is not registered, `InvalidInput` where its graph cannot run or its configuration does not fit,
    /// `TooLarge` where it can never be loaded, `Internal` where stored content is damaged.
    pub(crate) async fn load(self: &Arc<Self>, model: &ModelRef, spec: &ServiceSpec) -> Result<DeployedModel, Failure> {
        let (this, id) = (Arc::clone(self), model.id.clone());
        let Found { files, callable } = blocking(move || this.find(&id)).await?;
        let callable = match callable {
            Some(found) => Some(self.callable(found, &files, model, spec).await?),
            None => None,
        };
        Ok(DeployedModel { id: model.id.clone(), model: callable, files })
    }

    /// Whether the host is starting and has left one of these models for its first call.
    pub(crate) fn are_cold(&self, models: &[ModelRef]) -> bool {
        let left = self.left();
        !self.restored.load(Ordering::Acquire) && models.iter().any(|model| left.contains(&model.id))
    }

    fn left(&self) -> MutexGuard<'_, HashSet<ModelId>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn callable(
        self: &Arc<Self>,
        found: Callable,
        files: &Arc<dyn ModelFiles>,
        model: &ModelRef,
        spec: &ServiceSpec,
    ) -> Result<Arc<dyn Model>, Failure> {
        let Callable { stored, configured } = found;
        let (graph, held) = self.placed(&stored, spec).await?;
        configured.check(graph.signature())?;
        let pin = if spec.pin_models { Some(graph.pin().await?) } else { None };
        if let Some(held) = held {
            let (this, configured, files) = (Arc::clone(&graph), configured.clone(), Arc::clone(files));
            blocking(move || configured.warm_up(&*this, &*files)).await?;
            drop(held);
        }
        if !graph.is_loaded() {
            self.left().insert(model.id.clone());
        }
        self.remember(&graph).await?;
        let callable =
            self.dispatcher.deployed(self.deployed(&graph, &configured, model, spec), Arc::clone(&graph) as _);
        let audience = Audience::new(model.id.clone(), self.logs.writer(&spec.name, spec.version.as_str()));
        Ok(KeptModel::new(callable, graph, Some(audience), pin))
    }

    /// A graph where its deployment wants it, or on the CPU where the deployment allows that; loaded unless the host starts and
    /// there is no room for it anyway.
    async fn placed(
        self: &Arc<Self>,
        stored: &Arc<Stored>,
        spec: &ServiceSpec,
    ) -> Result<(Arc<Resident>, Option<Use>), Failure> {
        let placement = spec.devices.or(self.devices.placement());
        let log = self.logs.writer(&spec.name, spec.version.as_str());
        let (graph, held) = match self.opened(stored, placement).await {
            Err(reason) if placement.fallback && placement.device != DeviceKind::Cpu => {
                self.devices.fell_back(placement.device, &reason);
                let line = format!("model '{}' runs on the CPU, not on the {}: {reason}", stored.id, placement.device);
                log.write(LogLevel::Warn, "", &line);
                self.opened(stored, Placement::default()).await?
            }
            opened => opened?,
        };
        if let Some(report) = graph.report() {
            log.write(LogLevel::Info, "", &format!("model '{}': {report}", stored.id));
        }
        Ok((graph, held))
    }

    async fn opened(
        self: &Arc<Self>,
        stored: &Arc<Stored>,
        placement: Placement,
    ) -> Result<(Arc<Resident>, Option<Use>), Failure> {
        let (this, stored) = (Arc::clone(self), Arc::clone(stored));
        let (memory, wanted) = blocking(move || {
            let wanted = this.wanted(&stored, placement)?;
            Ok((this.memory.of(placement.device), wanted))
        })
        .await?;
        let graph = memory.open(wanted).await?;
        let loads = self.restored.load(Ordering::Acquire) || self.facts.is_likely(graph.key());
        let held = if loads { Some(graph.acquire(None).await?) } else { None };
        Ok((graph, held))
    }

    /// How calls of a graph wait and are merged for one deployment.
    fn deployed(&self, graph: &Resident, configured: &Configured, model: &ModelRef, spec: &ServiceSpec) -> Deployed {
        let version = spec.version.as_str();
        let no_code = spec.scorer.is_none();
        let caller = Caller {
            service: spec.name.clone(),
            version: Arc::clone(version),
            replicas: !no_code,
            statistics: Some(self.statistics.service(&spec.name, version)),
        };
        let (limits, batches) = (configured.limits(&spec.admission), configured.batches(&spec.batching));
        unmerged(&model.id.to_string(), spec, graph, batches.as_ref());
        Deployed { id: model.id.clone(), caller, limits, batches, most_rows: configured.most_rows() }
    }

    /// Keeps what a load found out for the next start.
    async fn remember(self: &Arc<Self>, graph: &Arc<Resident>) -> Result<(), Failure> {
        let (facts, graph) = (Arc::clone(&self.facts), Arc::clone(graph));
        blocking(move || facts.keep(graph.key(), &graph.facts())).await
    }

    /// What a deployment needs of a registered model. Blocks.
    fn find(self: &Arc<Self>, id: &ModelId) -> Result<Found, Failure> {
        let registered = self.registry.model(id)?;
        let files = self.registry.model_files(id)?;
        let callable = |file: &StoredFile| {
            let configured = Configured::read(&file.path, &*files)?;
            let in_parts = self.is_in_parts(&registered, file)?;
            let (id, all) = (registered.id.clone(), registered.files.clone());
            Ok::<_, Failure>(Callable {
                stored: Arc::new(Stored { id, graph: file.clone(), all, in_parts }),
                configured,
            })
        };
        let callable = graph_file(&registered).map(callable).transpose()?;
        Ok(Found { files, callable })
    }

    fn wanted(self: &Arc<Self>, stored: &Stored, placement: Placement) -> Result<Wanted, Failure> {
        let folder = stored.folder(placement.device);
        let key = match folder.as_slice() {
            [file] => file.digest,
            files => key_of_folder(files),
        };
        let key = if placement.device == DeviceKind::Cpu { key } else { key_on(&key, &placement) };
        let source = StoredGraph {
            registry: Arc::clone(&self.registry),
            devices: Arc::clone(&self.devices),
            graph: stored.graph.clone(),
            folder,
            placement,
            placed: AtomicBool::new(!self.restored.load(Ordering::Acquire)),
        };
        Ok(Wanted {
            key,
            model: stored.id.clone(),
            facts: self.facts.of(&key)?,
            estimate: source.folder.iter().map(|file| file.size).sum::<u64>().max(1),
            source: Box::new(source),
        })
    }

    /// Whether the graph's weights are in files of their own, so that the graph's file alone does not say what it is.
    fn is_in_parts(&self, model: &RegisteredModel, file: &StoredFile) -> Result<bool, Failure> {
        if model.files.len() < 2 {
            return Ok(false);
        }
        if let Some(known) = self.facts.is_in_parts(&file.digest)? {
            return Ok(known);
        }
        let found = has_external_data(&self.registry.verify_blob(&file.digest)?)?;
        self.facts.keep_in_parts(&file.digest, found)?;
        Ok(found)
    }
}

struct Found {
    files: Arc<dyn ModelFiles>,
    callable: Option<Callable>,
}

/// The graph of a model, and what the model's folder says of its calls.
struct Callable {
    stored: Arc<Stored>,
    configured: Configured,
}

/// A registered model's graph and what belongs to it.
struct Stored {
    id: ModelId,
    graph: StoredFile,
    /// All files of the model.
    all: Vec<StoredFile>,
    /// Whether weights are in files of their own.
    in_parts: bool,
}

impl Stored {
    /// What must lie together for a load: an FPGA's program is a file beside the graph.
    fn folder(&self, device: DeviceKind) -> Vec<StoredFile> {
        let together = self.in_parts || device == DeviceKind::Fpga;
        if together { self.all.clone() } else { vec![self.graph.clone()] }
    }
}

/// A graph in the registry.
struct StoredGraph {
    registry: Arc<Registry>,
    devices: Arc<Devices>,
    graph: StoredFile,
    /// The graph alone, or all files of a model where others are read, too.
    folder: Vec<StoredFile>,
    placement: Placement,
    /// Whether it has been on its device: a deployment that cannot be there is told so (and the deployment decides), a model that
    /// was there before finds another place by itself.
    placed: AtomicBool,
}

impl StoredGraph {
    fn load_from(&self, path: PathBuf) -> Result<Arc<dyn Graph>, Failure> {
        let fallback = self.placement.fallback && self.placed.load(Ordering::Acquire);
        let graph = self.devices.load_on(ModelSource::File(path), &Placement { fallback, ..self.placement })?;
        self.placed.store(true, Ordering::Release);
        Ok(graph)
    }
}

impl Source for StoredGraph {
    fn load(&self) -> Result<Arc<dyn Graph>, Failure> {
        // What went before may have left its memory to the heap.
        trim_memory();
        if let [_] = self.folder.as_slice() {
            let path: PathBuf = self.registry.verify_blob(&self.graph.digest)?;
            return self.load_from(path);
        }
        let files = self.folder.iter().map(|file| (file.path.as_str(), file.digest));
        let folder = self.registry.lay_out(files)?;
        self.load_from(folder.path().join(&self.graph.path))
    }

    fn device(&self) -> DeviceKind {
        self.placement.device
    }
}

/// What names a graph with weights in other files: their paths and contents.
fn key_of_folder(files: &[StoredFile]) -> Digest {
    use sha2::{Digest as _, Sha256};

    let mut hash = Sha256::new();
    for file in files {
        hash.update((file.path.len() as u64).to_le_bytes());
        hash.update(file.path.as_bytes());
        hash.update(file.digest.hex().as_bytes());
    }
    Digest::from_bytes(hash.finalize().into())
}

/// What names a graph on a device: another device, or other arithmetic, is another graph.
fn key_on(graph: &Digest, placement: &Placement) -> Digest {
    use sha2::{Digest as _, Sha256};

    let hash = Sha256::new().chain_update(graph.hex()).chain_update(placement.to_string());
    Digest::from_bytes(hash.finalize().into())
}

fn graph_file(model: &RegisteredModel) -> Option<&StoredFile> {
    let path = graph_path(model.files.iter().map(|file| file.path.as_str()))?;
    model.files.iter().find(|file| file.path == path)
}
