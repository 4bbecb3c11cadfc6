//! Life-cycle records of flows: the whole state of one at a moment, so that a lost record costs nothing.

use aya_ebpf::helpers::generated::{
    bpf_get_smp_processor_id, bpf_ktime_get_ns, bpf_ringbuf_reserve, bpf_ringbuf_submit,
};
use monitor_common::{
    Address, CAUSE_CLOSE, CAUSE_ESTABLISHED, CAUSE_OPEN, CLASS_OPAQUE, Counters, DestinationKey, FLOW_ESTABLISHED,
    FLOW_FIN_RECEIVED, FLOW_FIN_SENT, FLOW_FROM_CLOSED_MAP, FLOW_LOCAL_PEER, FLOW_NAT, FLOW_OPAQUE, FLOW_OVER_BUDGET,
    FLOW_RST_RECEIVED, FLOW_RST_SENT, FLOW_TRUNCATED_DUPLEX, FlowKey, FlowRecord, Header, KIND_FLOW, LEFT_OUT_BUDGET,
    LEFT_OUT_DUPLEX, RECEIVED, ROLE_ACTIVE, SENT, SocketState, TcpCounters, Total, TotalKey, Tuple, UdpFlow, loss,
};

use crate::kernel::{TCP, fill_tuple, fin_received, mapped, tcp_counters, tcp_state, unmapped};
use crate::maps::{BLANK_RECORD, CLOSED, LIFECYCLE, LOCAL_DESTINATIONS, NO_EXIST, TOTALS, add, count};
use crate::owner::NO_WAKEUP;

/// Writes a record of a TCP flow. `sk` is the kernel's socket.
#[inline(never)]
pub(crate) fn write_tcp(state: &mut SocketState, sk: usize, cause: u8) {
    state.untold = 1;
    if let Some(record) = reserve() {
        fill_tcp(record, state, sk, cause);
        state.reported_ns = record.header.time_ns;
        state.half[0].reported_bytes = state.half[0].bytes;
        state.half[1].reported_bytes = state.half[1].bytes;
        state.untold = 0;
        submit(record);
    } else if let Some(record) = keep(state.cookie, state.generation, cause) {
        fill_tcp(record, state, sk, cause);
        record.flags |= FLOW_FROM_CLOSED_MAP;
    } else if cause == CAUSE_CLOSE {
        total_tcp(state, sk);
    }
}

#[inline(never)]
fn fill_tcp(record: &mut FlowRecord, state: &SocketState, sk: usize, cause: u8) {
    let flags = flags(state, sk);
    record.tuple = state.tuple;
    record.owner = state.owner;
    record.parent = state.parent;
    record.opened_ns = state.opened_ns;
    record.flags = flags;
    record.error = state.error;
    record.state = state.state;
    record.reserved = 0;
    record.owner_turn = state.owner_turn;
    record.owner_changes = state.owner_changes;
    let latest = latest(state, sk);
    // Before any data the next byte each way is the first.
    let begins = (cause == CAUSE_OPEN || cause == CAUSE_ESTABLISHED) && flags & FLOW_ESTABLISHED != 0;
    record.first_seq_sent = if begins { latest.write_seq } else { 0 };
    record.first_seq_received = if begins { latest.rcv_nxt } else { 0 };
    record.named = Address::default();
    record.named_port = 0;
    if flags & FLOW_NAT != 0 {
        let own = own_tuple(sk);
        record.named = own.remote;
        record.named_port = own.remote_port;
    }
    fill_counters(&mut record.counters, state, &latest, flags);
    fill_header(&mut record.header, cause, state.cookie, state.generation);
}

