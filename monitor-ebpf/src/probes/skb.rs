//! `cgroup_skb` ingress and egress at the root of cgroup v2: every packet of every socket, with the socket.
//!
//! - Relies on: `BPF_PROG_TYPE_CGROUP_SKB` with direct packet access, socket storage (5.2) and
//!   `bpf_skc_to_tcp_sock` (5.9).
//! - Sees: sendfile, splice, `io_uring` and zero-copy alike; connections older than the monitor; segments out of order on
//!   ingress, before TCP has judged them. Ingress holds no socket lock.
//! - Costs: a pure acknowledgement ends after the header; a payload segment pays socket storage and, while its turn is
//!   within what is copied, one ring record.
//! - Writes: chunks; open (with the SYN, when the local port is known); progress; UDP flows.

use core::ffi::c_void;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_get_socket_cookie, bpf_ktime_get_ns};
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use monitor_common::{
    CAUSE_FOUND, CAUSE_OPEN, CAUSE_PROGRESS, CHUNK_DATAGRAM, CHUNK_TURN_START, CLASS_IGNORED, ChunkRecord,
    FLOW_ESTABLISHED, FLOW_JOINED_LATE, FLOW_LOCAL_PEER, Header, KIND_CHUNK, ListenerKey, RECEIVED, ROLE_ACTIVE,
    ROLE_PASSIVE, ROLE_UNKNOWN, SENT, SocketState, Tuple, UdpKey, loss,
};

use crate::capture;
use crate::chunk;
use crate::classify::{DNS_PORT, first_bytes};
use crate::flow;
use crate::kernel::{TCP, UDP, make_socket_state, socket_state, tcp_counters, tcp_sock, tcp_state};
use crate::maps::{BLANK_UDP_FLOW, LISTENERS, NO_EXIST, UDP_FLOWS, add, count, knob, offset, take_unasked};
use crate::packet::{ACK, Packet, Parsed, RST, SYN, addresses, parse};
use crate::scope;

/// What a DNS message costs in the ring beside its bytes.
const DNS_COST: u32 = 136;

/// Lets the packet pass; the monitor never stops one.
const PASS: i32 = 1;
/// Most bytes of a DNS message over UDP that are copied (EDNS0 messages are at most 4096 in practice, RFC 6891).
const DNS_CAPTURE: u32 = 4096;

/// Packets that sockets of this host receive.
#[cgroup_skb(ingress)]
fn monitor_ingress(ctx: SkBuffContext) -> i32 {
    packet::<RECEIVED>(ctx.skb.skb);
    PASS
}

/// Packets that sockets of this host send.
#[cgroup_skb(egress)]
fn monitor_egress(ctx: SkBuffContext) -> i32 {
    packet::<SENT>(ctx.skb.skb);
    PASS
}

#[inline(always)]
fn packet<const DIRECTION: u8>(skb: *mut __sk_buff) {
    if knob!(empty) != 0 {
        return;
    }
    let packet = match parse(skb) {
        Parsed::Packet(packet) => packet,
        Parsed::Other => return count(loss::OTHER_PROTOCOL),
        Parsed::Unreadable => return count(loss::UNREADABLE_PACKET),
    };
    if packet.protocol == TCP {
        // An acknowledgement tells nothing that the kernel's counters do not.
        if packet.payload_len == 0 && packet.flags & (SYN | RST) == 0 {
            return;
        }
        tcp::<DIRECTION>(skb, &packet);
    } else if packet.protocol == UDP {
        udp::<DIRECTION>(skb, &packet);
    }
}

