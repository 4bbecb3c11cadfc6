//! Memory back to the kernel after loading.
#![expect(unsafe_code, reason = "`malloc_trim` has no safe wrapper")]

/// Loading reads the types of the whole kernel, tens of megabytes that are needed once; the allocator would keep them.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers, and may be called at any time (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}
