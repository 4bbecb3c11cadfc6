//! Turn-based capture of TCP payload: of each turn the first bytes are copied, the rest is counted.
//!
//! A turn starts when payload changes direction. State is per direction and written by that direction's hook alone; a
//! direction sees that the turn has changed when the other one has moved since it moved last itself.

use aya_ebpf::bindings::__sk_buff;
use monitor_common::{
    CAUSE_PROGRESS, CHUNK_AFTER_HOLE, CHUNK_AFTER_SKIP, CHUNK_LATE, CHUNK_TRUNCATED, CHUNK_TURN_START, CLASS_DNS,
    CLASS_HTTP, CLASS_HTTP2, CLASS_IGNORED, CLASS_NEW, CLASS_OPAQUE, CLASS_TLS, FLOW_JOINED_LATE, FlowKey, Half,
    Header, KIND_CHUNK, LEFT_OUT_BUDGET, LEFT_OUT_DUPLEX, RECEIVED, ROLE_ACTIVE, ROLE_PASSIVE, SENT, SocketState, Tail,
    loss,
};

use crate::chunk::{self, MAX_CAPTURE};
use crate::classify::{first_bytes, is_dns, message_start};
use crate::kernel::read;
use crate::maps::{CURRENT_REQUESTS, LEFT_OUT, POLICIES, POLICY_EPOCH, SERVICE_SNAP, TAILS, count, knob, offset};
use crate::packet::{Packet, load};
use crate::{flow, frame_kinds, frames};

/// Turns of a connection older than the monitor that may look like nothing before it counts as opaque.
const MAX_MISSES: u16 = 8;
/// The duplex budget's burst is this part of a second's.
const BURST_PART: u32 = 8;
/// What a chunk costs in the ring beside its bytes: ring header, record, and half a size class on average.
const CHUNK_COST: u32 = 136;
/// Turns of TLS that are copied each way: the hellos.
const TLS_TURNS: u32 = 1;

