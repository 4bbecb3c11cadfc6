//! Turn-based capture of TCP payload: of each turn the first bytes are copied, the rest is counted.
//!
//! A turn starts when payload changes direction. State is per direction and written by that direction's hook alone; a
//! direction sees that the turn has changed when the other one has moved since it moved last itself.

use aya_ebpf::bindings::__sk_buff;
use monitor_common::{
    CAUSE_PROGRESS, CHUNK_AFTER_HOLE, CHUNK_AFTER_SKIP, CHUNK_LATE, CHUNK_TRUNCATED, CHUNK_TURN_START, CLASS_DNS,
    CLASS_HTTP, CLASS_IGNORED, CLASS_NEW, CLASS_OPAQUE, CLASS_TLS, FLOW_JOINED_LATE, FLOW_OPAQUE,
    FLOW_TRUNCATED_DUPLEX, FlowKey, Half, Header, KIND_CHUNK, RECEIVED, ROLE_ACTIVE, ROLE_PASSIVE, SENT, SocketState,
    Tail, loss,
};

use crate::chunk::{self, MAX_CAPTURE};
use crate::classify::{first_bytes, message_start};
use crate::flow;
use crate::maps::{CURRENT_REQUESTS, POLICIES, POLICY_EPOCH, SERVICE_SNAP, TAILS, count, knob};
use crate::packet::{Packet, load};

/// Turns of a connection older than the monitor that may look like nothing before it counts as opaque.
const MAX_MISSES: u16 = 8;
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
    let peer_end = state.half[1 - DIRECTION as usize].max_end_seq;
    let peer_last = state.half[1 - DIRECTION as usize].last_ns;
    let half = &mut state.half[DIRECTION as usize];
    let end = packet.seq.wrapping_add(packet.payload_len);
    if half.started == 0 {
        half.started = 1;
        half.max_end_seq = packet.seq;
        half.cap_end_seq = packet.seq;
    }
    if (end.wrapping_sub(half.max_end_seq) as i32) <= 0 {
        late(skb, packet, state, DIRECTION, now);
        return;
    }
    let ahead = packet.seq.wrapping_sub(half.max_end_seq) as i32;
    let repeated = if ahead < 0 { ahead.unsigned_abs() } else { 0 };
    let mut flags = 0;
    if ahead > 0 {
        half.hole_start = half.max_end_seq;
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
        turn_starts::<DIRECTION>(skb, packet.payload + repeated, state, now);
    }
    let class = state.class;
    let (cookie, generation) = (state.cookie, state.generation);
    let half = &mut state.half[DIRECTION as usize];
    if class < CLASS_OPAQUE {
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
                // Only what does not look like a message pays: a busy keep-alive connection is never cut.
                if flags & CHUNK_TURN_START != 0 && !message_start(first) {
                    half.tokens = half.tokens.saturating_sub(wanted);
                }
            }
            if cut != 0 {
                count(loss::TRUNCATED_TURN);
            }
        }
        if wanted < length && half.tail != 2 {
            note_tail(
                half,
                FlowKey {
                    cookie,
                    generation,
                    reserved: 0,
                },
                DIRECTION,
            );
        }
    }
    let moved = state.half[0].bytes + state.half[1].bytes - state.half[0].reported_bytes - state.half[1].reported_bytes;
    if moved >= u64::from(knob!(progress_bytes)) && now.wrapping_sub(state.reported_ns) >= knob!(progress_ns) {
        let sk = tcp();
        if sk != 0 {
            flow::write_tcp(state, sk, CAUSE_PROGRESS);
        }
    }
}

/// The first payload after the other direction's: class, policy and budget of the turn.
#[inline(always)]
fn turn_starts<const DIRECTION: u8>(skb: *mut __sk_buff, payload: u32, state: &mut SocketState, now: u64) {
    if DIRECTION == SENT && state.reader_tid != 0 {
        answered(state);
    }
    let key = FlowKey {
        cookie: state.cookie,
        generation: state.generation,
        reserved: 0,
    };
    if state.half[DIRECTION as usize].tail == 1 {
        let _ = TAILS.remove(key);
    }
    state.half[DIRECTION as usize].tail = 0;
    if state.class == CLASS_NEW {
        classify::<DIRECTION>(skb, payload, state);
    }
    apply_policy(state, key);
    let class = state.class;
    let role = state.tuple.role;
    let port = state.tuple.local_port;
    let half = &mut state.half[DIRECTION as usize];
    half.budget = match class {
        CLASS_HTTP | CLASS_DNS => snap::<DIRECTION>(role, port),
        CLASS_TLS if half.turn <= TLS_TURNS => snap::<DIRECTION>(role, port),
        _ => 0,
    };
    if class == CLASS_HTTP && half.tokens == 0 {
        refill(half, now);
        if half.tokens == 0 {
            let mut first = [0u8; 4];
            // SAFETY: plain bytes.
            let failed = unsafe { load(skb, payload, &mut first) };
            if failed != 0 || !message_start(first) {
                half.budget = 0;
                state.flags |= FLOW_TRUNCATED_DUPLEX;
                count(loss::TRUNCATED_DUPLEX);
            }
        }
    }
}

