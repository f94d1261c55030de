//! The seam to other families of devices.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use scorehost_core::{DeviceKind, ErrorKind, Failure, Graph, Placement, Precision};
use scorehost_graph::{Fold, Model};

use crate::{DeviceReport, reference};

/// A family of devices in a room of its own. The assembly gives it to [`crate::Devices`], which chooses among its devices.
pub trait Accelerator: Send + Sync {
    /// Which placements it serves.
    fn kind(&self) -> DeviceKind;
    /// One row for each of its devices.
    fn reports(&self) -> Vec<DeviceReport>;
    /// What its devices do at the moment; the place in this list is a device's number.
    fn loads(&self) -> Vec<DeviceLoad>;
    /// Loads a checked model on one device.
    ///
    /// # Errors
    /// `Unsupported` where the model has operators without a kernel. `Overloaded` where it does not fit, `Unavailable` where the
    /// device is lost: then the next device is tried.
    fn load(&self, device: usize, request: &LoadRequest<'_>) -> Result<Arc<dyn Graph>, Failure>;
}

/// A model for an accelerator.
#[derive(Clone, Copy, Debug)]
pub struct LoadRequest<'a> {
    /// The checked model.
    pub model: &'a Model,
    /// Its graph's file with the model's other files beside it, such as a program for a device; `None` where only bytes came.
    pub path: Option<&'a Path>,
    /// Arithmetic of F32 values, on devices that have several.
    pub precision: Precision,
}

/// Evaluates nodes on constants with the built-in executor's kernels, for executors in other rooms.
#[must_use]
pub fn folding() -> Arc<dyn Fold + Send + Sync> {
    Arc::new(reference::Kernels)
}

/// What one device does at the moment, for metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceLoad {
    /// Name within its family, such as `cuda:0`.
    pub name: String,
    /// Bytes that models hold.
    pub used_bytes: u64,
    /// Bytes that models may hold.
    pub limit_bytes: u64,
    /// Seconds that calls have occupied it since the start.
    pub busy_seconds: f64,
    /// Calls under way.
    pub running: u64,
    /// Whether it answers.
    pub healthy: bool,
}

/// Devices beside the CPU, and what is known of those that are missing.
#[derive(Default)]
pub(crate) struct Accelerators {
    present: Vec<Arc<dyn Accelerator>>,
    absent: Vec<DeviceReport>,
    fallbacks: AtomicU64,
}

impl Accelerators {
    pub(crate) fn add(&mut self, accelerator: Arc<dyn Accelerator>) {
        self.present.push(accelerator);
    }

    pub(crate) fn miss(&mut self, report: DeviceReport) {
        self.absent.push(report);
    }

    /// All rows; `found` are drivers seen on disk, for families that no room has spoken for.
    pub(crate) fn reports(&self, found: Vec<DeviceReport>) -> Vec<DeviceReport> {
        let present = self.present.iter().flat_map(|accelerator| accelerator.reports());
        let own: Vec<DeviceReport> = present.chain(self.absent.iter().cloned()).collect();
        let others = found.into_iter().filter(|report| own.iter().all(|known| known.kind != report.kind)).collect();
        [own, others].concat()
    }

    pub(crate) fn loads(&self) -> Vec<DeviceLoad> {
        self.present.iter().flat_map(|accelerator| accelerator.loads()).collect()
    }

    pub(crate) fn fallbacks(&self) -> u64 {
        self.fallbacks.load(Ordering::Relaxed)
    }

    /// The model on the device asked for. `None`: on the CPU, because that is what was asked for or because the placement
    /// allows it where the device cannot take the model.
    pub(crate) fn load(
        &self,
        model: &Model,
        path: Option<&Path>,
        placement: &Placement,
    ) -> Result<Option<Arc<dyn Graph>>, Failure> {
        if placement.device == DeviceKind::Cpu {
            return Ok(None);
        }
        let request = LoadRequest { model, path, precision: placement.precision };
        let reason = match self.on_device(&request, placement.device) {
            Ok(graph) => return Ok(Some(graph)),
            Err(reason) => reason,
        };
        if !placement.fallback {
            return Err(reason);
        }
        tracing::warn!(device = %placement.device, %reason, "a model runs on the CPU instead of the device asked for");
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }

    fn on_device(&self, request: &LoadRequest<'_>, device: DeviceKind) -> Result<Arc<dyn Graph>, Failure> {
        let mut refused = None;
        for accelerator in self.present.iter().filter(|accelerator| accelerator.kind() == device) {
            for number in by_load(&accelerator.loads()) {
                match accelerator.load(number, request) {
                    Ok(graph) => return Ok(graph),
                    // Another device may have the room, or be alive.
                    Err(reason) if matches!(reason.kind, ErrorKind::Overloaded | ErrorKind::Unavailable) => {
                        refused = Some(reason);
                    }
                    Err(reason) => return Err(reason),
                }
            }
        }
        Err(refused.unwrap_or_else(|| self.missing(device)))
    }

