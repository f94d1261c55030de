//! The devices of this process: the CPU's, and the families that this program was built with.

use std::path::{Path, PathBuf};

use scorehost_device::{DeviceConfig, Devices};

/// The devices that models may run on. GPUs and FPGAs are opened when the first model asks for one. `data_dir` is where compiled
/// kernels are kept.
pub(crate) fn discover(config: DeviceConfig, data_dir: Option<&Path>) -> Devices {
    let kernels = data_dir.map(|folder| folder.join("kernels"));
    families(Devices::discover(config), kernels)
}

/// All devices there are, opened.
pub(crate) fn list(config: DeviceConfig) -> Devices {
    families(Devices::discover(config), None).opened()
}

fn families(devices: Devices, kernels: Option<PathBuf>) -> Devices {
    gpus(devices, kernels)
}

#[cfg(feature = "cuda")]
fn gpus(devices: Devices, kernel_cache: Option<PathBuf>) -> Devices {
    use std::sync::Arc;

    use scorehost_core::DeviceKind;
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
fn gpus(devices: Devices, _: Option<PathBuf>) -> Devices {
    use scorehost_core::DeviceKind;

    let open = || Err("this program was built without the feature 'cuda'".to_owned());
    devices.with("cuda", &[DeviceKind::Gpu], Box::new(open))
}
