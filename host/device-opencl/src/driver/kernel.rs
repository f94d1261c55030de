//! A function of a program, and what it is called with.
#![expect(unsafe_code, reason = "arguments are handed over as bytes")]

use std::sync::Arc;

use ocl::core::{self, ArgVal, KernelArgInfo, KernelArgInfoResult, KernelInfo, KernelInfoResult};
use parking_lot::Mutex;

use super::{Buffer, Device};
use crate::OpenClError;

/// One argument.
#[derive(Clone, Copy)]
pub(crate) enum Arg<'a> {
    /// A pointer to global or constant memory.
    Buffer(&'a Buffer),
    /// A pointer that is null.
    Null,
    /// `int`.
    Int(i32),
    /// `float`.
    Float(f32),
    /// `long`.
    Long(i64),
    /// A structure, by value.
    Bytes(&'a [u8]),
}

/// A parameter as the program describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// Its name in the program's text.
    pub(crate) name: String,
    /// Its type, such as `float*`.
    pub(crate) type_name: String,
}

/// A function of a program. Calls from several threads take turns for as long as queueing one takes.
pub(crate) struct Kernel {
    name: String,
    parameters: u32,
    handle: Mutex<ocl::core::Kernel>,
}

impl Kernel {
    pub(super) fn new(device: &Arc<Device>, program: &ocl::core::Program, name: &str) -> Result<Self, OpenClError> {
        let handle = core::create_kernel(program, name).map_err(|error| match error.api_status() {
            Some(ocl::enums::Status::CL_INVALID_KERNEL_NAME) => OpenClError::NoKernel { kernel: name.to_owned() },
            _ => device.failed("clCreateKernel")(error),
        })?;
        let told = core::get_kernel_info(&handle, KernelInfo::NumArgs).map_err(device.failed("clGetKernelInfo"))?;
        let parameters = if let KernelInfoResult::NumArgs(number) = told { number } else { 0 };
        Ok(Self { name: name.to_owned(), parameters, handle: Mutex::new(handle) })
    }

    /// Number of parameters.
    pub(crate) const fn parameters(&self) -> u32 {
        self.parameters
    }

    /// A parameter's name and type, where the program tells; many binaries do not.
    pub(crate) fn parameter(&self, index: u32) -> Option<Parameter> {
        let handle = self.handle.lock();
        let text = |asked| match core::get_kernel_arg_info(&handle, index, asked, None).ok()? {
            KernelArgInfoResult::Name(text) | KernelArgInfoResult::TypeName(text) => Some(text),
            _ => None,
        };
        let (name, type_name) = (text(KernelArgInfo::Name)?, text(KernelArgInfo::TypeName)?);
        (!type_name.is_empty()).then_some(Parameter { name, type_name })
    }

    /// Sets all arguments and hands the kernel to `queue`, undisturbed by other threads.
    pub(super) fn with<T>(
        &self,
        args: &[Arg<'_>],
        queue: impl FnOnce(&ocl::core::Kernel) -> Result<T, OpenClError>,
    ) -> Result<T, OpenClError> {
        if args.len() != self.parameters as usize {
            let (kernel, expected) = (self.name.clone(), self.parameters);
            return Err(OpenClError::Arguments { kernel, expected, given: args.len() });
        }
        let handle = self.handle.lock();
        for (index, arg) in args.iter().enumerate() {
            self.set(&handle, index as u32, arg)?;
        }
        queue(&handle)
    }

    fn set(&self, handle: &ocl::core::Kernel, index: u32, arg: &Arg<'_>) -> Result<(), OpenClError> {
        let value = match arg {
            Arg::Buffer(buffer) => ArgVal::mem(buffer.handle()),
            Arg::Null => ArgVal::mem_null(),
            Arg::Int(value) => ArgVal::scalar(value),
            Arg::Float(value) => ArgVal::scalar(value),
            Arg::Long(value) => ArgVal::scalar(value),
            // SAFETY: OpenCL copies the bytes before it returns.
            Arg::Bytes(bytes) => unsafe { ArgVal::from_raw(bytes.len(), bytes.as_ptr().cast(), false) },
        };
        core::set_kernel_arg(handle, index, value).map_err(|error| OpenClError::Argument {
            kernel: self.name.clone(),
            index,
            reason: super::reason(&error),
        })
    }
}