/// What the tracepoints noted (under the socket's lock) and what each direction's packets showed.
#[inline(always)]
fn flags(state: &SocketState, sk: usize) -> u32 {
    let mut flags = state.flags;
    let (received, sent) = (&state.half[RECEIVED as usize], &state.half[SENT as usize]);
    if fin_received(sk) {
        flags |= FLOW_FIN_RECEIVED;
    }
    if received.rst != 0 {
        flags |= FLOW_RST_RECEIVED;
    }
    if sent.rst != 0 {
        flags |= FLOW_RST_SENT;
    }
    let left_out = received.left_out | sent.left_out;
    if left_out & LEFT_OUT_DUPLEX != 0 {
        flags |= FLOW_TRUNCATED_DUPLEX;
    }
    if left_out & LEFT_OUT_BUDGET != 0 {
        flags |= FLOW_OVER_BUDGET;
    }
    if state.class == CLASS_OPAQUE {
        flags |= FLOW_OPAQUE;
    }
    flags
}

/// A disconnect zeroes the socket's counters, and after CLOSE nothing else moves `write_seq` (`tcp_disconnect`): then
/// those of the moment before hold.
#[inline(always)]
fn latest(state: &SocketState, sk: usize) -> TcpCounters {
    let now = tcp_counters(sk);
    if state.saved_valid != 0 && now.write_seq != state.saved.write_seq {
        state.saved
    } else {
        now
    }
}

/// Writes the first record of a TCP flow, once its ends are known.
#[inline(always)]
pub(crate) fn open(state: &mut SocketState, sk: usize) {
    if state.opened != 0 {
        return;
    }
    state.opened = 1;
    if state.tuple.role == ROLE_ACTIVE {
        if remote_is_here(state) {
            state.flags |= FLOW_LOCAL_PEER;
        }
        if is_translated(&state.tuple, sk) {
            state.flags |= FLOW_NAT;
        }
    }
    write_tcp(state, sk, CAUSE_OPEN);
}

/// Whether the ends are others than the socket's own: they are those of a packet on its way out, after NAT.
#[inline(never)]
fn is_translated(packet: &Tuple, sk: usize) -> bool {
    let own = own_tuple(sk);
    own.known != 0
        && (own.remote != packet.remote
            || own.remote_port != packet.remote_port
            || own.local != packet.local
            || own.local_port != packet.local_port)
}

#[inline(always)]
fn own_tuple(sk: usize) -> Tuple {
    let mut own = Tuple::default();
    fill_tuple(&mut own, sk, TCP);
    own
}

/// Writes a record of a UDP flow.
#[inline(never)]
pub(crate) fn write_udp(flow: &UdpFlow, cookie: u64, cause: u8) {
    if let Some(record) = reserve() {
        fill_udp(record, flow, cookie, cause);
        submit(record);
    } else if let Some(record) = keep(cookie, flow.generation, cause) {
        fill_udp(record, flow, cookie, cause);
        record.flags |= FLOW_FROM_CLOSED_MAP;
    } else if cause == CAUSE_CLOSE {
        let (sent, received) = (flow.half[SENT as usize].bytes, flow.half[RECEIVED as usize].bytes);
        add_to_totals(flow.owner.pid, &flow.tuple.remote, sent, received);
    }
}

#[inline(always)]
fn fill_udp(record: &mut FlowRecord, flow: &UdpFlow, cookie: u64, cause: u8) {
    record.tuple = flow.tuple;
    record.owner = flow.owner;
    record.parent = flow.parent;
    let counters = &mut record.counters;
    *counters = Counters::default();
    counters.sent = flow.half[SENT as usize].bytes;
    counters.received = flow.half[RECEIVED as usize].bytes;
    counters.packets_sent = flow.half[SENT as usize].packets;
    counters.packets_received = flow.half[RECEIVED as usize].packets;
    counters.sent_last_ns = flow.half[SENT as usize].last_ns;
    counters.received_last_ns = flow.half[RECEIVED as usize].last_ns;
    record.opened_ns = flow.opened_ns;
    record.flags = flow.flags;
    record.error = 0;
    record.state = 0;
    record.reserved = 0;
    record.named = Address::default();
    record.named_port = 0;
    record.first_seq_sent = 0;
    record.first_seq_received = 0;
    record.owner_turn = 0;
    record.owner_changes = 0;
    fill_header(&mut record.header, cause, cookie, flow.generation);
}

