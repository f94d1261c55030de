//! One memory arena for all sessions.

use std::ptr;

use ort::AsPointer;
use ort::environment::Environment;
use ort::sys::{OrtAllocatorType, OrtMemType};

use super::check;

/// Registers an arena that sessions with `use_env_allocators` share. It grows by what is asked for, not by doubling.
pub(crate) fn share_arena(environment: &Environment) -> ort::Result<()> {
    const GROW_AS_REQUESTED: i32 = 1;
    const DEFAULT: i32 = -1;
    let mut memory = ptr::null_mut();
    let mut arena = ptr::null_mut();
    let api = ort::api();
    // SAFETY: out pointers are valid, the environment is live, and both objects are released after their last use (the
    // environment keeps copies).
    unsafe {
        check((api.CreateCpuMemoryInfo)(
            OrtAllocatorType::OrtArenaAllocator,
            OrtMemType::OrtMemTypeDefault,
            &raw mut memory,
        ))?;
        let registered = check((api.CreateArenaCfg)(0, GROW_AS_REQUESTED, DEFAULT, DEFAULT, &raw mut arena))
            .and_then(|()| check((api.CreateAndRegisterAllocator)(environment.ptr().cast_mut(), memory, arena)));
        if !arena.is_null() {
            (api.ReleaseArenaCfg)(arena);
        }
        (api.ReleaseMemoryInfo)(memory);
        registered
    }
}