#[inline(always)]
fn tcp<const DIRECTION: u8>(skb: *mut __sk_buff, packet: &Packet) {
    // SAFETY: reading the context's socket; null is checked.
    let sk = unsafe { (*skb).__bindgen_anon_2.sk };
    if sk.is_null() {
        return;
    }
    let known = match socket_state(sk.cast()) {
        Some(state) => Some(state),
        None if without_state::<DIRECTION>(skb, packet) => socket_state(sk.cast()),
        None => None,
    };
    let Some(state) = known else { return };
    if state.class == CLASS_IGNORED {
        return;
    }
    if packet.flags & (SYN | RST) != 0 {
        if packet.flags & RST != 0 {
            state.half[DIRECTION as usize].rst = 1;
        } else if DIRECTION == SENT && packet.flags & ACK == 0 && state.opened == 0 {
            // The local port is known from the SYN on.
            if !addresses(skb, packet.transport, DIRECTION, &mut state.tuple) {
                return;
            }
            state.tuple.known = 1;
            if scope::port_excluded(&state.tuple) {
                state.class = CLASS_IGNORED;
                return;
            }
            let address = tcp_sock(sk.cast());
            if address != 0 {
                flow::open(state, address);
            }
        }
    }
    // The accepting end on this host speaks for both; this one's counts are the kernel's own.
    if state.flags & FLOW_LOCAL_PEER != 0 {
        return;
    }
    if packet.payload_len > 0 {
        // Fast open: data moves before the handshake is over, which is when accepted connections are told.
        if state.opened == 0 && !opened_by_data::<DIRECTION>(skb, packet, state, sk.cast()) {
            return;
        }
        // SAFETY: takes nothing.
        let now = unsafe { bpf_ktime_get_ns() };
        // A SYN takes a sequence number: its data begins after it.
        let mut packet = *packet;
        packet.seq = packet.seq.wrapping_add(u32::from(packet.flags & SYN != 0));
        capture::segment::<DIRECTION>(skb, &packet, state, now, || tcp_sock(sk.cast()));
    }
}

/// Tells a connection whose first data comes before it is established. False: it is out of scope.
#[inline(never)]
fn opened_by_data<const DIRECTION: u8>(
    skb: *mut __sk_buff,
    packet: &Packet,
    state: &mut SocketState,
    sk: *mut c_void,
) -> bool {
    if !addresses(skb, packet.transport, DIRECTION, &mut state.tuple) {
        return true;
    }
    state.tuple.known = 1;
    if scope::port_excluded(&state.tuple) {
        state.class = CLASS_IGNORED;
        return false;
    }
    let address = tcp_sock(sk);
    if address != 0 {
        flow::open(state, address);
    }
    true
}

/// A TCP packet whose socket has no state: of a listener (data before the accepted socket exists), or of a connection
/// older than the monitor: then it gets one, and true is returned.
#[inline(always)]
fn without_state<const DIRECTION: u8>(skb: *mut __sk_buff, packet: &Packet) -> bool {
    // SAFETY: as above; the state field is readable on every kind of socket.
    let sk = unsafe { (*skb).__bindgen_anon_2.sk };
    if sk.is_null() || packet.payload_len == 0 {
        return false;
    }
    // SAFETY: not null.
    let tcp_state = unsafe { (*sk).state } as u8;
    if tcp_state == tcp_state::LISTEN || tcp_state == tcp_state::NEW_SYN_RECV {
        if DIRECTION == RECEIVED {
            before_socket(skb, packet, sk.cast());
        }
        return false;
    }
    if !flow::is_connection(tcp_state) || tcp_state == tcp_state::TIME_WAIT {
        return false;
    }
    found::<DIRECTION>(skb, packet, sk.cast());
    true
}

/// Begins to count a connection that is older than the monitor.
#[inline(never)]
fn found<const DIRECTION: u8>(skb: *mut __sk_buff, packet: &Packet, sk: *mut c_void) {
    let address = tcp_sock(sk);
    if address == 0 {
        return;
    }
    let Some(state) = make_socket_state(sk) else {
        count(loss::STATE_FAILED);
        return;
    };
    if !addresses(skb, packet.transport, DIRECTION, &mut state.tuple) {
        state.class = CLASS_IGNORED;
        return;
    }
    adopt(state, address);
    // SAFETY: the context is the hook's.
    state.cookie = unsafe { bpf_get_socket_cookie(skb.cast()) };
    if scope::port_excluded(&state.tuple) || scope::cgroup_excluded(address) {
        state.class = CLASS_IGNORED;
        return;
    }
    flow::write_tcp(state, address, CAUSE_FOUND);
}