/// The kind comes last: a record in `CLOSED` without it is not filled in yet.
#[inline(always)]
fn fill_header(header: &mut Header, cause: u8, cookie: u64, generation: u32) {
    header.cause = cause;
    // SAFETY: takes nothing.
    header.cpu = unsafe { bpf_get_smp_processor_id() } as u16;
    header.length = size_of::<FlowRecord>() as u32;
    // SAFETY: takes nothing.
    header.time_ns = unsafe { bpf_ktime_get_ns() };
    header.cookie = cookie;
    header.generation = generation;
    header.reserved = 0;
    // SAFETY: a field of a live record.
    unsafe { core::ptr::write_volatile(&raw mut header.kind, KIND_FLOW) };
}

/// Room for a record in the ring.
#[inline(always)]
fn reserve() -> Option<&'static mut FlowRecord> {
    let ring = core::ptr::from_ref(&LIFECYCLE).cast_mut().cast();
    // SAFETY: the size is a constant; every field is written before it is submitted.
    unsafe {
        bpf_ringbuf_reserve(ring, size_of::<FlowRecord>() as u64, 0)
            .cast::<FlowRecord>()
            .as_mut()
    }
}

#[inline(always)]
fn submit(record: &mut FlowRecord) {
    // SAFETY: `record` is a reservation.
    unsafe { bpf_ringbuf_submit(core::ptr::from_mut(record).cast(), NO_WAKEUP) };
}

/// The ring is full: room for a close record in `CLOSED`. Others are given up; the next one carries their counts.
#[inline(always)]
fn keep(cookie: u64, generation: u32, cause: u8) -> Option<&'static mut FlowRecord> {
    if cause != CAUSE_CLOSE {
        count(loss::LIFECYCLE_RING_FULL);
        return None;
    }
    let key = FlowKey {
        cookie,
        generation,
        direction: 0,
    };
    let kept = BLANK_RECORD
        .get(0)
        .is_some_and(|blank| CLOSED.insert(key, blank, 0).is_ok());
    if !kept {
        count(loss::CLOSE_LOST);
        return None;
    }
    count(loss::CLOSE_DEFERRED);
    // SAFETY: the entry's memory stays until this program ends.
    CLOSED.get_ptr_mut(key).map(|entry| unsafe { &mut *entry })
}

#[inline(never)]
fn total_tcp(state: &SocketState, sk: usize) {
    let mut counters = Counters::default();
    fill_counters(&mut counters, state, &latest(state, sk), flags(state, sk));
    add_to_totals(state.owner.pid, &state.tuple.remote, counters.sent, counters.received);
}

/// The flow is not told, its bytes are: by process and network of the remote end.
#[inline(always)]
fn add_to_totals(pid: u32, remote: &Address, sent: u64, received: u64) {
    // /24 of IPv4, /48 of IPv6.
    let network = match unmapped(remote) {
        Some(v4) => mapped(v4 & u32::from_be(0xffff_ff00)),
        None => [remote[0] & u64::from_be(0xffff_ffff_ffff_0000), 0],
    };
    let key = TotalKey {
        pid,
        reserved: 0,
        remote: network,
    };
    let total = TOTALS.get_ptr_mut(key).or_else(|| {
        // Whoever comes second on this CPU (softirq) finds what the first has put there.
        let _ = TOTALS.insert(key, Total::default(), NO_EXIST);
        TOTALS.get_ptr_mut(key)
    });
    // No room for another network: what is left over counts under no process and no address.
    if let Some(total) = total.or_else(|| TOTALS.get_ptr_mut(TotalKey::default())) {
        // SAFETY: this CPU's own value; a softirq may interrupt.
        unsafe {
            add(&mut (*total).flows, 1);
            add(&mut (*total).sent, sent);
            add(&mut (*total).received, received);
        }
    }
}

