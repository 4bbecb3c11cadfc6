//! HTTP/2 by its frames (RFC 9113 section 4.1): headers of frames and what is no body are copied, bodies are stepped over
//! by their length.
//!
//! A direction's place in its frames is kept in [`Half`] from segment to segment. Where it is not known (bytes are
//! missing, the connection is older than the monitor) bytes are copied within the duplex budget, so that the engine, which
//! puts them in order, may know more than this hook, until a segment begins with what looks like a frame.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use monitor_common::{
    CHUNK_AFTER_SKIP, CHUNK_FRAME_START, CHUNK_TRUNCATED, CHUNK_TURN_START, CLASS_HTTP2, CLASS_OPAQUE, ChunkRecord,
    Half, Header, KIND_CHUNK, LEFT_OUT_BUDGET, LEFT_OUT_DUPLEX, RECEIVED, SENT, SocketState, loss,
};

use crate::capture::over_budget;
use crate::chunk;
use crate::frame_kinds::{CONTINUATION, DATA, HEADER, HEADERS, PUSH_PROMISE, looks_like_frame};
use crate::maps::{count, volatile};
use crate::packet::load;

/// Runs of copied bytes in one segment (or GSO packet, of 64 KiB) at most. Servers send bodies in frames of 4 to 16 KiB.
const RUNS: u32 = 40;
/// Of which so many for what comes after as many frames as are followed.
const LAST_RUNS: u32 = 4;
/// Frames in one run at most; then another begins.
const FRAMES: u32 = 6;
/// Bytes of one run at most; then another begins. The largest class of [`chunk::write_run`].
const RUN: u32 = 8192;
/// The client's preface, bytes (RFC 9113 section 3.4).
const PREFACE: u32 = 24;
/// Bodies in frames no longer than this are copied, bytes: right after headers or at the end of a stream always, as the first
/// of a turn of HTTP/1.x, else within the duplex budget. Logins are told by theirs, and one run with the frames beside it costs less than two
/// without it.
const SMALL_BODY: u32 = 2048;
/// Bytes copied of a payload that is stepped over: the length of DATA's padding, the last stream of GOAWAY.
const FIRST_OF_PAYLOAD: u32 = 4;
/// Longest payload of a frame of headers that is copied while the duplex budget is used up, bytes. Servers refuse longer
/// headers (8 KiB, nginx and Apache).
const BLOCK: u32 = 8 * 1024;
/// Likewise while it is not: as much as the engine reads of a header.
const MAX_BLOCK: u32 = 64 * 1024;
/// Longest payload of other frames (PING, SETTINGS, ...) that is copied, bytes: 42 settings.
const SMALL: u32 = 256;
/// Most that a direction owes to the duplex budget, bytes.
const MAX_DEBT: i32 = 1 << 20;

/// Flag of DATA: the last frame of its stream in this direction.
const END_STREAM: u8 = 1;

/// Kinds whose frames carry header fields, as bits.
const BLOCKS: u32 = 1 << HEADERS | 1 << PUSH_PROMISE | 1 << CONTINUATION;

/// Longest payload that is copied whole: by kind (its low four bits; those above are not defined), and whether the duplex
/// budget has tokens (16). A table, since each branch is many ways for the verifier.
#[unsafe(no_mangle)]
static MOST: [u32; 32] = {
    let mut most = [SMALL; 32];
    most[DATA as usize] = FIRST_OF_PAYLOAD;
    most[DATA as usize | 16] = SMALL_BODY;
    let mut kind = 0;
    while kind < 16 {
        if BLOCKS >> kind & 1 != 0 {
            most[kind] = BLOCK;
            most[kind | 16] = MAX_BLOCK;
        }
        kind += 1;
    }
    most
};

