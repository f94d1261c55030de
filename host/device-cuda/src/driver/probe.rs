//! Which libraries and devices there are. cudarc panics where a library is missing, so each is asked for first.
#![expect(unsafe_code, reason = "calls of NVIDIA's driver")]

use cudarc::driver::{result, sys};

use super::failed;
use crate::{CudaError, GpuReport};

/// Opens what the device needs.
pub(crate) fn libraries() -> Result<(), CudaError> {
    // SAFETY: opening a library runs its initialisers; these are NVIDIA's own.
    let (driver, matrices) = unsafe { (sys::is_culib_present(), cudarc::cublaslt::sys::is_culib_present()) };
    if !driver {
        return Err(CudaError::Library { library: "libcuda.so.1", needed: "it comes with NVIDIA's driver" });
    }
    if !compiler_is_present() {
        let needed = "it comes with the CUDA toolkit or the Python package nvidia-cuda-nvrtc; name its folder in LD_LIBRARY_PATH";
        return Err(CudaError::Library { library: "libnvrtc", needed });
    }
    if !matrices {
        let needed =
            "it comes with the CUDA toolkit or the Python package nvidia-cublas; name its folder in LD_LIBRARY_PATH";
        return Err(CudaError::Library { library: "libcublasLt", needed });
    }
    Ok(())
}

/// Whether kernels can be compiled; that needs no driver.
pub(crate) fn compiler_is_present() -> bool {
    // SAFETY: opening a library runs its initialisers; this one is NVIDIA's own.
    unsafe { cudarc::nvrtc::sys::is_culib_present() }
}

/// Every GPU of this machine.
pub(crate) fn gpus() -> Result<Vec<GpuReport>, CudaError> {
    libraries()?;
    result::init().map_err(|error| match error.0 {
        sys::CUresult::CUDA_ERROR_NO_DEVICE => CudaError::NoDevice,
        _ => failed("cuInit")(error),
    })?;
    let count = result::device::get_count().map_err(failed("cuDeviceGetCount"))?;
    if count == 0 {
        return Err(CudaError::NoDevice);
    }
    (0..count).map(report).collect()
}

fn report(ordinal: i32) -> Result<GpuReport, CudaError> {
    let device = result::device::get(ordinal).map_err(failed("cuDeviceGet"))?;
    let attribute = |attribute| {
        // SAFETY: `device` was just returned by the driver.
        unsafe { result::device::get_attribute(device, attribute) }.map_err(failed("cuDeviceGetAttribute"))
    };
    use sys::CUdevice_attribute as Attribute;
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let multiprocessors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
    let mut driver = 0;
    // SAFETY: the pointer is to a live integer.
    unsafe { sys::cuDriverGetVersion(&raw mut driver) }.result().map_err(failed("cuDriverGetVersion"))?;
    Ok(GpuReport {
        ordinal: ordinal as usize,
        name: result::device::get_name(device).map_err(failed("cuDeviceGetName"))?,
        // SAFETY: `device` was just returned by the driver.
        memory_bytes: unsafe { result::device::total_mem(device) }.map_err(failed("cuDeviceTotalMem"))? as u64,
        capability: (major as u32, minor as u32),
        multiprocessors: multiprocessors as u32,
        driver: (driver as u32 / 1000, driver as u32 % 1000 / 10),
    })
}
