//! The collector as one version of one service sees it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use scorehost_core::{
    Collection, CollectionFormat, Collector, InferRequest, InferResponse, Interface, NamedTensor, RawRequest,
    RawResponse, ServiceName, ServiceSpec, Signature, Tensor, TensorSpec,
};

use super::record::{Content, Record};
use super::redact::Redaction;
use super::sample::Share;
use super::{Counters, DataCollector};

/// Designation of what comes in, and of what goes out.
const INPUTS: &str = "inputs";
const PREDICTIONS: &str = "predictions";

/// Where a version's records go, and what must not be in them.
pub(super) struct Place {
    pub(super) service: ServiceName,
    pub(super) version: Arc<str>,
    /// Name and version of the deployment's first model; `none` and `0` where it has no model.
    pub(super) model: String,
    pub(super) model_version: String,
    pub(super) format: CollectionFormat,
    pub(super) redaction: Redaction,
    pub(super) max_bytes: u64,
    pub(super) counters: Arc<Counters>,
    /// Tensors whose dimensions behind the first are always the same, by designation.
    fixed: Mutex<HashSet<(&'static str, Arc<str>)>>,
}

impl Place {
    /// `<service>/<model>/<model version>/<designation>`.
    pub(super) fn folder(&self, designation: &str) -> String {
        format!("{}/{}/{}/{designation}", self.service, self.model, self.model_version)
    }

    pub(super) fn is_fixed(&self, designation: &str, tensor: &str) -> bool {
        self.fixed.lock().iter().any(|(of, name)| *of == designation && **name == *tensor)
    }
}

/// Records of one version of a service that collects data.
pub struct ServiceCollector {
    collector: Arc<DataCollector>,
    place: Arc<Place>,
    asked: Collection,
    share: Share,
    inputs: Arc<str>,
    predictions: Arc<str>,
    designations: Mutex<BTreeSet<Arc<str>>>,
}

impl ServiceCollector {
    pub(super) fn new(collector: Arc<DataCollector>, spec: &ServiceSpec, asked: Collection) -> Self {
        let model = spec.models.first().map(|model| &model.id);
        let place = Place {
            service: spec.name.clone(),
            version: Arc::clone(spec.version.as_str()),
            model: model.map_or_else(|| "none".to_owned(), |model| model.name.to_string()),
            model_version: model.map_or(0, |model| model.version).to_string(),
            format: asked.format,
            redaction: Redaction::new(&asked.redact),
            max_bytes: asked.max_bytes,
            counters: collector.counters_of(&spec.name),
            fixed: Mutex::default(),
        };
        Self {
            collector,
            place: Arc::new(place),
            share: Share::new(asked.sample),
            asked,
            inputs: INPUTS.into(),
            predictions: PREDICTIONS.into(),
            designations: Mutex::default(),
        }
    }

    /// Takes over what the version says of its tensors.
    pub(crate) fn describe(&self, interface: &Interface) {
        let Interface::Tensors(Signature { inputs, outputs }) = interface else { return };
        let fixed = |spec: &&TensorSpec| spec.shape.iter().skip(1).all(|dimension| *dimension >= 0);
        let named = |designation, specs: &[TensorSpec]| {
            specs.iter().filter(fixed).map(|spec| (designation, Arc::clone(&spec.name))).collect::<Vec<_>>()
        };
        let mut known = self.place.fixed.lock();
        known.extend(named(INPUTS, inputs));
        known.extend(named(PREDICTIONS, outputs));
    }

    /// Whether the host records anything of this request by itself.
    pub(crate) fn wants(&self, request_id: &str) -> bool {
        (self.asked.inputs || self.asked.outputs) && self.share.takes(request_id)
    }

    /// Records a request of tensors and its answer.
    pub(crate) fn inferred(&self, request_id: &Arc<str>, request: InferRequest, answer: &InferResponse) {
        if self.asked.inputs {
            self.submit(request_id, &self.inputs, Content::Tensors(request.inputs));
        }
        if self.asked.outputs {
            self.submit(request_id, &self.predictions, Content::Tensors(answer.outputs.clone()));
        }
    }

    /// Records a request of an entry script and its answer.
    pub(crate) fn scored(&self, request_id: &Arc<str>, request: RawRequest, answer: &RawResponse) {
        if self.asked.inputs {
            self.submit(request_id, &self.inputs, Content::Request(Box::new(request)));
        }
        if self.asked.outputs {
            self.submit(request_id, &self.predictions, Content::Answer(Box::new(answer.clone())));
        }
    }

    fn submit(&self, request_id: &Arc<str>, designation: &Arc<str>, content: Content) {
        let time = self.collector.clock.wall();
        let (place, designation, request_id) = (&self.place, Arc::clone(designation), Arc::clone(request_id));
        self.collector.submit(Record { place: Arc::clone(place), designation, time, request_id, content });
    }

    fn custom(&self, request_id: &str, designation: &str, content: impl FnOnce() -> Content) {
        if !self.asked.custom || !self.share.takes(request_id) {
            return;
        }
        match self.designation(designation, self.collector.config.max_designations) {
            Some(designation) => self.submit(&request_id.into(), &designation, content()),
            None => self.place.counters.dropped(),
        }
    }

    /// A guest makes designations up, and they become folders: only plain names, and not any number of them.
    fn designation(&self, name: &str, max: usize) -> Option<Arc<str>> {
        let mut known = self.designations.lock();
        if let Some(known) = known.get(name) {
            return Some(Arc::clone(known));
        }
        let plain = (1..=64).contains(&name.len())
            && !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !plain || known.len() >= max {
            return None;
        }
        let name: Arc<str> = name.into();
        known.insert(Arc::clone(&name));
        Some(name)
    }
}

impl Collector for ServiceCollector {
    fn enabled(&self) -> bool {
        self.asked.custom
    }

    fn tensor(&self, request_id: &str, designation: &str, name: &str, tensor: &Tensor) {
        self.custom(request_id, designation, || Content::Tensor(NamedTensor::new(name, tensor.clone())));
    }

    fn json(&self, request_id: &str, designation: &str, document: &str) {
        self.custom(request_id, designation, || Content::Json(document.into()));
    }
}

/// The collector of a version that collects nothing.
pub(super) struct Nothing;

impl Collector for Nothing {
    fn enabled(&self) -> bool {
        false
    }

    fn tensor(&self, _request_id: &str, _designation: &str, _name: &str, _tensor: &Tensor) {}

    fn json(&self, _request_id: &str, _designation: &str, _document: &str) {}
}