/// New bytes of one segment, and what a chunk of them says.
#[repr(C)]
pub(crate) struct Segment {
    /// Where they are in the packet.
    pub(crate) payload: u32,
    /// How many.
    pub(crate) length: u32,
    /// Sequence number of the first.
    pub(crate) seq: u32,
    /// Bytes that are missing before them.
    pub(crate) missing: u32,
    /// When the segment passed.
    pub(crate) now: u64,
    /// `CHUNK_` bits of the first chunk.
    pub(crate) flags: u8,
}

/// From now on the connection is copied by its frames; where they begin, the next segments tell.
#[inline(always)]
pub(crate) fn begin(state: &mut SocketState) {
    // All of it or nothing: of a connection that was read in part later headers are not understood.
    if over_budget(state.cookie) {
        state.class = CLASS_OPAQUE;
        state.half[RECEIVED as usize].left_out |= LEFT_OUT_BUDGET;
        count(loss::OVER_BUDGET);
        return;
    }
    state.class = CLASS_HTTP2;
    state.half[RECEIVED as usize].lost = 1;
    state.half[SENT as usize].lost = 1;
}

/// Copies what is wanted of a segment.
#[inline(always)]
pub(crate) fn segment<const DIRECTION: u8>(skb: *mut __sk_buff, segment: &Segment, state: &mut SocketState) {
    if DIRECTION == RECEIVED {
        monitor_frames_received(skb, segment, state);
    } else {
        monitor_frames_sent(skb, segment, state);
    }
}

/// [`walk`], of what the socket receives. A function of its own for the verifier (global, by BTF): it is gone through once
/// and for any arguments of these types, not once for each way that leads here.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn monitor_frames_received(
    skb: *mut __sk_buff,
    segment: *const Segment,
    state: *mut SocketState,
) -> u32 {
    // SAFETY: the verifier asks for both to be valid or null.
    if let (Some(segment), Some(state)) = unsafe { (segment.as_ref(), state.as_mut()) } {
        walk::<RECEIVED>(skb, segment, state);
    }
    0
}

/// Likewise, of what it sends.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn monitor_frames_sent(
    skb: *mut __sk_buff,
    segment: *const Segment,
    state: *mut SocketState,
) -> u32 {
    // SAFETY: as above.
    if let (Some(segment), Some(state)) = unsafe { (segment.as_ref(), state.as_mut()) } {
        walk::<SENT>(skb, segment, state);
    }
    0
}

