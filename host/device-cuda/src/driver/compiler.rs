//! Kernels from source to machine code, kept on disk so that a restart compiles nothing.
#![expect(unsafe_code, reason = "calls of NVIDIA's compiler")]

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use cudarc::nvrtc::{result, sys};
use sha2::{Digest, Sha256};

use crate::CudaError;
use scorehost_plan::launch::Kernel;

/// Compiled kernels on disk at most; the oldest go first.
const MAX_FILES: usize = 4096;

/// A folder of compiled kernels, named by what they were made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct CompilerCache {
    folder: Option<PathBuf>,
}

impl CompilerCache {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder: folder.filter(|folder| fs::create_dir_all(folder).is_ok()) }
    }

    /// Machine code of a kernel, compiled where it is not on disk.
    pub(crate) fn get(&self, kernel: &Kernel, architecture: u32) -> Result<Vec<u8>, CudaError> {
        let Some(folder) = &self.folder else { return compile(kernel, architecture) };
        let path = folder.join(file_name(kernel, architecture));
        if let Some(code) = fs::read(&path).ok().and_then(unsealed) {
            return Ok(code);
        }
        let code = compile(kernel, architecture)?;
        self.keep(folder, &path, &code);
        Ok(code)
    }

    /// A cache that cannot be written slows the next start and breaks nothing.
    fn keep(&self, folder: &Path, path: &Path, code: &[u8]) {
        let temporary = path.with_extension(format!("{}.part", std::process::id()));
        let mut sealed = Sha256::digest(code).to_vec();
        sealed.extend_from_slice(code);
        if fs::write(&temporary, sealed).and_then(|()| fs::rename(&temporary, path)).is_err() {
            let _ = fs::remove_file(&temporary);
        }
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut files: Vec<_> = entries
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        if files.len() > MAX_FILES {
            files.sort();
            files.iter().take(files.len() - MAX_FILES).for_each(|(_, path)| drop(fs::remove_file(path)));
        }
    }
}

/// The content behind its digest; a torn or changed file is none.
fn unsealed(file: Vec<u8>) -> Option<Vec<u8>> {
    let (digest, code) = file.split_at_checked(32)?;
    (Sha256::digest(code)[..] == *digest).then(|| code.to_vec())
}

fn file_name(kernel: &Kernel, architecture: u32) -> String {
    let mut hash = Sha256::new();
    let (major, minor) = version();
    hash.update(format!("{architecture} {major}.{minor} "));
    hash.update(kernel.source.as_bytes());
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.cubin")
}

fn version() -> (i32, i32) {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both pointers are to live integers.
    let _ = unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    (major, minor)
}

struct Program(sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made by `create_program`, destroyed once.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

/// Compiles a kernel for one architecture. Needs the compiler's library and no driver.
pub(crate) fn compile(kernel: &Kernel, architecture: u32) -> Result<Vec<u8>, CudaError> {
    let refused = |log: String| CudaError::Compile { entry: kernel.entry, architecture, log };
    let source = CString::new(&*kernel.source).map_err(|_| refused("the source holds a NUL".to_owned()))?;
    let program = Program(result::create_program(&source, None).map_err(|error| refused(format!("{error:?}")))?);
    let options = [format!("--gpu-architecture=sm_{architecture}"), "--std=c++17".to_owned()];
    // SAFETY: the program is alive; the options hold no NUL.
    if let Err(error) = unsafe { result::compile_program(program.0, &options) } {
        // SAFETY: the program is alive.
        let log = unsafe { result::get_program_log(program.0) }.unwrap_or_default();
        let log: Vec<u8> = log.into_iter().map(|byte| byte as u8).filter(|byte| *byte != 0).collect();
        return Err(refused(format!("{error:?}: {}", String::from_utf8_lossy(&log))));
    }
    let mut size = 0;
    // SAFETY: the program is compiled; the pointer is to a live integer.
    unsafe { sys::nvrtcGetCUBINSize(program.0, &raw mut size) }
        .result()
        .map_err(|error| refused(format!("{error:?}")))?;
    let mut code = vec![0u8; size];
    // SAFETY: the buffer has the size that the compiler asked for.
    unsafe { sys::nvrtcGetCUBIN(program.0, code.as_mut_ptr().cast()) }
        .result()
        .map_err(|error| refused(format!("{error:?}")))?;
    Ok(code)
}
