//! Loaded graphs: from a registered model's files to something that can be called, each file's weights loaded once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use scorehost_batcher::{Dispatcher, QueueLimits};
use scorehost_core::{
    Admission, BoxFuture, DeployedModel, Digest, Failure, Graph, GraphLoader, Model, ModelId, ModelRef, ServiceSpec,
};
use scorehost_device::{Devices, ModelSource};
use scorehost_registry::{RegisteredModel, Registry, StoredFile};

/// Turns registered models into callable ones.
pub(crate) struct Models {
    registry: Arc<Registry>,
    devices: Arc<Devices>,
    dispatcher: Arc<Dispatcher>,
    /// By the digest of the graph's file, so that versions and services with the same weights share them.
    loaded: Mutex<HashMap<Digest, Weak<dyn Graph>>>,
}

impl Models {
    pub(crate) fn new(registry: Arc<Registry>, devices: Arc<Devices>, dispatcher: Arc<Dispatcher>) -> Self {
        Self { registry, devices, dispatcher, loaded: Mutex::default() }
    }

    /// Loads one model of a deployment. Blocks.
    ///
    /// # Errors
    /// `NotFound` where it is not registered, `InvalidInput` where its graph cannot run, `Internal` where stored content
    /// is damaged.
    pub(crate) fn load(&self, model: &ModelRef, spec: &ServiceSpec) -> Result<DeployedModel, Failure> {
        let registered = self.registry.model(&model.id)?;
        let Admission { max_queue, max_queue_wait: max_wait, weight, .. } = spec.admission;
        let limits = QueueLimits { max_queue: max_queue as usize, max_wait, weight };
        let callable = match graph_file(&registered) {
            Some(file) => {
                Some(self.dispatcher.model_of_service(model.id.clone(), self.graph(file)?, limits, &spec.name))
            }
            None => None,
        };
        let files = self.registry.model_files(&model.id)?;
        Ok(DeployedModel { id: model.id.clone(), model: callable, files })
    }

    fn graph(&self, file: &StoredFile) -> Result<Arc<dyn Graph>, Failure> {
        if let Some(graph) = self.loaded().get(&file.digest).and_then(Weak::upgrade) {
            return Ok(graph);
        }
        let path = self.registry.verify_blob(&file.digest)?;
        let graph = self.devices.load(ModelSource::File(path))?;
        let mut loaded = self.loaded();
        loaded.retain(|_, graph| graph.strong_count() > 0);
        // Two loads of one file may have raced; the first one stays, so that both callers share it.
        if let Some(first) = loaded.get(&file.digest).and_then(Weak::upgrade) {
            return Ok(first);
        }
        loaded.insert(file.digest, Arc::downgrade(&graph));
        Ok(graph)
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Weak<dyn Graph>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn graph_file(model: &RegisteredModel) -> Option<&StoredFile> {
    let path = graph_path(model.files.iter().map(|file| file.path.as_str()))?;
    model.files.iter().find(|file| file.path == path)
}

/// The path of a model that is its graph: the only `.onnx` file, or else the one called `model.onnx`.
pub(crate) fn graph_path<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let mut graphs = paths.filter(|path| path.ends_with(".onnx"));
    let mut others = graphs.clone().skip(1);
    match others.next() {
        None => graphs.next(),
        Some(_) => graphs.find(|path| *path == "model.onnx" || path.ends_with("/model.onnx")),
    }
}

/// Loads the graphs that wasi:nn guests bring along.
pub(crate) struct GuestGraphs {
    pub(crate) devices: Arc<Devices>,
    pub(crate) dispatcher: Arc<Dispatcher>,
}

impl GraphLoader for GuestGraphs {
    fn load(&self, onnx: Bytes) -> BoxFuture<'_, Result<Arc<dyn Model>, Failure>> {
        Box::pin(async move {
            let devices = Arc::clone(&self.devices);
            let load = tokio::task::spawn_blocking(move || devices.load(ModelSource::Bytes(onnx)));
            let graph = load.await.map_err(Failure::internal)??;
            let id: ModelId = "guest:1".parse()?;
            Ok(self.dispatcher.model(id, graph))
        })
    }
}
