//! The allocator of the binary, and what it keeps.
//!
//! Records are made on one thread and let go of on others, by the hundred thousand a second: with the system's allocator that
//! was two fifths of the engine's time (`perf record` of a keep-alive load).
#![expect(unsafe_code, reason = "the allocator's own functions, in C")]

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys as mi;

/// mimalloc. What needs no more than a word's alignment, which is nearly everything, is asked for without one: that saves a
/// third of an allocation's instructions (`valgrind --tool=callgrind`).
#[derive(Debug)]
pub struct Allocator;

/// `mi_malloc` gives at least this, for any size (mimalloc's manual).
const WORD: usize = align_of::<u64>();

// SAFETY: memory comes from mimalloc and goes back to it; it is as large and as aligned as asked for, or null.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size may be asked for; the alignment is a power of two.
        unsafe {
            if layout.align() <= WORD {
                mi::mi_malloc(layout.size()).cast()
            } else {
                mi::mi_malloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if layout.align() <= WORD {
                mi::mi_zalloc(layout.size()).cast()
            } else {
                mi::mi_zalloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller gives back what it got here.
        unsafe { mi::mi_free(memory.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if layout.align() <= WORD {
                mi::mi_realloc(memory.cast(), size).cast()
            } else {
                mi::mi_realloc_aligned(memory.cast(), size, layout.align()).cast()
            }
        }
    }
}

/// Gives back what was freed while starting: the kernel's type information alone takes some 40 MiB while it is read, and the
/// allocator would keep that for a thread which never allocates so much again.
#[cfg(feature = "live")]
pub(crate) fn give_back() {
    // SAFETY: takes no memory of ours, and may be called at any time by any thread (mimalloc's manual, `mi_collect`).
    unsafe { mi::mi_collect(true) }
}