/// Takes one TCP segment (or GSO packet) with payload. `tcp` is the kernel's `tcp_sock`.
#[inline(always)]
pub(crate) fn segment<const DIRECTION: u8>(
    skb: *mut __sk_buff,
    packet: &Packet,
    state: &mut SocketState,
    now: u64,
    tcp: impl Fn() -> usize,
) {
    if state.half[DIRECTION as usize].started == 0 {
        starts::<DIRECTION>(packet, state, &tcp);
    }
    let peer_end = state.half[1 - DIRECTION as usize].max_end_seq;
    let peer_last = state.half[1 - DIRECTION as usize].last_ns;
    let half = &mut state.half[DIRECTION as usize];
    let end = packet.seq.wrapping_add(packet.payload_len);
    let ahead = packet.seq.wrapping_sub(half.max_end_seq) as i32;
    if ahead < 0 && half.hole_start != half.hole_end {
        late(skb, packet, state, DIRECTION, now);
    }
    let half = &mut state.half[DIRECTION as usize];
    if (end.wrapping_sub(half.max_end_seq) as i32) <= 0 {
        return;
    }
    let repeated = if ahead < 0 { ahead.unsigned_abs() } else { 0 };
    let mut flags = 0;
    if ahead > 0 {
        // What TCP would throw away must not move the counters: this hook sees it first.
        if DIRECTION == RECEIVED && beyond_window(end, &tcp) {
            return;
        }
        if half.hole_start == half.hole_end {
            half.hole_start = half.max_end_seq;
        }
        half.hole_end = packet.seq;
        flags |= CHUNK_AFTER_HOLE;
    }
    let seq = packet.seq.wrapping_add(repeated);
    let length = packet.payload_len.wrapping_sub(repeated);
    half.bytes += u64::from(length);
    half.max_end_seq = end;
    half.last_ns = now;
    if half.cap_end_seq != seq && ahead <= 0 {
        flags |= CHUNK_AFTER_SKIP;
    }
    if half.turn == 0 || half.seen_peer_end != peer_end {
        half.turn += 1;
        half.seen_peer_end = peer_end;
        flags |= CHUNK_TURN_START;
        turn_starts::<DIRECTION>(skb, packet.payload + repeated, state, now, ahead > 0);
    }
    let class = state.class;
    let (cookie, generation) = (state.cookie, state.generation);
    let mut upgraded = false;
    let left_out = if class == CLASS_HTTP2 {
        let half = &mut state.half[DIRECTION as usize];
        if half.tokens <= 0 {
            refill(half, now);
        }
        let segment = frames::Segment {
            payload: packet.payload + repeated,
            length,
            seq,
            missing: if ahead > 0 { ahead.unsigned_abs() } else { 0 },
            now,
            flags,
        };
        frames::segment::<DIRECTION>(skb, &segment, state);
        state.half[DIRECTION as usize].cap_end_seq != end
    } else if class < CLASS_OPAQUE {
        let half = &mut state.half[DIRECTION as usize];
        let wanted = if length < half.budget { length } else { half.budget };
        let wanted = if wanted < MAX_CAPTURE { wanted } else { MAX_CAPTURE };
        if wanted > 0 {
            let turn = half.turn;
            let cut = if wanted < length { CHUNK_TRUNCATED } else { 0 };
            let written = chunk::write(skb, packet.payload + repeated, wanted, |record| {
                *record = monitor_common::ChunkRecord {
                    header: Header {
                        kind: KIND_CHUNK,
                        length: size_of::<monitor_common::ChunkRecord>() as u32 + wanted,
                        time_ns: now,
                        cookie,
                        generation,
                        ..Header::default()
                    },
                    seq,
                    segment_len: length,
                    turn,
                    captured: wanted as u16,
                    direction: DIRECTION,
                    flags: flags | cut,
                    peer_end_seq: peer_end,
                    reserved: 0,
                    peer_last_ns: peer_last,
                };
            });
            half.budget -= wanted;
            if let Some(first) = written {
                half.cap_end_seq = seq.wrapping_add(wanted);
                if flags & CHUNK_TURN_START != 0 {
                    half.pays = u8::from(wanted < 4 || !message_start(first));
                    // After an upgrade.
                    upgraded = first == *b"PRI " && class == CLASS_HTTP;
                }
                // Only what does not look like a message pays: a busy keep-alive connection is never cut.
                if half.pays != 0 {
                    half.tokens = half.tokens.saturating_sub((wanted + CHUNK_COST) as i32);
                }
            }
            if cut != 0 {
                count(loss::TRUNCATED_TURN);
            }
        }
        wanted < length
    } else {
        false
    };
    // Of what is not read nobody waits for the end.
    if left_out && state.passed_over == 0 && state.half[DIRECTION as usize].tail != 2 {
        let half = &mut state.half[DIRECTION as usize];
        note_tail(half, cookie, generation, DIRECTION);
    }
    if upgraded {
        frames::begin(state);
    }
    let moved = state.half[0].bytes + state.half[1].bytes - state.half[0].reported_bytes - state.half[1].reported_bytes;
    if moved >= u64::from(knob!(progress_bytes)) && now.wrapping_sub(state.reported_ns) >= knob!(progress_ns) {
        let sk = tcp();
        if sk != 0 {
            flow::write_tcp(state, sk, CAUSE_PROGRESS);
        }
    }
}

/// The first payload of a direction: where it starts.
#[inline(always)]
fn starts<const DIRECTION: u8>(packet: &Packet, state: &mut SocketState, tcp: &impl Fn() -> usize) {
    let half = &mut state.half[DIRECTION as usize];
    half.started = 1;
    half.max_end_seq = packet.seq;
    half.tokens = (knob!(duplex_bytes_per_s) / BURST_PART) as i32;
    if DIRECTION == RECEIVED {
        let sk = tcp();
        if sk != 0 {
            // Not the first segment to come, which may be a later one, but what TCP waits for.
            half.max_end_seq = read(sk, offset!(tp_rcv_nxt));
            let received: u64 = read(sk, offset!(tp_bytes_received));
            if received > 0 && state.flags & FLOW_JOINED_LATE == 0 {
                // The first turn came with the handshake, before there was a socket.
                half.turn = 1;
            }
        }
    }
    half.cap_end_seq = half.max_end_seq;
}

