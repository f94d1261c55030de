//! What the C library's heap holds, to see what a session takes.

/// Bytes that this process has allocated in the C library, where ONNX Runtime allocates; `None` where that cannot be asked.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn in_use() -> Option<u64> {
    // SAFETY: the call takes nothing and returns a plain structure.
    let heap = unsafe { libc::mallinfo2() };
    Some(heap.uordblks as u64 + heap.hblkhd as u64)
}

/// Gives free pages back to the system: a freed model's small tensors lie in the heap's middle, where it keeps them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn trim() {
    // SAFETY: the call changes nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn in_use() -> Option<u64> {
    None
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn trim() {}
