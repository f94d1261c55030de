//! The devices of this process: the CPU's, and the families that this program was built with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use scorehost_core::DeviceKind;
use scorehost_device::{DeviceConfig, Devices};

/// What a server says of accelerators.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// Whether a processor that OpenCL offers takes the part of a GPU and of an FPGA.
    pub(crate) opencl_cpu: bool,
    /// How long an OpenCL device may take for one call; the room's own bound when unset.
    pub(crate) opencl_ceiling: Option<Duration>,
}

/// The devices that models may run on. GPUs and FPGAs are opened when the first model asks for one. `data_dir` is where compiled
/// kernels are kept.
pub(crate) fn discover(config: DeviceConfig, data_dir: Option<&Path>, wishes: Wishes) -> Devices {
    let kernels = data_dir.map(|folder| folder.join("kernels"));
    families(Devices::discover(config), kernels, wishes)
}

/// All devices there are, opened.
pub(crate) fn list(config: DeviceConfig) -> Devices {
    families(Devices::discover(config), None, Wishes::default()).opened()
}

/// In the order in which they are asked: a card that several families know runs with the first that has it.
fn families(devices: Devices, kernels: Option<PathBuf>, wishes: Wishes) -> Devices {
    let devices = cuda(devices, kernels.clone());
    opencl(devices, kernels.map(|folder| folder.join("opencl")), wishes)
}

#[cfg(feature = "cuda")]
fn cuda(devices: Devices, kernel_cache: Option<PathBuf>) -> Devices {
    use std::sync::Arc;

    use scorehost_device::Accelerator;
    use scorehost_device_cuda::{Cuda, CudaConfig};

    let config = CudaConfig { memory_limit: None, kernel_cache };
    let open = move || {
        let cuda = Cuda::discover(&config).map_err(|reason| reason.to_string())?;
        Ok(vec![Arc::new(cuda) as Arc<dyn Accelerator>])
    };
    devices.with("cuda", &[DeviceKind::Gpu], Box::new(open))
}

#[cfg(not(feature = "cuda"))]
fn cuda(devices: Devices, _: Option<PathBuf>) -> Devices {
    let open = || Err("this program was built without the feature 'cuda'".to_owned());
    devices.with("cuda", &[DeviceKind::Gpu], Box::new(open))
}

#[cfg(feature = "opencl")]
fn opencl(devices: Devices, program_cache: Option<PathBuf>, wishes: Wishes) -> Devices {
    use std::sync::Arc;

    use scorehost_device::Accelerator;
    use scorehost_device_opencl::{Fpgas, OpenCl, OpenClConfig};

    let Wishes { opencl_cpu: cpu_devices, opencl_ceiling: ceiling } = wishes;
    let config = OpenClConfig { library: None, memory_limit: None, program_cache, cpu_devices, ceiling };
    let open = move || {
        let opencl = OpenCl::discover(&config).map_err(|reason| reason.to_string())?;
        let gpus = opencl.gpus().map(|gpus| Arc::new(gpus) as Arc<dyn Accelerator>);
        Ok(gpus.into_iter().chain([Arc::new(Fpgas::new(&opencl)) as Arc<dyn Accelerator>]).collect())
    };
    devices.with("opencl", &[DeviceKind::Gpu, DeviceKind::Fpga], Box::new(open))
}

#[cfg(not(feature = "opencl"))]
fn opencl(devices: Devices, _: Option<PathBuf>, _: Wishes) -> Devices {
    let open = || Err("this program was built without the feature 'opencl'".to_owned());
    devices.with("opencl", &[DeviceKind::Gpu, DeviceKind::Fpga], Box::new(open))
}
