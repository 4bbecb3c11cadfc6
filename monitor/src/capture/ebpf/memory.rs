//! Memory that starting took and nothing needs any more.
#![expect(unsafe_code, reason = "the allocator's own function, in C")]

/// Gives back what was freed: the kernel's type information alone takes some 40 MiB while it is read, and the allocator would
/// keep that for a thread which never allocates so much again.
pub(super) fn give_back() {
    // SAFETY: takes no memory of ours, and may be called at any time by any thread (mimalloc's manual, `mi_collect`).
    unsafe { libmimalloc_sys::mi_collect(true) }
}