#[inline(always)]
fn walk<const DIRECTION: u8>(skb: *mut __sk_buff, segment: &Segment, state: &mut SocketState) {
    let peer = &state.half[1 - DIRECTION as usize];
    let mut chunk = ChunkRecord {
        header: Header {
            kind: KIND_CHUNK,
            time_ns: segment.now,
            cookie: state.cookie,
            generation: state.generation,
            ..Header::default()
        },
        turn: state.half[DIRECTION as usize].turn,
        direction: DIRECTION,
        peer_end_seq: peer.max_end_seq,
        peer_last_ns: peer.last_ns,
        ..ChunkRecord::default()
    };
    let half = &mut state.half[DIRECTION as usize];
    let length = segment.length;
    half.cut = 0;
    if segment.missing > 0 {
        pass_hole(half, segment.missing);
    }
    if half.lost != 0 {
        find_frame(skb, segment.payload, length, half);
    }
    if half.lost != 0 {
        lose(half, length);
    }
    let mut flags = segment.flags;
    half.walked = 0;
    for run in 0..RUNS {
        if run == RUNS - LAST_RUNS {
            let rest = length - fresh(&half.walked);
            if rest > fresh(&half.frame_left) {
                // More frames than are followed: the rest of them is for the engine.
                count(loss::TRUNCATED_FRAMES);
                lose(half, rest);
            }
        }
        if fresh(&half.frame_copy) == 0 {
            let skipped = at_most(fresh(&half.frame_left), length - fresh(&half.walked));
            half.frame_left -= skipped;
            half.walked += skipped;
            if skipped > 0 {
                flags = flags & !CHUNK_TURN_START | CHUNK_AFTER_SKIP;
            }
        }
        let start = fresh(&half.walked);
        if start >= length {
            break;
        }
        // One test, since each is two ways.
        if fresh(&half.frame_left) | u32::from(fresh(&half.head_have) | fresh(&half.lost)) == 0 {
            flags |= CHUNK_FRAME_START;
        }
        let end = at_most(length, start + RUN);
        for _ in 0..FRAMES {
            let copied = at_most(fresh(&half.frame_copy), end - fresh(&half.walked));
            half.frame_copy -= copied;
            half.frame_left -= copied;
            half.walked += copied;
            let walked = fresh(&half.walked);
            if fresh(&half.frame_left) != 0 || walked >= end {
                break;
            }
            let taken = monitor_frame_header(skb, segment.payload + walked, end - walked, half);
            half.walked += taken;
        }
        let walked = fresh(&half.walked);
        let captured = walked - start;
        if captured == 0 {
            // The packet could not be read.
            break;
        }
        let skipped = if fresh(&half.frame_copy) == 0 {
            at_most(fresh(&half.frame_left), length - walked)
        } else {
            0
        };
        let seq = segment.seq.wrapping_add(start);
        chunk.header.length = size_of::<ChunkRecord>() as u32 + captured;
        chunk.seq = seq;
        chunk.segment_len = captured + skipped;
        chunk.captured = captured as u16;
        chunk.flags = flags | if skipped > 0 { CHUNK_TRUNCATED } else { 0 };
        monitor_frames_run(skb, segment.payload + start, &raw const chunk);
        half.cap_end_seq = seq.wrapping_add(captured);
        flags = 0;
    }
    if fresh(&half.walked) < length {
        half.lost = 1;
        half.cut = 1;
    }
    if half.cut != 0 {
        half.left_out |= LEFT_OUT_DUPLEX;
        count(loss::TRUNCATED_DUPLEX);
    }
    // Owes no more than it can pay back.
    if half.tokens < -MAX_DEBT {
        half.tokens = -MAX_DEBT;
    }
    if half.lost != 0 {
        half.frame_left = 0;
        half.frame_copy = 0;
        half.head_have = 0;
    }
}

/// It is not known where the next frame begins: so many bytes are like the payload of a frame that does not end, of which
/// as much is copied as the duplex budget has.
#[inline(always)]
fn lose(half: &mut Half, length: u32) {
    half.lost = 1;
    half.head_have = 0;
    half.frame_left = length + 1;
    half.frame_copy = 0;
    if half.tokens > 0 {
        half.frame_copy = at_most(length, half.tokens as u32);
    }
    half.tokens = half.tokens.wrapping_sub(fresh(&half.frame_copy) as i32);
    if fresh(&half.frame_copy) < length {
        half.cut = 1;
    }
}

/// Some bytes have not come, or come later.
#[inline(always)]
fn pass_hole(half: &mut Half, missing: u32) {
    if half.lost == 0 && half.head_have == 0 && missing <= half.frame_left {
        half.frame_left -= missing;
        half.frame_copy = half.frame_copy.saturating_sub(missing);
    } else {
        half.lost = 1;
        half.frame_left = 0;
        half.frame_copy = 0;
        half.head_have = 0;
    }
}

/// Writes a run of frames, likewise.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn monitor_frames_run(skb: *mut __sk_buff, offset: u32, chunk: *const ChunkRecord) -> u32 {
    // SAFETY: as above.
    if let Some(chunk) = unsafe { chunk.as_ref() } {
        chunk::write_run(skb, offset, chunk);
    }
    0
}

/// [`header`], likewise.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn monitor_frame_header(
    skb: *mut __sk_buff,
    offset: u32,
    available: u32,
    half: *mut Half,
) -> u32 {
    // SAFETY: as above.
    match unsafe { half.as_mut() } {
        Some(half) => header(skb, offset, available, half),
        None => 0,
    }
}