/// Fills the state of a connection that is older than the monitor; its ends are filled already.
#[inline(never)]
pub(crate) fn adopt(state: &mut SocketState, sk: usize) {
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    state.tuple.netns = crate::kernel::netns_cookie(sk);
    state.tuple.protocol = TCP;
    state.tuple.known = 1;
    let listener = ListenerKey {
        netns: state.tuple.netns,
        port: state.tuple.local_port,
        reserved: [0; 3],
    };
    // SAFETY: values are plain integers.
    state.tuple.role = if unsafe { LISTENERS.get(listener) }.is_some() {
        ROLE_PASSIVE
    } else {
        ROLE_UNKNOWN
    };
    state.generation = 1;
    let number: u8 = crate::kernel::read(sk, offset!(sk_state));
    let handshaking = number == tcp_state::SYN_SENT || number == tcp_state::SYN_RECV;
    state.flags = if handshaking {
        FLOW_JOINED_LATE
    } else {
        FLOW_JOINED_LATE | FLOW_ESTABLISHED
    };
    state.opened_ns = now;
    state.opened = 1;
    state.live = 1;
    state.state = number;
    state.base = tcp_counters(sk);
}

/// Payload for a socket that does not exist yet: data on the SYN or on the handshake's last acknowledgement.
#[inline(never)]
fn before_socket(skb: *mut __sk_buff, packet: &Packet, sk: *mut c_void) {
    let mut tuple = Tuple {
        protocol: TCP,
        role: ROLE_PASSIVE,
        known: 1,
        ..Tuple::default()
    };
    if !addresses(skb, packet.transport, RECEIVED, &mut tuple) || scope::port_excluded(&tuple) {
        return;
    }
    let mut first = [0u8; 4];
    // SAFETY: plain bytes.
    if unsafe { crate::packet::load(skb, packet.payload, &mut first) } != 0
        || first_bytes(first, &tuple) >= monitor_common::CLASS_OPAQUE
    {
        return;
    }
    let listener = tcp_sock(sk);
    if listener == 0 || scope::cgroup_excluded(listener) {
        return;
    }
    tuple.netns = crate::kernel::netns_cookie(listener);
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    let chunk = ChunkRecord {
        header: Header {
            time_ns: now,
            ..Header::default()
        },
        seq: packet.seq.wrapping_add(u32::from(packet.flags & SYN != 0)),
        segment_len: packet.payload_len,
        turn: 1,
        flags: CHUNK_TURN_START,
        direction: RECEIVED,
        ..ChunkRecord::default()
    };
    let length = if packet.payload_len < 8192 {
        packet.payload_len
    } else {
        8192
    };
    // Anyone may send this: TCP has not judged it.
    if take_unasked(chunk::orphan_cost(length), now) {
        chunk::write_orphan(skb, packet.payload, length, &chunk, &tuple);
    }
}

/// Packets on the wire that this one stands for.
#[inline(always)]
fn packets(skb: *mut __sk_buff) -> u64 {
    // SAFETY: reads of the skb's context.
    let segments = unsafe { (*skb).gso_segs };
    if segments > 1 { u64::from(segments) } else { 1 }
}

