//! Kernel programs of the monitor.
//!
//! They count exactly, copy little and decide nothing: no protocol is parsed here beyond telling "could be HTTP, TLS or
//! DNS" from the first bytes, and stepping from frame to frame of HTTP/2. Each file in `probes/` is one family of hooks and says what it relies on, what it costs
//! and what it writes. Layouts are in `monitor-common`.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    clippy::inline_always,
    reason = "a call costs stack, of which there are 512 bytes, and verifier work"
)]
#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "sequence numbers are compared modulo 2^32, and the kernel's own types are mixed"
)]
#![expect(clippy::cast_ptr_alignment, reason = "ring reservations are aligned to eight bytes")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the attribute macros hand contexts over by value"
)]
#![expect(internal_features, reason = "atomic add: the target has no atomic types")]

mod capture;
mod chunk;
mod classify;
mod flow;
mod frame_kinds;
mod frames;
mod kernel;
mod maps;
mod owner;
mod packet;
mod probes;
mod scope;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: the verifier refuses any program in which this can be reached.
    unsafe { core::hint::unreachable_unchecked() }
}

/// The kernel lends its GPL-only helpers to programs that declare a compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