    fn missing(&self, device: DeviceKind) -> Failure {
        let lost = self.present.iter().flat_map(|accelerator| accelerator.reports()).filter(|report| !report.available);
        let reasons: Vec<String> = self
            .absent
            .iter()
            .cloned()
            .chain(lost)
            .map(|report| format!("{}: {}", report.kind, report.detail))
            .collect();
        let message = format!("this host has no {device} that works; {}", reasons.join("; "));
        Failure::new(ErrorKind::Unavailable, message)
            .with_hint("start the host where there is one, or with --cpu-fallback")
    }
}

/// The order in which devices are tried: those with the fewest calls under way first, then the most room. A lost one never is.
fn by_load(loads: &[DeviceLoad]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..loads.len()).filter(|number| loads[*number].healthy).collect();
    order.sort_by_key(|number| {
        let load = &loads[*number];
        (load.running, Reverse(load.limit_bytes.saturating_sub(load.used_bytes)), *number)
    });
    order
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn load(running: u64, used_bytes: u64, healthy: bool) -> DeviceLoad {
        DeviceLoad { name: "card".to_owned(), used_bytes, limit_bytes: 100, busy_seconds: 0.0, running, healthy }
    }

    #[test]
    fn the_least_busy_device_is_tried_first_and_a_lost_one_never() {
        let loads = [load(3, 0, true), load(0, 90, true), load(0, 10, true), load(0, 0, false)];
        assert_eq!(by_load(&loads), [2, 1, 0]);
    }

    struct Refusing;

    impl Accelerator for Refusing {
        fn kind(&self) -> DeviceKind {
            DeviceKind::Gpu
        }

        fn reports(&self) -> Vec<DeviceReport> {
            vec![DeviceReport { name: "cuda", kind: "cuda", available: true, detail: "a card".to_owned() }]
        }

        fn loads(&self) -> Vec<DeviceLoad> {
            vec![load(0, 0, true)]
        }

        fn load(&self, _: usize, _: &LoadRequest<'_>) -> Result<Arc<dyn Graph>, Failure> {
            Err(Failure::new(ErrorKind::Overloaded, "the card is full"))
        }
    }

    /// One Identity node over a float: the smallest sound model, written by hand in ONNX's wire format.
    fn model() -> Model {
        fn field(number: u8, content: &[u8]) -> Vec<u8> {
            [&[number << 3 | 2, content.len() as u8], content].concat()
        }
        let element = [[1 << 3, 1].as_slice(), &field(2, &field(1, &[1 << 3, 2]))].concat();
        let value = |name: &[u8]| [field(1, name), field(2, &field(1, &element))].concat();
        let node = [field(1, b"x"), field(2, b"y"), field(4, b"Identity")].concat();
        let graph = [field(1, &node), field(2, b"g"), field(11, &value(b"x")), field(12, &value(b"y"))].concat();
        let bytes = [&[1 << 3, 8][..], &field(7, &graph), &field(8, &[2 << 3, 13])].concat();
        Model::read(Bytes::from(bytes), None).unwrap()
    }

    fn asked(device: DeviceKind, fallback: bool) -> Placement {
        Placement { device, fallback, ..Placement::default() }
    }

    #[test]
    fn the_cpu_takes_a_model_only_where_the_placement_says_so() {
        let mut accelerators = Accelerators::default();
        accelerators.add(Arc::new(Refusing));
        let load = |placement| accelerators.load(&model(), None, &placement).map(|graph| graph.is_none());
        assert!(load(asked(DeviceKind::Cpu, false)).unwrap());
        assert_eq!(accelerators.fallbacks(), 0);
        assert_eq!(load(asked(DeviceKind::Gpu, false)).unwrap_err().kind, ErrorKind::Overloaded);
        assert!(load(asked(DeviceKind::Gpu, true)).unwrap());
        assert_eq!(accelerators.fallbacks(), 1);
    }

    #[test]
    fn a_missing_device_is_named_with_its_reason() {
        let mut accelerators = Accelerators::default();
        let detail = "libcuda.so.1 cannot be opened".to_owned();
        accelerators.miss(DeviceReport { name: "none", kind: "cuda", available: false, detail });
        let failure = accelerators.load(&model(), None, &asked(DeviceKind::Gpu, false)).map(drop).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Unavailable);
        assert!(failure.message.contains("no gpu that works") && failure.message.contains("libcuda.so.1"), "{failure}");
    }

    #[test]
    fn a_room_that_speaks_for_its_family_hides_the_drivers_seen_on_disk() {
        let mut accelerators = Accelerators::default();
        accelerators.add(Arc::new(Refusing));
        let seen = |kind| DeviceReport { name: "none", kind, available: false, detail: "on disk".to_owned() };
        let kinds: Vec<_> = accelerators
            .reports(vec![seen("cuda"), seen("opencl")])
            .iter()
            .map(|row| (row.kind, row.available))
            .collect();
        assert_eq!(kinds, [("cuda", true), ("opencl", false)]);
    }
}