/// Whether TCP will throw the segment away since it ends beyond the window that was offered.
#[inline(always)]
fn beyond_window(end: u32, tcp: &impl Fn() -> usize) -> bool {
    let sk = tcp();
    if sk == 0 {
        return false;
    }
    let next: u32 = read(sk, offset!(tp_rcv_nxt));
    let window: u32 = read(sk, offset!(tp_rcv_wnd));
    (end.wrapping_sub(next.wrapping_add(window)) as i32) > 0
}

/// The first payload after the other direction's: class, policy and budget of the turn.
#[inline(always)]
fn turn_starts<const DIRECTION: u8>(
    skb: *mut __sk_buff,
    payload: u32,
    state: &mut SocketState,
    now: u64,
    after_hole: bool,
) {
    if DIRECTION == SENT && state.reader_tid != 0 {
        answered(state);
    }
    if state.half[DIRECTION as usize].tail == 1 {
        let _ = TAILS.remove(tail_key(state.cookie, state.generation, DIRECTION));
    }
    state.half[DIRECTION as usize].tail = 0;
    // The middle of a message tells nothing; its beginning is on the way.
    if state.class == CLASS_NEW && !after_hole {
        classify::<DIRECTION>(skb, payload, state);
    }
    apply_policy(state);
    let class = state.class;
    let role = state.tuple.role;
    let port = state.tuple.local_port;
    if is_request::<DIRECTION>(role) {
        let passed_over = u8::from(class <= CLASS_HTTP && over_budget(state.cookie));
        // Not written unless it changes: both directions' CPUs hold this line.
        if passed_over != state.passed_over {
            state.passed_over = passed_over;
        }
    }
    if state.passed_over != 0 {
        let half = &mut state.half[DIRECTION as usize];
        half.budget = 0;
        half.left_out |= LEFT_OUT_BUDGET;
        return count(loss::OVER_BUDGET);
    }
    let half = &mut state.half[DIRECTION as usize];
    half.budget = match class {
        CLASS_NEW | CLASS_HTTP => snap::<DIRECTION>(role, port),
        // What was too long for a datagram: the answers are what matters.
        CLASS_DNS => knob!(request_snap),
        CLASS_TLS if half.turn <= TLS_TURNS => snap::<DIRECTION>(role, port),
        _ => 0,
    };
    if half.tokens <= 0 && class < CLASS_TLS {
        refill(half, now);
        if half.tokens <= 0 {
            let mut first = [0u8; 4];
            // SAFETY: plain bytes.
            let failed = unsafe { load(skb, payload, &mut first) };
            if failed != 0 || !message_start(first) {
                half.budget = 0;
                half.left_out |= LEFT_OUT_DUPLEX;
                count(loss::TRUNCATED_DUPLEX);
            }
        }
    }
}

/// Whether a connection is one of those that are not copied, to stay within the CPU budget. By its cookie, so that what is
/// read is read whole.
#[inline(always)]
pub(crate) fn over_budget(cookie: u64) -> bool {
    /// Odd, from the golden ratio (Knuth, The Art of Computer Programming 3, 6.4): spreads numbers that follow each other.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let share = LEFT_OUT.get(0).copied().unwrap_or(0);
    share != 0 && ((cookie.wrapping_mul(SPREAD) >> 48) as u32) < share
}

/// Whether requests go in this direction; both may where that is not known.
#[inline(always)]
fn is_request<const DIRECTION: u8>(role: u8) -> bool {
    match role {
        ROLE_PASSIVE => DIRECTION == RECEIVED,
        ROLE_ACTIVE => DIRECTION == SENT,
        _ => true,
    }
}

/// Bytes to copy of a turn in this direction.
#[inline(always)]
fn snap<const DIRECTION: u8>(role: u8, port: u16) -> u32 {
    if !is_request::<DIRECTION>(role) {
        return knob!(response_snap);
    }
    match SERVICE_SNAP.get(u32::from(port)) {
        Some(&snap) if role == ROLE_PASSIVE && snap != 0 => snap,
        _ => knob!(request_snap),
    }
}