#[inline(never)]
fn udp<const DIRECTION: u8>(skb: *mut __sk_buff, packet: &Packet) {
    // SAFETY: reading the context's socket; null is checked.
    let sk = unsafe { (*skb).__bindgen_anon_2.sk };
    if sk.is_null() {
        return;
    }
    let Some(state) = make_socket_state(sk.cast()) else {
        count(loss::STATE_FAILED);
        return;
    };
    if state.class == CLASS_IGNORED {
        return;
    }
    if state.cookie == 0 {
        if scope::packet_excluded(skb) {
            state.class = CLASS_IGNORED;
            return;
        }
        // SAFETY: the context is the hook's.
        state.cookie = unsafe { bpf_get_socket_cookie(skb.cast()) };
    }
    let mut tuple = Tuple {
        protocol: UDP,
        known: 1,
        ..Tuple::default()
    };
    if !addresses(skb, packet.transport, DIRECTION, &mut tuple) {
        count(loss::UNREADABLE_PACKET);
        return;
    }
    // SAFETY: takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    let key = UdpKey {
        cookie: state.cookie,
        remote: tuple.remote,
        remote_port: tuple.remote_port,
        reserved: [0; 3],
    };
    let generation;
    let asked;
    if let Some(entry) = UDP_FLOWS.get_ptr_mut(key) {
        // SAFETY: the entry's memory stays until this program ends, even if the daemon removes it; two CPUs may race on
        // one direction of one unconnected socket, hence the atomic adds.
        unsafe {
            let flow = &mut *entry;
            add(&mut flow.half[DIRECTION as usize].bytes, u64::from(packet.payload_len));
            add(&mut flow.half[DIRECTION as usize].packets, packets(skb));
            flow.half[DIRECTION as usize].last_ns = now;
            asked = flow.half[SENT as usize].packets > 0;
            if state.owner.pid != 0 {
                flow.owner = state.owner;
            }
            generation = flow.generation;
            let moved = flow.half[0].bytes + flow.half[1].bytes;
            if moved - flow.reported_bytes >= u64::from(knob!(progress_bytes))
                && now.wrapping_sub(flow.reported_ns) >= knob!(progress_ns)
            {
                flow.reported_bytes = moved;
                flow.reported_ns = now;
                flow::write_udp(flow, key.cookie, CAUSE_PROGRESS);
            }
        }
    } else {
        if scope::port_excluded(&tuple) {
            return;
        }
        tuple.role = if DIRECTION == SENT { ROLE_ACTIVE } else { ROLE_PASSIVE };
        // Filled by the hooks in process context; an unread server socket has none yet.
        tuple.netns = state.tuple.netns;
        // Two CPUs may meet two new peers of one socket at once: the number holds the CPU's.
        state.generation += 1;
        // SAFETY: takes nothing.
        generation = state.generation << 8 | unsafe { bpf_get_smp_processor_id() } & 0xff;
        asked = DIRECTION == SENT;
        if state.tuple.known == 0 {
            state.tuple = tuple;
        }
        state.live = 1;
        // If another CPU was first with this peer, its entry is the one.
        if let Some(blank) = BLANK_UDP_FLOW.get(0) {
            let _ = UDP_FLOWS.insert(key, blank, NO_EXIST);
        }
        let Some(entry) = UDP_FLOWS.get_ptr_mut(key) else {
            count(loss::UDP_FLOWS_FULL);
            return;
        };
        // SAFETY: the entry's memory stays until this program ends.
        let flow = unsafe { &mut *entry };
        flow.tuple = tuple;
        flow.owner = state.owner;
        flow.parent = state.parent;
        flow.opened_ns = now;
        flow.reported_ns = now;
        flow.generation = generation;
        add(&mut flow.half[DIRECTION as usize].bytes, u64::from(packet.payload_len));
        add(&mut flow.half[DIRECTION as usize].packets, packets(skb));
        flow.half[DIRECTION as usize].last_ns = now;
        flow::write_udp(flow, key.cookie, CAUSE_OPEN);
    }
    // DNS is read at the asker's socket; a resolver's own clients are other flows.
    // An answer that was not asked for is none.
    if tuple.remote_port == DNS_PORT && packet.payload_len > 0 && asked {
        let length = if packet.payload_len < DNS_CAPTURE {
            packet.payload_len
        } else {
            DNS_CAPTURE
        };
        if !take_unasked(length + DNS_COST, now) {
            return;
        }
        chunk::write(skb, packet.payload, length, |record| {
            *record = ChunkRecord {
                header: Header {
                    kind: KIND_CHUNK,
                    length: size_of::<ChunkRecord>() as u32 + length,
                    time_ns: now,
                    cookie: key.cookie,
                    generation,
                    ..Header::default()
                },
                segment_len: packet.payload_len,
                captured: length as u16,
                direction: DIRECTION,
                flags: CHUNK_DATAGRAM,
                ..ChunkRecord::default()
            };
        });
    }
}
