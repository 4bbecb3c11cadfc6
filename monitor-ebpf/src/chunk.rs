//! Chunks of payload into the ring: a reservation of the smallest class that fits, the bytes copied straight into it.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_ringbuf_discard, bpf_ringbuf_reserve, bpf_ringbuf_submit, bpf_skb_load_bytes};
use monitor_common::{ChunkRecord, KIND_ORPHAN, OrphanRecord, Tuple, loss};

use crate::maps::{PAYLOAD, count};
use crate::owner::NO_WAKEUP;

/// Most bytes of one segment that are copied: the largest class.
pub(crate) const MAX_CAPTURE: u32 = 32 * 1024;

/// Writes `length` (1 to [`MAX_CAPTURE`]) bytes of the packet at `offset`. `fill` fills the record before the
/// bytes, their number included.
/// Returns whether it was written, and its first four bytes.
#[inline(always)]
pub(crate) fn write(skb: *mut __sk_buff, offset: u32, length: u32, fill: impl Fn(&mut ChunkRecord)) -> Option<[u8; 4]> {
    match length {
        0..=128 => class::<128>(skb, offset, fill),
        129..=256 => class::<256>(skb, offset, fill),
        257..=512 => class::<512>(skb, offset, fill),
        513..=1024 => class::<1024>(skb, offset, fill),
        1025..=2048 => class::<2048>(skb, offset, fill),
        2049..=4096 => class::<4096>(skb, offset, fill),
        4097..=8192 => class::<8192>(skb, offset, fill),
        8193..=16384 => class::<16384>(skb, offset, fill),
        _ => class::<32768>(skb, offset, fill),
    }
}

/// Likewise for a run of frames, of 1 to 8192 bytes.
#[inline(always)]
pub(crate) fn write_run(skb: *mut __sk_buff, offset: u32, chunk: &ChunkRecord) {
    let fill = |record: &mut ChunkRecord| *record = *chunk;
    match chunk.captured {
        0..=128 => class::<128>(skb, offset, fill),
        129..=256 => class::<256>(skb, offset, fill),
        257..=512 => class::<512>(skb, offset, fill),
        513..=1024 => class::<1024>(skb, offset, fill),
        1025..=2048 => class::<2048>(skb, offset, fill),
        2049..=4096 => class::<4096>(skb, offset, fill),
        _ => class::<8192>(skb, offset, fill),
    };
}

#[inline(always)]
fn class<const BYTES: u32>(skb: *mut __sk_buff, offset: u32, fill: impl Fn(&mut ChunkRecord)) -> Option<[u8; 4]> {
    const HEAD: usize = size_of::<ChunkRecord>();
    // SAFETY: the size is a constant; the pointer is checked, filled and submitted or discarded.
    unsafe {
        let record = bpf_ringbuf_reserve(
            core::ptr::from_ref(&PAYLOAD).cast_mut().cast(),
            (HEAD + BYTES as usize) as u64,
            0,
        )
        .cast::<u8>();
        if record.is_null() {
            count(loss::PAYLOAD_RING_FULL);
            return None;
        }
        fill(&mut *record.cast::<ChunkRecord>());
        // Between 1 and BYTES (a power of two), whatever the optimizer knows: kernels up to 6.1 want to see it. Read back
        // from the ring, of which the verifier knows nothing: else it would follow the length to where it comes from, and
        // with it every way through the loop over frames.
        let length = u32::from(core::ptr::read_volatile(
            &raw const (*record.cast::<ChunkRecord>()).captured,
        ));
        let bounded = (length.wrapping_sub(1) & (BYTES - 1)) + 1;
        if bpf_skb_load_bytes(skb.cast(), offset, record.add(HEAD).cast(), bounded) != 0 {
            count(loss::COPY_FAILED);
            bpf_ringbuf_discard(record.cast(), NO_WAKEUP);
            return None;
        }
        let first = core::ptr::read_unaligned(record.add(HEAD).cast::<[u8; 4]>());
        bpf_ringbuf_submit(record.cast(), NO_WAKEUP);
        Some(first)
    }
}

/// What [`write_orphan`] takes of the ring for `length` bytes.
#[inline(always)]
pub(crate) fn orphan_cost(length: u32) -> u32 {
    let class = match length {
        0..=512 => 512,
        513..=2048 => 2048,
        _ => 8192,
    };
    class + size_of::<OrphanRecord>() as u32
}

/// Writes up to 8 KiB of payload that came before its socket existed.
#[inline(never)]
pub(crate) fn write_orphan(skb: *mut __sk_buff, offset: u32, length: u32, chunk: &ChunkRecord, tuple: &Tuple) {
    match length {
        0..=512 => orphan::<512>(skb, offset, length, chunk, tuple),
        513..=2048 => orphan::<2048>(skb, offset, length, chunk, tuple),
        _ => orphan::<8192>(skb, offset, length, chunk, tuple),
    }
}

#[inline(always)]
fn orphan<const BYTES: u32>(skb: *mut __sk_buff, offset: u32, length: u32, chunk: &ChunkRecord, tuple: &Tuple) {
    const HEAD: usize = size_of::<OrphanRecord>();
    // SAFETY: as in `class`.
    unsafe {
        let record = bpf_ringbuf_reserve(
            core::ptr::from_ref(&PAYLOAD).cast_mut().cast(),
            (HEAD + BYTES as usize) as u64,
            0,
        )
        .cast::<u8>();
        if record.is_null() {
            count(loss::PAYLOAD_RING_FULL);
            return;
        }
        let bounded = ((core::hint::black_box(length).wrapping_sub(1)) & (BYTES - 1)) + 1;
        let out = &mut *record.cast::<OrphanRecord>();
        out.chunk = *chunk;
        out.chunk.header.kind = KIND_ORPHAN;
        out.chunk.captured = bounded as u16;
        out.chunk.header.length = HEAD as u32 + bounded;
        out.tuple = *tuple;
        if bpf_skb_load_bytes(skb.cast(), offset, record.add(HEAD).cast(), bounded) != 0 {
            count(loss::COPY_FAILED);
            bpf_ringbuf_discard(record.cast(), NO_WAKEUP);
            return;
        }
        bpf_ringbuf_submit(record.cast(), NO_WAKEUP);
    }
}