/// Bytes to copy of a turn in this direction.
#[inline(always)]
fn snap<const DIRECTION: u8>(role: u8, port: u16) -> u32 {
    let request = match role {
        ROLE_PASSIVE => DIRECTION == RECEIVED,
        ROLE_ACTIVE => DIRECTION == SENT,
        _ => true,
    };
    if !request {
        return knob!(response_snap);
    }
    match SERVICE_SNAP.get(u32::from(port)) {
        Some(&snap) if role == ROLE_PASSIVE && snap != 0 => snap,
        _ => knob!(request_snap),
    }
}

/// Adds what the duplex budget has earned since it was last used; a tenth of a second is its burst.
#[inline(always)]
fn refill(half: &mut Half, now: u64) {
    let rate = u64::from(knob!(duplex_bytes_per_s));
    let mut millis = now.wrapping_sub(half.refill_ns) / 1_000_000;
    if half.refill_ns == 0 || millis > 100 {
        millis = 100;
    }
    if millis > 0 {
        half.refill_ns = now;
        half.tokens = (rate * millis / 1000) as u32;
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
        state.class = if first[0].is_ascii_alphabetic() || first[0] == b'\r' || first[0] == 22 {
            CLASS_HTTP
        } else {
            CLASS_OPAQUE
        };
        if state.class == CLASS_OPAQUE {
            state.flags |= FLOW_OPAQUE;
        }
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
        return;
    }
    if state.flags & FLOW_JOINED_LATE != 0 && state.misses < MAX_MISSES {
        state.misses += 1;
        return;
    }
    state.class = CLASS_OPAQUE;
    state.flags |= FLOW_OPAQUE;
}

/// What the engine wants of this flow, looked up once after each change.
#[inline(always)]
fn apply_policy(state: &mut SocketState, key: FlowKey) {
    let Some(&epoch) = POLICY_EPOCH.get(0) else { return };
    if epoch == state.policy_epoch {
        return;
    }
    state.policy_epoch = epoch;
    // SAFETY: values are plain integers.
    if let Some(policy) = unsafe { POLICIES.get(key) } {
        if policy.class != 0 && state.class != CLASS_IGNORED {
            state.class = policy.class;
            if policy.class == CLASS_OPAQUE {
                state.flags |= FLOW_OPAQUE;
            }
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
fn note_tail(half: &mut Half, key: FlowKey, direction: u8) {
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

/// A segment with nothing past the highest byte: a repetition, or what fills a hole.
#[inline(never)]
fn late(skb: *mut __sk_buff, packet: &Packet, state: &mut SocketState, direction: u8, now: u64) {
    let end = packet.seq.wrapping_add(packet.payload_len);
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
    let from_hole = packet.seq.wrapping_sub(half.hole_start) as i32;
    let to_hole = half.hole_end.wrapping_sub(end) as i32;
    // Only what lies wholly in the hole is taken; the engine trims overlaps.
    if half.hole_start == half.hole_end || from_hole < 0 || to_hole < 0 {
        return;
    }
    let turn = half.turn;
    if from_hole == 0 {
        half.hole_start = end;
    } else if to_hole == 0 {
        half.hole_end = packet.seq;
    }
    let captured_past_hole = (half.cap_end_seq.wrapping_sub(end) as i32) >= 0;
    if class >= CLASS_OPAQUE || !captured_past_hole {
        return;
    }
    let wanted = if packet.payload_len < 8192 {
        packet.payload_len
    } else {
        8192
    };
    if wanted == 0 {
        return;
    }
    let (seq, length) = (packet.seq, packet.payload_len);
    chunk::write(skb, packet.payload, wanted, |record| {
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
            flags: CHUNK_LATE,
            peer_end_seq: peer_end,
            reserved: 0,
            peer_last_ns: peer_last,
        };
    });
}
