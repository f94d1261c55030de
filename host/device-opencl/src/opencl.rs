//! The OpenCL devices of this process.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use scorehost_device::{DeviceLoad, DeviceReport};

use crate::driver::{self, Bounds, Device, Program, ProgramCache};
use crate::{DeviceInfo, DeviceType, OpenClError};

/// Bytes of compiled programs on disk at most.
const CACHE_BYTES: u64 = 512 << 20;
/// How long a device may take for one call when the configuration does not say.
const CEILING: Duration = Duration::from_secs(120);

/// Where OpenCL is and how much of its devices to use.
#[derive(Clone, Debug, Default)]
pub struct OpenClConfig {
    /// The library. When unset: `SCOREHOST_OPENCL`, then what the system's loader finds as `libOpenCL.so.1`.
    pub library: Option<PathBuf>,
    /// Bytes of each device's memory that models may take; all of it when unset.
    pub memory_limit: Option<u64>,
    /// Folder of compiled programs, so that a restart compiles nothing.
    pub program_cache: Option<PathBuf>,
    /// Whether the host's processor, where an OpenCL platform offers it as a device, takes the part of a GPU and of an FPGA: for trying
    /// both without such hardware.
    pub cpu_devices: bool,
    /// How long a device may take for what one call gives it, two minutes when unset. A device that takes longer is lost: it may never
    /// come back, and no OpenCL stops a kernel.
    pub ceiling: Option<Duration>,
}

/// The OpenCL devices of this process.
pub struct OpenCl {
    pub(crate) devices: Vec<Arc<Device>>,
    cpu_devices: bool,
}

impl OpenCl {
    /// Opens the library and all devices.
    ///
    /// # Errors
    /// `Library` where it is missing, `NoPlatform` or `NoDevice` where it finds nothing.
    pub fn discover(config: &OpenClConfig) -> Result<Self, OpenClError> {
        driver::library::open(config.library.as_deref())?;
        let cache = ProgramCache::new(config.program_cache.clone(), CACHE_BYTES);
        let bounds = Bounds { memory: config.memory_limit, ceiling: config.ceiling.unwrap_or(CEILING) };
        let mut devices = Vec::new();
        let mut refused = None;
        for found in driver::find()? {
            let name = found.info.name.clone();
            match Device::open(found, devices.len(), &bounds, cache.clone()) {
                Ok(device) => devices.push(device),
                Err(reason) => {
                    tracing::warn!(device = name, %reason, "an OpenCL device cannot be opened");
                    refused = Some(reason);
                }
            }
        }
        match refused {
            Some(reason) if devices.is_empty() => Err(reason),
            _ => Ok(Self { devices, cpu_devices: config.cpu_devices }),
        }
    }

    /// All devices as their drivers describe them.
    pub fn infos(&self) -> impl Iterator<Item = &DeviceInfo> {
        self.devices.iter().map(|device| &device.info)
    }

    /// Compiles a program on a device that can, and returns the device's own form of it: for writing and trying kernels without a
    /// vendor's tools. `device` is a part of the device's name.
    ///
    /// # Errors
    /// `NoDevice` where none of that name has a compiler, `Build` with the compiler's message.
    pub fn compile(&self, device: &str, source: &str, options: &str) -> Result<Vec<u8>, OpenClError> {
        let named = |its: &&Arc<Device>| its.info.compiler && its.info.name.contains(device);
        let missing =
            || OpenClError::NoDevice { platforms: format!("none with a compiler for a device named '{device}'") };
        let device = self.devices.iter().find(named).ok_or_else(missing)?;
        Program::compile(device, source, options)?.binary()
    }

    /// The devices that take the part of one kind.
    pub(crate) fn serving(&self, kind: DeviceType) -> Vec<Arc<Device>> {
        let serves = |device: &&Arc<Device>| {
            device.info.kind == kind || (self.cpu_devices && device.info.kind == DeviceType::Cpu)
        };
        self.devices.iter().filter(serves).cloned().collect()
    }

    /// One row for each device that no kind of placement uses.
    pub(crate) fn idle(&self) -> Vec<DeviceReport> {
        let unused = |device: &&Arc<Device>| match device.info.kind {
            DeviceType::Cpu => !self.cpu_devices,
            DeviceType::Other => true,
            DeviceType::Gpu | DeviceType::Accelerator => false,
        };
        let report = |device: &Arc<Device>| {
            let detail = format!("{}; not used: models run on the CPU without OpenCL", device.info);
            DeviceReport { name: "none", kind: "opencl", available: false, detail }
        };
        self.devices.iter().filter(unused).map(report).collect()
    }
}

/// A device's row.
pub(crate) fn report(device: &Device) -> DeviceReport {
    let lost = device.check().err();
    DeviceReport {
        name: "opencl",
        kind: "opencl",
        available: lost.is_none(),
        detail: lost.map_or_else(|| device.info.to_string(), |reason| reason.to_string()),
    }
}

/// What a device does at the moment.
pub(crate) fn load(device: &Device) -> DeviceLoad {
    // First, because it gives back what late calls held.
    let healthy = device.check().is_ok();
    DeviceLoad {
        name: device.memory.to_string(),
        used_bytes: device.used(),
        limit_bytes: device.limit(),
        busy_seconds: device.busy_micros.load(Ordering::Relaxed) as f64 / 1e6,
        running: device.running.load(Ordering::Relaxed),
        healthy,
    }
}
