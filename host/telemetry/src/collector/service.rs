//! The collector as one version of one service sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use scorehost_core::{Collector, ServiceName, Tensor};

use super::DataCollector;
use super::record::{Content, Record};

/// Records of one service and version; without a [`DataCollector`] it ignores everything.
pub(super) struct ServiceCollector {
    collector: Option<Arc<DataCollector>>,
    /// `<service>/<version>`.
    folder: String,
    designations: Mutex<BTreeSet<Arc<str>>>,
}

impl ServiceCollector {
    pub(super) fn new(collector: Option<Arc<DataCollector>>, service: &ServiceName, version: &str) -> Self {
        Self { collector, folder: format!("{service}/{version}"), designations: Mutex::default() }
    }

    fn submit(&self, request_id: &str, designation: &str, content: impl FnOnce() -> Content) {
        let Some(collector) = &self.collector else { return };
        let Some(designation) = self.designation(designation, collector.config.max_designations) else {
            return collector.drop_record();
        };
        let folder = format!("{}/{designation}", self.folder);
        let time = collector.clock.wall();
        collector.submit(Record { folder, time, request_id: request_id.into(), content: content() });
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
        self.collector.is_some()
    }

    fn tensor(&self, request_id: &str, designation: &str, name: &str, tensor: &Tensor) {
        self.submit(request_id, designation, || Content::Tensor { name: name.into(), tensor: tensor.clone() });
    }

    fn json(&self, request_id: &str, designation: &str, document: &str) {
        self.submit(request_id, designation, || Content::Json(document.into()));
    }
}