/// Reads as much of a frame's header as there is, and gives how much that is; of a whole one decides what is copied of the
/// payload.
#[inline(always)]
fn header(skb: *mut __sk_buff, offset: u32, available: u32, half: &mut Half) -> u32 {
    // Sixteen bytes at the sixteenth, as far as the verifier knows.
    let mut head = MaybeUninit::<[u8; 32]>::uninit();
    let head = head.as_mut_ptr().cast::<u8>();
    let have = u32::from(fresh(&half.head_have)) & 15;
    let taken = at_most(HEADER - have, available);
    half.head_have = taken as u8;
    let bounded = (u32::from(fresh(&half.head_have)).wrapping_sub(1) & 15) + 1;
    let [a, b, c, d] = half.head;
    // SAFETY: within `head`, by the masks; its first eight bytes are written before they are read.
    let first = unsafe {
        head.cast::<[u8; 8]>().write([a, b, c, d, 0, 0, 0, 0]);
        if bpf_skb_load_bytes(skb.cast(), offset, head.add(have as usize).cast(), bounded) != 0 {
            return 0;
        }
        head.cast::<[u8; 8]>().read()
    };
    let [a, b, c, kind, flags, ..] = first;
    if have + taken < HEADER {
        half.head = [a, b, c, kind];
        half.head_have = (have + taken) as u8;
        return taken;
    }
    half.head_have = 0;
    let length = u32::from_be_bytes([0, a, b, c]);
    let by_kind = kind & 15;
    // 1 where it is so.
    let is_body = u32::from(by_kind).wrapping_sub(1) >> 31;
    let has_tokens = half.tokens.wrapping_neg() as u32 >> 31;
    let pays = u32::from(fresh(&half.pays)) & 1;
    // Flags of a header in two segments are not kept: it pays.
    let is_free = pays ^ 1 | u32::from(flags & END_STREAM);
    let row = core::hint::black_box(u32::from(by_kind) | (has_tokens | is_free & is_body) << 4);
    // Past the optimizer, which knows the bound: of an OR the verifier of 6.1 knows nothing.
    let most = volatile(&MOST[row as usize & 31]);
    half.frame_left = length;
    half.frame_copy = length;
    if length > most {
        half.frame_copy = FIRST_OF_PAYLOAD;
        half.cut |= (BLOCKS >> by_kind) as u8 & 1;
    }
    let copied = fresh(&half.frame_copy);
    let is_long = BLOCK.wrapping_sub(copied) >> 31;
    half.tokens = half
        .tokens
        .wrapping_sub((copied * ((is_free ^ 1) & is_body | is_long)) as i32);
    half.pays = !(BLOCKS >> by_kind) as u8 & 1;
    taken
}

/// Looks whether a segment begins with a frame, or with the preface, which is taken for one of its own.
#[inline(always)]
fn find_frame(skb: *mut __sk_buff, payload: u32, length: u32, half: &mut Half) {
    let mut head = [0u8; HEADER as usize];
    // SAFETY: plain bytes.
    if length < HEADER || unsafe { load(skb, payload, &mut head) } != 0 {
        return;
    }
    if head[..4] == *b"PRI " && length >= PREFACE {
        half.lost = 0;
        half.frame_left = PREFACE;
        half.frame_copy = PREFACE;
        return;
    }
    if !looks_like_frame(&head) {
        return;
    }
    let next = HEADER + u32::from_be_bytes([0, head[0], head[1], head[2]]);
    if next + HEADER <= length {
        // SAFETY: plain bytes.
        if unsafe { load(skb, payload + next, &mut head) } != 0 || !looks_like_frame(&head) {
            return;
        }
    }
    half.lost = 0;
}

/// Reads a field anew. What the compiler would keep in a register the verifier would follow, and with it every way through
/// the loops; of what comes from memory it knows nothing, and finds that it has been here before.
#[inline(always)]
fn fresh<T: Copy>(field: &T) -> T {
    // SAFETY: a reference is valid to read.
    unsafe { core::ptr::read_volatile(field) }
}

#[inline(always)]
fn at_most(value: u32, bound: u32) -> u32 {
    if value < bound { value } else { bound }
}
