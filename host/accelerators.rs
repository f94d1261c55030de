//! The devices of this process: the CPU's, and the families that this program was built with.

use std::path::Path;

use scorehost_core::DeviceKind;
use scorehost_device::{DeviceConfig, Devices};

/// The devices that models may run on. GPUs are opened only where models are to run on them: that takes a part of a second, and
/// memory of each. `data_dir` is where compiled kernels are kept.
pub(crate) fn discover(config: DeviceConfig, data_dir: Option<&Path>) -> Devices {
    let asked = config.placement.device == DeviceKind::Gpu;
    let devices = Devices::discover(config);
    if asked { gpus(devices, data_dir) } else { devices.without("cuda", "not used: models run on the CPU".to_owned()) }
}

/// All devices there are, whatever models run on.
pub(crate) fn list(config: DeviceConfig) -> Devices {
    gpus(Devices::discover(config), None)
}

#[cfg(feature = "cuda")]
fn gpus(devices: Devices, data_dir: Option<&Path>) -> Devices {
    use scorehost_device_cuda::{Cuda, CudaConfig};

    let config = CudaConfig { memory_limit: None, kernel_cache: data_dir.map(|folder| folder.join("kernels")) };
    match Cuda::discover(&config) {
        Ok(cuda) => devices.with(std::sync::Arc::new(cuda)),
        Err(reason) => devices.without("cuda", reason.to_string()),
    }
}

#[cfg(not(feature = "cuda"))]
fn gpus(devices: Devices, _: Option<&Path>) -> Devices {
    devices.without("cuda", "this program was built without the feature 'cuda'".to_owned())
}