/// Adds what the duplex budget has earned since it was last used, to no more than its burst.
#[inline(always)]
fn refill(half: &mut Half, now: u64) {
    let rate = knob!(duplex_bytes_per_s);
    let mut millis = now.wrapping_sub(half.refill_ns) / 1_000_000;
    if half.refill_ns == 0 || millis > 1_000 {
        millis = 1_000;
    }
    if millis > 0 {
        half.refill_ns = now;
        let burst = (rate / BURST_PART) as i32;
        let tokens = half.tokens.saturating_add((u64::from(rate) * millis / 1_000) as i32);
        half.tokens = if tokens < burst { tokens } else { burst };
    }
}

/// Tells the class from the first bytes. The opener speaks first in every protocol that is read; a connection older
/// than the monitor gets a few turns to show a message.
#[inline(always)]
fn classify<const DIRECTION: u8>(skb: *mut __sk_buff, payload: u32, state: &mut SocketState) {
    let mut first = [0u8; 4];
    // A segment shorter than four bytes leaves the rest zero after a shorter read.
    // SAFETY: plain bytes.
    if unsafe { load(skb, payload, &mut first) } != 0 {
        // SAFETY: plain bytes.
        let short = unsafe { load(skb, payload, &mut first[0]) };
        if short != 0 {
            return;
        }
        // Too little to tell: anything that a method or a TLS record starts with stays possible.
        state.class = if is_dns(&state.tuple) {
            CLASS_DNS
        } else if first[0] == 22 {
            CLASS_TLS
        } else if first[0].is_ascii_alphabetic() || first[0] == b'\r' {
            CLASS_HTTP
        } else {
            CLASS_OPAQUE
        };
        return;
    }
    let class = first_bytes(first, &state.tuple);
    let server_first = match state.tuple.role {
        ROLE_PASSIVE => DIRECTION == SENT && state.half[RECEIVED as usize].turn == 0 && state.read_turn == 0,
        ROLE_ACTIVE => DIRECTION == RECEIVED && state.half[SENT as usize].turn == 0,
        _ => false,
    };
    // A response first is possible where the request came with the handshake: before there was a socket.
    let spoke_out_of_turn = server_first && first != *b"HTTP" && class != CLASS_DNS && first[0] != 22;
    if class != CLASS_OPAQUE && !spoke_out_of_turn {
        state.class = class;
        if class == CLASS_HTTP2 {
            frames::begin(state);
        }
        return;
    }
    // What is older than the monitor, or began before its socket existed, is met in the middle. Servers of HTTP/2 may speak
    // first (RFC 9113 section 3.4).
    let from_server = match state.tuple.role {
        ROLE_PASSIVE => DIRECTION == SENT,
        ROLE_ACTIVE => DIRECTION == RECEIVED,
        _ => false,
    };
    let in_the_middle = state.flags & FLOW_JOINED_LATE != 0 || state.half[DIRECTION as usize].turn > 1;
    if first[0] == 0 && (in_the_middle || from_server) && frame_kinds::begin_here(skb, payload) {
        frames::begin(state);
        return;
    }
    if state.flags & FLOW_JOINED_LATE != 0 && state.misses < MAX_MISSES {
        state.misses += 1;
        return;
    }
    state.class = CLASS_OPAQUE;
}

/// What the engine wants of this flow, looked up once after each change.
#[inline(always)]
fn apply_policy(state: &mut SocketState) {
    let Some(&epoch) = POLICY_EPOCH.get(0) else { return };
    if epoch == state.policy_epoch {
        return;
    }
    state.policy_epoch = epoch;
    let key = FlowKey {
        cookie: state.cookie,
        generation: state.generation,
        direction: 0,
    };
    // SAFETY: values are plain integers.
    if let Some(policy) = unsafe { POLICIES.get(key) } {
        if policy.class != 0 && state.class != CLASS_IGNORED {
            state.class = policy.class;
        }
        let _ = POLICIES.remove(key);
    }
}

