//! The seam to other families of devices.

mod spread;

use std::cmp::Reverse;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

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

/// Opens a family of devices, or says why there is none.
pub type Opening = Box<dyn Fn() -> Result<Vec<Arc<dyn Accelerator>>, String> + Send + Sync>;

/// A family that is opened by the first model that asks for one of its kinds: opening takes a part of a second, and memory of
/// each device.
struct Family {
    name: &'static str,
    kinds: &'static [DeviceKind],
    open: Opening,
    opened: OnceLock<Result<Vec<Arc<dyn Accelerator>>, String>>,
}

impl Family {
    fn opened(&self) -> Result<&[Arc<dyn Accelerator>], &str> {
        let opened = self.opened.get_or_init(|| (self.open)());
        opened.as_ref().map(Vec::as_slice).map_err(String::as_str)
    }

    /// Its accelerators as far as it has been opened.
    fn known(&self) -> &[Arc<dyn Accelerator>] {
        self.opened.get().and_then(|opened| opened.as_ref().ok()).map_or(&[], Vec::as_slice)
    }

    fn reports(&self) -> Vec<DeviceReport> {
        let missing = |detail: &str| {
            vec![DeviceReport { name: "none", kind: self.name, available: false, detail: detail.to_owned() }]
        };
        match self.opened.get() {
            None => missing("not opened yet: no model of this server asks for it"),
            Some(Err(reason)) => missing(reason),
            Some(Ok(accelerators)) => accelerators.iter().flat_map(|accelerator| accelerator.reports()).collect(),
        }
    }
}

/// Devices beside the CPU, and what is known of those that are missing.
#[derive(Default)]
pub(crate) struct Accelerators {
    families: Vec<Family>,
    fallbacks: AtomicU64,
}

/// A device on which a model may be loaded.
struct Candidate<'a> {
    accelerator: &'a Arc<dyn Accelerator>,
    number: usize,
}

impl Accelerators {
    pub(crate) fn add(&mut self, name: &'static str, kinds: &'static [DeviceKind], open: Opening) {
        self.families.push(Family { name, kinds, open, opened: OnceLock::new() });
    }

    /// Opens all families.
    pub(crate) fn open(&self) {
        for family in &self.families {
            // What is missing is in its row.
            let _ = family.opened();
        }
    }

    /// All rows; `found` are drivers seen on disk, for families that no room has spoken for.
    pub(crate) fn reports(&self, found: Vec<DeviceReport>) -> Vec<DeviceReport> {
        let mut own: Vec<DeviceReport> = Vec::new();
        for report in self.families.iter().flat_map(Family::reports) {
            // A device that serves two kinds is one row.
            if !own.contains(&report) {
                own.push(report);
            }
        }
        let others = found.into_iter().filter(|report| own.iter().all(|known| known.kind != report.kind)).collect();
        [own, others].concat()
    }

    pub(crate) fn loads(&self) -> Vec<DeviceLoad> {
        let all = self.families.iter().flat_map(Family::known).flat_map(|accelerator| accelerator.loads());
        let mut loads: Vec<DeviceLoad> = Vec::new();
        for load in all {
            if loads.iter().all(|known| known.name != load.name) {
                loads.push(load);
            }
        }
        loads
    }

    /// Bytes that models may hold on all devices of a kind together; opens them.
    pub(crate) fn capacity(&self, kind: DeviceKind) -> u64 {
        let limits = self.serving(kind).flat_map(|accelerator| accelerator.loads()).map(|load| load.limit_bytes);
        limits.fold(0, u64::saturating_add)
    }

    pub(crate) fn fallbacks(&self) -> u64 {
        self.fallbacks.load(Ordering::Relaxed)
    }

    pub(crate) fn fell_back(&self, device: DeviceKind, reason: &Failure) {
        tracing::warn!(%device, %reason, "a model runs on the CPU instead of the device asked for");
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
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
        let reason = match self.on_devices(&request, placement) {
            Ok(graph) => return Ok(Some(graph)),
            Err(reason) => reason,
        };
        if !placement.fallback {
            return Err(reason);
        }
        self.fell_back(placement.device, &reason);
        Ok(None)
    }

    fn of_kind(&self, kind: DeviceKind) -> impl Iterator<Item = &Family> {
        self.families.iter().filter(move |family| family.kinds.contains(&kind))
    }

    /// The accelerators of a kind, of the first family that has devices of it: a card that a second family knows, too, is not
    /// to be used twice.
    fn serving(&self, kind: DeviceKind) -> impl Iterator<Item = &Arc<dyn Accelerator>> {
        let has =
            move |accelerator: &&Arc<dyn Accelerator>| accelerator.kind() == kind && !accelerator.loads().is_empty();
        let opened = self.of_kind(kind).filter_map(|family| family.opened().ok());
        opened
            .map(move |all| all.iter().filter(has).collect::<Vec<_>>())
            .find(|all| !all.is_empty())
            .into_iter()
            .flatten()
    }

    /// Devices of a kind, those with the least to do first.
    fn candidates(&self, kind: DeviceKind) -> Vec<Candidate<'_>> {
        self.serving(kind)
            .flat_map(|accelerator| {
                by_load(&accelerator.loads()).into_iter().map(move |number| Candidate { accelerator, number })
            })
            .collect()
    }

    fn on_devices(&self, request: &LoadRequest<'_>, placement: &Placement) -> Result<Arc<dyn Graph>, Failure> {
        let (wanted, mut copies, mut refused) = (placement.copies.max(1) as usize, Vec::new(), None);
        for Candidate { accelerator, number } in self.candidates(placement.device) {
            match accelerator.load(number, request) {
                Ok(graph) => copies.push(graph),
                // Another device may have the room, or be alive.
                Err(reason) if matches!(reason.kind, ErrorKind::Overloaded | ErrorKind::Unavailable) => {
                    refused = Some(reason);
                }
                Err(reason) => return Err(reason),
            }
            if copies.len() == wanted {
                let first = copies.remove(0);
                return Ok(spread::over(first, copies));
            }
        }
        if copies.is_empty() {
            return Err(refused.unwrap_or_else(|| self.missing(placement.device)));
        }
        Err(too_few(placement, copies.len(), refused))
    }

    fn missing(&self, device: DeviceKind) -> Failure {
        let reports = self.of_kind(device).flat_map(Family::reports).filter(|report| !report.available);
        let reasons: Vec<String> = reports.map(|report| format!("{}: {}", report.kind, report.detail)).collect();
        let reasons =
            if reasons.is_empty() { "this program has no support for one".to_owned() } else { reasons.join("; ") };
        let message = format!("this host has no {device} that works; {reasons}");
        Failure::new(ErrorKind::Unavailable, message).with_hint(
            "deploy where there is one, or let the CPU take the model: scorehost.placement.cpuFallback of the deployment, or --cpu-fallback of the server",
        )
    }
}

/// Fewer devices than asked for have taken a copy.
fn too_few(placement: &Placement, found: usize, refused: Option<Failure>) -> Failure {
    let Placement { device, copies, .. } = placement;
    let reason = refused.map(|reason| format!("; of the others one said: {reason}")).unwrap_or_default();
    let message = format!("the model is to be on {copies} devices ({device}), and {found} can take it{reason}");
    Failure::new(ErrorKind::Unavailable, message)
        .with_hint("ask for fewer (gpuCores), or deploy to a host that has more")
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
mod tests;