/// Whether the remote end is certainly a socket of this host: loopback, its own address, or learned.
#[inline(always)]
fn remote_is_here(state: &SocketState) -> bool {
    let remote = &state.tuple.remote;
    let loopback = match unmapped(remote) {
        Some(v4) => v4.to_ne_bytes()[0] == 127,
        None => *remote == [0, u64::from_be(1)],
    };
    if loopback || state.tuple.local == *remote {
        return true;
    }
    let key = DestinationKey {
        netns: state.tuple.netns,
        remote: *remote,
        remote_port: state.tuple.remote_port,
        reserved: [0; 3],
    };
    // SAFETY: values are plain integers.
    unsafe { LOCAL_DESTINATIONS.get(key) }.is_some()
}

/// What the application wrote and read, from the kernel's sequence numbers, since the flow's start or first sight.
///
/// written = `bytes_acked` - SYN (active side) + (`write_seq` - `snd_una`) - FIN sent;
/// read = `bytes_received` - max(`rcv_nxt` - `copied_seq`, FIN received). Differences are modulo 2^32 and small.
#[inline(always)]
fn fill_counters(out: &mut Counters, state: &SocketState, now: &TcpCounters, flags: u32) {
    // Nothing has left yet, not even a SYN: what the fields say is not of a connection.
    if state.tuple.role == ROLE_ACTIVE && state.opened == 0 {
        *out = Counters::default();
        return;
    }
    let syn = u64::from(state.tuple.role == ROLE_ACTIVE && now.bytes_acked > 0);
    let unacked = ahead(now.write_seq, now.snd_una);
    // While SYN_SENT the SYN itself is what is not acknowledged.
    let syn_in_flight = u64::from(state.tuple.role == ROLE_ACTIVE && now.bytes_acked == 0 && unacked > 0);
    let fin_sent = u64::from(flags & FLOW_FIN_SENT != 0);
    let fin_received = u64::from(flags & FLOW_FIN_RECEIVED != 0);
    let pending = ahead(now.rcv_nxt, now.copied_seq);
    let pending_or_fin = if pending > fin_received { pending } else { fin_received };
    let written = (now.bytes_acked + unacked).saturating_sub(syn + syn_in_flight + fin_sent);
    let fin_acked = u64::from(fin_sent == 1 && unacked == 0);
    let base = &state.base;
    let base_written = base.bytes_acked + ahead(base.write_seq, base.snd_una);
    let base_pending = ahead(base.rcv_nxt, base.copied_seq);
    let joined = base_written > 0 || base.bytes_received > 0;
    // At first sight `base_written` counts a SYN if there was one, and so does `bytes_acked` now.
    let base_syn = if joined { syn } else { 0 };
    out.sent = written.saturating_sub(base_written.saturating_sub(base_syn));
    out.acked = now
        .bytes_acked
        .saturating_sub(syn + fin_acked)
        .saturating_sub(base.bytes_acked.saturating_sub(base_syn));
    out.received = now
        .bytes_received
        .saturating_sub(pending_or_fin)
        .saturating_sub(base.bytes_received.saturating_sub(base_pending));
    out.unread = pending_or_fin - fin_received;
    out.packets_sent = u64::from(now.segs_out.wrapping_sub(base.segs_out));
    out.packets_received = u64::from(now.segs_in.wrapping_sub(base.segs_in));
    out.sent_last_ns = state.half[SENT as usize].last_ns;
    out.received_last_ns = state.half[RECEIVED as usize].last_ns;
    out.sent_end_seq = state.half[SENT as usize].max_end_seq;
    out.received_end_seq = state.half[RECEIVED as usize].max_end_seq;
    out.retransmits = now.total_retrans.wrapping_sub(base.total_retrans);
    out.rtt_us = now.srtt_us >> 3;
}

/// How far `to` is ahead of `from`, modulo 2^32; nothing where a read of both was torn.
#[inline(always)]
fn ahead(to: u32, from: u32) -> u64 {
    let difference = to.wrapping_sub(from);
    if (difference as i32) < 0 {
        0
    } else {
        u64::from(difference)
    }
}

/// Whether a TCP state is one of a connection (and not of a listener or a socket that is nothing yet).
#[inline(always)]
pub(crate) fn is_connection(state: u8) -> bool {
    state != tcp_state::LISTEN && state != tcp_state::CLOSE && state != tcp_state::NEW_SYN_RECV
}