/// The response to the request that `reader_tid` read has begun.
#[inline(always)]
pub(crate) fn answered(state: &mut SocketState) {
    let tid = state.reader_tid;
    state.reader_tid = 0;
    if let Some(slot) = CURRENT_REQUESTS.get_ptr_mut(tid & 0xffff) {
        // SAFETY: a live array element; several CPUs may count it down at once.
        unsafe {
            if (*slot).tid == tid {
                core::intrinsics::atomic_xadd::<i32, i32, { core::intrinsics::AtomicOrdering::Relaxed }>(
                    core::ptr::addr_of_mut!((*slot).in_flight),
                    -1,
                );
            }
        }
    }
}

/// Keeps how far a turn has come that is longer than what is copied, for the daemon to look at.
#[inline(always)]
fn note_tail(half: &mut Half, cookie: u64, generation: u32, direction: u8) {
    let key = tail_key(cookie, generation, direction);
    let tail = Tail {
        last_ns: half.last_ns,
        end_seq: half.max_end_seq,
        direction: u32::from(direction),
    };
    if half.tail == 1 {
        match TAILS.get_ptr_mut(key) {
            // SAFETY: the entry may be freed meanwhile by the daemon; the kernel keeps its memory until this program ends.
            Some(entry) => unsafe { *entry = tail },
            // The daemon has seen enough of this turn.
            None => half.tail = 2,
        }
        return;
    }
    if TAILS.insert(key, tail, 0).is_ok() {
        half.tail = 1;
    } else {
        half.tail = 2;
        count(loss::TAILS_FULL);
    }
}

#[inline(always)]
fn tail_key(cookie: u64, generation: u32, direction: u8) -> FlowKey {
    FlowKey {
        cookie,
        generation,
        direction: u32::from(direction),
    }
}

/// A segment that reaches below the highest byte while a hole is open: the part of it that lies in the hole is copied,
/// each byte at most once. Two holes count as one; the engine sorts out what overlaps.
#[inline(never)]
fn late(skb: *mut __sk_buff, packet: &Packet, state: &mut SocketState, direction: u8, now: u64) {
    let (peer_end, peer_last) = {
        let peer = if direction == RECEIVED {
            &state.half[SENT as usize]
        } else {
            &state.half[RECEIVED as usize]
        };
        (peer.max_end_seq, peer.last_ns)
    };
    let (cookie, generation, class) = (state.cookie, state.generation, state.class);
    let half = if direction == RECEIVED {
        &mut state.half[RECEIVED as usize]
    } else {
        &mut state.half[SENT as usize]
    };
    let end = packet.seq.wrapping_add(packet.payload_len);
    let skipped = half.hole_start.wrapping_sub(packet.seq) as i32;
    let skipped = if skipped > 0 { skipped.unsigned_abs() } else { 0 };
    let over = end.wrapping_sub(half.hole_end) as i32;
    let over = if over > 0 { over.unsigned_abs() } else { 0 };
    if skipped.wrapping_add(over) >= packet.payload_len {
        return;
    }
    let seq = packet.seq.wrapping_add(skipped);
    let length = packet.payload_len - skipped - over;
    let turn = half.turn;
    // What lies between the hole's start and this part is given up, so that no repetition is copied twice.
    half.hole_start = seq.wrapping_add(length);
    let captured_past_hole = (half.cap_end_seq.wrapping_sub(seq.wrapping_add(length)) as i32) >= 0;
    if class >= CLASS_OPAQUE || !captured_past_hole || half.tokens <= 0 {
        return;
    }
    let wanted = if length < 8192 { length } else { 8192 };
    half.tokens = half.tokens.saturating_sub((wanted + CHUNK_COST) as i32);
    chunk::write(skb, packet.payload + skipped, wanted, |record| {
        *record = monitor_common::ChunkRecord {
            header: Header {
                kind: KIND_CHUNK,
                length: size_of::<monitor_common::ChunkRecord>() as u32 + wanted,
                time_ns: now,
                cookie,
                generation,
                ..Header::default()
            },
            seq,
            segment_len: length,
            turn,
            captured: wanted as u16,
            direction,
            flags: if wanted < length {
                CHUNK_LATE | CHUNK_TRUNCATED
            } else {
                CHUNK_LATE
            },
            peer_end_seq: peer_end,
            reserved: 0,
            peer_last_ns: peer_last,
        };
    });
}
