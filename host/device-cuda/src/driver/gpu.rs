//! One GPU: its context, its memory budget, its compiled kernels.
#![expect(unsafe_code, reason = "calls of NVIDIA's driver")]

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cudarc::driver::{result, sys};
use parking_lot::Mutex;
use scorehost_core::MemoryId;

use super::matrices::Library;
use super::{CompilerCache, failed, reason};
use crate::{CudaError, GpuReport};
use scorehost_plan::launch::Kernel;

/// Shared memory that a block gets without asking.
const FREE_SHARED: u32 = 48 * 1024;

/// A kernel on this device.
#[derive(Clone, Copy)]
pub(crate) struct Function(pub(super) sys::CUfunction);

// SAFETY: a handle of the driver, which is used by any thread.
unsafe impl Send for Function {}
// SAFETY: see above.
unsafe impl Sync for Function {}

/// One GPU of this process.
pub(crate) struct Gpu {
    pub(crate) report: GpuReport,
    context: sys::CUcontext,
    /// Its memory among all devices of the process.
    pub(crate) memory: MemoryId,
    limit: u64,
    used: AtomicU64,
    /// Bytes of values that stay from one call to the next.
    pub(crate) kept: AtomicU64,
    cache: CompilerCache,
    functions: Mutex<HashMap<(Kernel, u32), Function>>,
    pub(super) matrices: Library,
    lost: Mutex<Option<String>>,
    /// Microseconds that calls have occupied the device.
    pub(crate) busy_micros: AtomicU64,
    /// Calls under way.
    pub(crate) running: AtomicU64,
}

// SAFETY: the context is used by any thread that makes it current first.
unsafe impl Send for Gpu {}
// SAFETY: see above.
unsafe impl Sync for Gpu {}

impl Gpu {
    /// Opens a device. `limit`: bytes that may be allocated, at most the device's memory.
    pub(crate) fn open(report: GpuReport, limit: Option<u64>, cache: CompilerCache) -> Result<Arc<Self>, CudaError> {
        let device = result::device::get(report.ordinal as i32).map_err(failed("cuDeviceGet"))?;
        // SAFETY: the device was just returned by the driver; the context is retained for the life of the process.
        let context = unsafe { result::primary_ctx::retain(device) }.map_err(failed("cuDevicePrimaryCtxRetain"))?;
        // SAFETY: the context is alive.
        unsafe { result::ctx::set_current(context) }.map_err(failed("cuCtxSetCurrent"))?;
        let matrices = Library::open()?;
        Ok(Arc::new(Self {
            memory: MemoryId::new(format!("cuda:{}", report.ordinal)),
            limit: limit.unwrap_or(report.memory_bytes).min(report.memory_bytes),
            report,
            context,
            used: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            cache,
            functions: Mutex::default(),
            matrices,
            lost: Mutex::default(),
            busy_micros: AtomicU64::new(0),
            running: AtomicU64::new(0),
        }))
    }

    /// Makes the device the calling thread's.
    pub(crate) fn bind(&self) -> Result<(), CudaError> {
        // SAFETY: the context is alive as long as the process.
        unsafe { result::ctx::set_current(self.context) }.map_err(failed("cuCtxSetCurrent"))
    }

    /// Compute capability, such as 90.
    pub(crate) const fn architecture(&self) -> u32 {
        self.report.capability.0 * 10 + self.report.capability.1
    }

    /// The reason why nothing runs here any more.
    pub(crate) fn check(&self) -> Result<(), CudaError> {
        match &*self.lost.lock() {
            Some(reason) => Err(CudaError::Lost { ordinal: self.report.ordinal, reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Turns a driver's error into ours; one that breaks the context marks the device as lost.
    pub(crate) fn failed(&self, call: &'static str) -> impl Fn(result::DriverError) -> CudaError {
        move |error| {
            use sys::CUresult as Code;
            let harmless = [
                Code::CUDA_ERROR_OUT_OF_MEMORY,
                Code::CUDA_ERROR_INVALID_VALUE,
                Code::CUDA_ERROR_INVALID_HANDLE,
                Code::CUDA_ERROR_NOT_READY,
                Code::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
                Code::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                Code::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
                Code::CUDA_ERROR_NOT_SUPPORTED,
            ];
            if error.0 == Code::CUDA_ERROR_OUT_OF_MEMORY {
                return self.full(0);
            }
            let text = reason(error);
            if !harmless.contains(&error.0) {
                tracing::error!(gpu = self.report.ordinal, call, reason = %text, "the GPU is lost");
                self.lost.lock().get_or_insert(text.clone());
            }
            CudaError::Call { call, reason: text }
        }
    }

    pub(super) fn full(&self, wanted: u64) -> CudaError {
        CudaError::Memory { ordinal: self.report.ordinal, wanted, used: self.used(), limit: self.limit }
    }

    /// Bytes in use by this process's models.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be used.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn reserve(&self, bytes: u64) -> Result<(), CudaError> {
        let add = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map(drop).map_err(|_| self.full(bytes))
    }

    pub(super) fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Compiles and loads kernels that are not here yet, several at a time.
    pub(crate) fn prepare(&self, kernels: &[(Kernel, u32)]) -> Result<(), CudaError> {
        let missing: Vec<(Kernel, u32)> = {
            let known = self.functions.lock();
            let mut missing: Vec<_> = kernels.iter().filter(|kernel| !known.contains_key(*kernel)).cloned().collect();
            missing.sort();
            missing.dedup();
            missing
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(missing.len().max(1));
        let share = missing.len().div_ceil(threads).max(1);
        let compile = |part: &[(Kernel, u32)]| -> Result<Vec<Vec<u8>>, CudaError> {
            part.iter().map(|(kernel, _)| self.cache.get(kernel, self.architecture())).collect()
        };
        let codes: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let workers: Vec<_> = missing.chunks(share).map(|part| scope.spawn(move || compile(part))).collect();
            let mut all = Vec::new();
            for worker in workers {
                let ended =
                    || CudaError::Call { call: "compiling kernels", reason: "the compiler's thread ended".to_owned() };
                all.extend(worker.join().map_err(|_| ended())??);
            }
            Ok::<_, CudaError>(all)
        })?;
        for ((kernel, shared), code) in missing.into_iter().zip(codes) {
            let function = self.load(&kernel, shared, &code)?;
            self.functions.lock().insert((kernel, shared), function);
        }
        Ok(())
    }

    fn load(&self, kernel: &Kernel, shared: u32, code: &[u8]) -> Result<Function, CudaError> {
        let name = CString::new(kernel.entry).map_err(|_| self.full(0))?;
        // SAFETY: `code` is a complete image of the compiler; the module stays loaded for the life of the process.
        let module =
            unsafe { result::module::load_data(code.as_ptr().cast()) }.map_err(self.failed("cuModuleLoadData"))?;
        // SAFETY: the module is loaded.
        let function =
            unsafe { result::module::get_function(module, name) }.map_err(self.failed("cuModuleGetFunction"))?;
        if shared > FREE_SHARED {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function was just returned by the driver.
            unsafe { result::function::set_function_attribute(function, attribute, shared as i32) }
                .map_err(self.failed("cuFuncSetAttribute"))?;
        }
        Ok(Function(function))
    }

    /// A kernel that [`Gpu::prepare`] has loaded.
    pub(super) fn function(&self, kernel: &Kernel, shared: u32) -> Option<Function> {
        self.functions.lock().get(&(kernel.clone(), shared)).copied()
    }
}
