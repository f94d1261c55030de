//! One memory arena for all sessions.

use std::ptr;

use ort::AsPointer;
use ort::environment::Environment;
use ort::sys::{OrtAllocatorType, OrtMemType};

use super::check;

/// Registers an arena that sessions with `use_env_allocators` share, of `most` bytes at most. It grows by what is asked for,
/// not by doubling. A run that needs more fails, and no other one.
pub(crate) fn share_arena(environment: &Environment, most: Option<u64>) -> ort::Result<()> {
    const GROW_AS_REQUESTED: i32 = 1;
    const DEFAULT: i32 = -1;
    // 0 leaves it to the library, which sets no limit.
    let most = most.map_or(0, |most| usize::try_from(most).unwrap_or(usize::MAX));
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
        let registered = check((api.CreateArenaCfg)(most, GROW_AS_REQUESTED, DEFAULT, DEFAULT, &raw mut arena))
            .and_then(|()| check((api.CreateAndRegisterAllocator)(environment.ptr().cast_mut(), memory, arena)));
        if !arena.is_null() {
            (api.ReleaseArenaCfg)(arena);
        }
        (api.ReleaseMemoryInfo)(memory);
        registered
    }
}
