//! Platforms and devices.

use std::fmt;

use ocl::core::{self, DeviceId, DeviceInfo as Asked, DeviceInfoResult as Told, PlatformId, PlatformInfo};

use super::reason;
use crate::OpenClError;

/// Devices of a platform at most.
const MAX_DEVICES: u32 = 1024;

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceType {
    /// The host's processor.
    Cpu,
    /// A graphics processor.
    Gpu,
    /// Anything made for computing alone, such as an FPGA card or its emulator.
    Accelerator,
    /// Neither of them.
    Other,
}

impl DeviceType {
    fn of(flags: ocl::core::DeviceType) -> Self {
        use ocl::core::DeviceType as Flags;
        // A device may bear several flags; that of its own kind counts more than CPU.
        match flags {
            _ if flags.contains(Flags::ACCELERATOR) => Self::Accelerator,
            _ if flags.contains(Flags::GPU) => Self::Gpu,
            _ if flags.contains(Flags::CPU) => Self::Cpu,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Accelerator => "accelerator",
            Self::Other => "custom device",
        })
    }
}

/// A device as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Name of the platform it belongs to.
    pub platform: String,
    /// The vendor's name of it.
    pub name: String,
    /// Who made it.
    pub vendor: String,
    /// What it is.
    pub kind: DeviceType,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of the largest buffer.
    pub largest_buffer: u64,
    /// Bytes of memory that one work-group shares.
    pub local_bytes: u64,
    /// Compute units.
    pub compute_units: u32,
    /// Work items of a work-group at most.
    pub group_items: u64,
    /// F32 elements of its vectors.
    pub float_lanes: u32,
    /// Whether it computes in F64.
    pub doubles: bool,
    /// Version of OpenCL that it speaks.
    pub version: String,
    /// Version of its driver.
    pub driver: String,
    /// Whether it compiles programs from their text. An FPGA card does not; its emulator may.
    pub compiler: bool,
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gibibytes = self.memory_bytes as f64 / f64::from(1 << 30);
        let compiler = if self.compiler { "" } else { ", no compiler" };
        write!(
            f,
            "{} ({}, {}), {gibibytes:.1} GiB, {} compute units, {}, driver {}{compiler}",
            self.name, self.kind, self.platform, self.compute_units, self.version, self.driver
        )
    }
}

/// A device that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) info: DeviceInfo,
    pub(super) id: DeviceId,
    pub(super) platform: PlatformId,
}

/// All devices of all platforms. A platform that fails hides no other.
pub(crate) fn find() -> Result<Vec<Found>, OpenClError> {
    let platforms = match core::get_platform_ids() {
        Ok(platforms) => platforms,
        Err(error) if error.api_status() == Some(ocl::enums::Status::CL_PLATFORM_NOT_FOUND_KHR) => Vec::new(),
        Err(error) => return Err(OpenClError::Call { call: "clGetPlatformIDs", reason: reason(&error) }),
    };
    if platforms.is_empty() {
        return Err(OpenClError::NoPlatform);
    }
    let mut names = Vec::new();
    let mut found = Vec::new();
    for platform in platforms {
        let name = platform_name(platform);
        match core::get_device_ids(platform, Some(ocl::flags::DEVICE_TYPE_ALL), Some(MAX_DEVICES)) {
            Ok(ids) => found.extend(ids.into_iter().filter_map(|id| usable(platform, &name, id))),
            Err(error) => tracing::debug!(platform = name, reason = reason(&error), "a platform names no devices"),
        }
        names.push(name);
    }
    if found.is_empty() {
        return Err(OpenClError::NoDevice { platforms: names.join(", ") });
    }
    Ok(found)
}

fn platform_name(platform: PlatformId) -> String {
    core::get_platform_info(platform, PlatformInfo::Name).map_or_else(|error| reason(&error), |name| name.to_string())
}

fn usable(platform: PlatformId, name: &str, id: DeviceId) -> Option<Found> {
    match describe(name, id) {
        Ok(info) => Some(Found { info, id, platform }),
        Err(error) => {
            tracing::warn!(platform = name, reason = reason(&error), "a device does not say what it is");
            None
        }
    }
}

fn describe(platform: &str, id: DeviceId) -> Result<DeviceInfo, ocl::core::Error> {
    let text = |asked| core::get_device_info(id, asked).map(|told| told.to_string().trim().to_owned());
    let number = |asked| -> Result<u64, ocl::core::Error> {
        Ok(match core::get_device_info(id, asked)? {
            Told::GlobalMemSize(n) | Told::MaxMemAllocSize(n) | Told::LocalMemSize(n) => n,
            Told::MaxComputeUnits(n) | Told::NativeVectorWidthFloat(n) | Told::MemBaseAddrAlign(n) => u64::from(n),
            Told::MaxWorkGroupSize(n) => n as u64,
            _ => 0,
        })
    };
    let flag = |asked| match core::get_device_info(id, asked) {
        Ok(Told::CompilerAvailable(flag)) => flag,
        Ok(Told::DoubleFpConfig(config)) => !config.is_empty(),
        _ => false,
    };
    let kind = match core::get_device_info(id, Asked::Type)? {
        Told::Type(flags) => DeviceType::of(flags),
        _ => DeviceType::Other,
    };
    Ok(DeviceInfo {
        platform: platform.to_owned(),
        name: text(Asked::Name)?,
        vendor: text(Asked::Vendor)?,
        kind,
        memory_bytes: number(Asked::GlobalMemSize)?,
        largest_buffer: number(Asked::MaxMemAllocSize)?,
        local_bytes: number(Asked::LocalMemSize)?,
        compute_units: number(Asked::MaxComputeUnits)? as u32,
        group_items: number(Asked::MaxWorkGroupSize)?.max(1),
        float_lanes: number(Asked::NativeVectorWidthFloat)? as u32,
        doubles: flag(Asked::DoubleFpConfig),
        version: text(Asked::Version).map(|version| format!("OpenCL {}", version.trim_start_matches("OpenCL ")))?,
        driver: text(Asked::DriverVersion)?,
        compiler: flag(Asked::CompilerAvailable),
    })
}
