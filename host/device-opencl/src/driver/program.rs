//! Programs: from their text, kept as binaries on disk, or from a vendor's binary.

use std::ffi::CString;
use std::sync::Arc;

use ocl::core::{self, ProgramBuildInfo, ProgramBuildInfoResult, ProgramInfo, ProgramInfoResult};
use sha2::{Digest, Sha256};

use super::{Device, Kernel, reason};
use crate::OpenClError;

/// Bytes of a compiler's message that are kept.
const MAX_LOG: usize = 8 << 10;

/// Compiled kernels on a device.
pub(crate) struct Program {
    device: Arc<Device>,
    handle: ocl::core::Program,
}

impl Program {
    /// Compiles a program, or takes it from the device's cache of binaries.
    ///
    /// # Errors
    /// `Build` with the compiler's message.
    pub(crate) fn compile(device: &Arc<Device>, source: &str, options: &str) -> Result<Self, OpenClError> {
        device.check()?;
        let key = key(device, source, options);
        if let Some(binary) = device.cache.get(&key) {
            match Self::from_binary(device, &binary) {
                Ok(program) => return Ok(program),
                Err(reason) => tracing::debug!(%reason, "a program of the cache does not load and is compiled again"),
            }
        }
        let refused = |log: String| OpenClError::Build { log };
        let text = CString::new(source).map_err(|_| refused("the program's text holds a NUL".to_owned()))?;
        let handle = core::create_program_with_source(&device.context, &[text])
            .map_err(device.failed("clCreateProgramWithSource"))?;
        let program = Self { device: Arc::clone(device), handle };
        program.build(options)?;
        if let Ok(binary) = program.binary() {
            device.cache.put(&key, &binary);
        }
        Ok(program)
    }

    /// Loads a binary that this device, or its vendor's tools, made.
    ///
    /// # Errors
    /// `Binary` where the device does not take it.
    pub(crate) fn from_binary(device: &Arc<Device>, binary: &[u8]) -> Result<Self, OpenClError> {
        device.check()?;
        let refused = |reason: String| OpenClError::Binary { device: device.info.name.clone(), reason };
        if binary.is_empty() {
            return Err(refused("it is empty".to_owned()));
        }
        let handle = core::create_program_with_binary(&device.context, &[device.id], &[binary])
            .map_err(|error| refused(reason(&error)))?;
        let program = Self { device: Arc::clone(device), handle };
        program.build("").map_err(|error| match error {
            OpenClError::Build { log } => refused(log),
            OpenClError::Call { reason, .. } => refused(reason),
            error => error,
        })?;
        Ok(program)
    }

    fn build(&self, options: &str) -> Result<(), OpenClError> {
        let options =
            CString::new(options).map_err(|_| OpenClError::Build { log: "the options hold a NUL".to_owned() })?;
        let built = core::build_program(&self.handle, Some(&[self.device.id]), &options, None, None);
        let error = match built {
            // The binding takes a failed build without a message for a success.
            Ok(()) if self.is_built() => return Ok(()),
            Ok(()) => return Err(OpenClError::Build { log: "the compiler fails and says nothing".to_owned() }),
            Err(error) => error,
        };
        match (&error, error.api_status()) {
            (core::Error::ProgramBuild(_), _) => Err(OpenClError::Build { log: self.log() }),
            (_, Some(ocl::enums::Status::CL_INVALID_BINARY)) => Err(OpenClError::Build { log: reason(&error) }),
            _ => Err(self.device.failed("clBuildProgram")(error)),
        }
    }

    fn is_built(&self) -> bool {
        let status = core::get_program_build_info(&self.handle, self.device.id, ProgramBuildInfo::BuildStatus);
        matches!(status, Ok(ProgramBuildInfoResult::BuildStatus(core::ProgramBuildStatus::Success)))
    }

    fn log(&self) -> String {
        let log = core::get_program_build_info(&self.handle, self.device.id, ProgramBuildInfo::BuildLog);
        let Ok(ProgramBuildInfoResult::BuildLog(log)) = log else { return "the compiler says nothing".to_owned() };
        let log = log.trim_matches(['\0', '\n', ' ']);
        log[..log.floor_char_boundary(MAX_LOG)].to_owned()
    }

    /// The device's own form of the program, which [`Program::from_binary`] takes.
    pub(crate) fn binary(&self) -> Result<Vec<u8>, OpenClError> {
        let told = core::get_program_info(&self.handle, ProgramInfo::Binaries)
            .map_err(self.device.failed("clGetProgramInfo"))?;
        match told {
            ProgramInfoResult::Binaries(binaries) => Ok(binaries.into_iter().next().unwrap_or_default()),
            _ => Ok(Vec::new()),
        }
    }

    /// A function of the program.
    ///
    /// # Errors
    /// `NoKernel` where it has none of that name.
    pub(crate) fn kernel(&self, name: &str) -> Result<Kernel, OpenClError> {
        Kernel::new(&self.device, &self.handle, name)
    }
}

/// What a binary depends on, as the name of its file.
fn key(device: &Device, source: &str, options: &str) -> String {
    let info = &device.info;
    let mut hash = Sha256::new();
    for part in [&info.platform, &info.name, &info.vendor, &info.version, &info.driver, options, source] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
