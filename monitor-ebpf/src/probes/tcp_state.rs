//! `tp_btf/inet_sock_set_state` and `tp_btf/tcp_destroy_sock`: life cycle and role of TCP connections.
//!
//! - Relies on: `(const struct sock *sk, const int oldstate, const int newstate)` (4.16) and `(struct sock *sk)` (4.16);
//!   socket storage (5.11) and cookies (5.12) in tracing programs.
//! - `CLOSE`→`SYN_SENT` runs in the caller of connect: owner, role and parent request. `LISTEN`→`SYN_RECV` marks a passive
//!   socket, whose ends are filled in only later. Every other transition may run in softirq or in the peer's process: no
//!   owner is taken there. →CLOSE is too early for the last counts (an application may still read) and too late for some
//!   (a disconnect zeroes them): they are kept there and read again when the socket is destroyed.
//! - Costs: paid by connections, not by bytes; not measured apart.
//! - Writes: open of accepted connections, completed handshakes of those made to elsewhere, close of all.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_ktime_get_ns};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use aya_log_ebpf::debug;
use monitor_common::{
    CAUSE_CLOSE, CAUSE_ESTABLISHED, CLASS_IGNORED, FLOW_ESTABLISHED, FLOW_FIN_LOCAL_FIRST, FLOW_FIN_RECEIVED,
    FLOW_FIN_SENT, FLOW_LOCAL_PEER, FlowKey, Half, ListenerKey, Parent, RECEIVED, ROLE_ACTIVE, ROLE_PASSIVE, SENT,
    SocketState, TcpCounters, Tuple, loss,
};

use crate::capture::answered;
use crate::flow;
use crate::kernel::{
    TCP, fill_tuple, fin_received, load, make_socket_state, netns_cookie, read, socket_state, tcp_counters, tcp_sock,
    tcp_state,
};
use crate::maps::{CURRENT_REQUESTS, LISTENERS, POLICIES, POLICY_EPOCH, TAILS, count, knob, offset};
use crate::owner;
use crate::scope;

/// A TCP socket changes state.
#[btf_tracepoint(function = "inet_sock_set_state")]
fn monitor_tcp_state(ctx: BtfTracePointContext) {
    let sk: *mut core::ffi::c_void = ctx.arg::<*mut core::ffi::c_void>(0);
    let old: i32 = ctx.arg(1);
    let new: i32 = ctx.arg(2);
    let (old, new) = (old as u8, new as u8);
    if knob!(empty) != 0 || load::<u16>(sk, offset!(sk_protocol)) as u8 != TCP {
        return;
    }
    match (old, new) {
        (_, tcp_state::LISTEN) => listens(sk as usize),
        (tcp_state::LISTEN, tcp_state::CLOSE) => stops_listening(sk as usize),
        (_, tcp_state::SYN_SENT) => connects(sk),
        (tcp_state::LISTEN, tcp_state::SYN_RECV) => accepted(sk),
        _ => changes(sk, old, new),
    }
    if knob!(debug) != 0 {
        debug!(&ctx, "tcp state {} -> {}", old, new);
    }
}

/// A TCP socket is gone.
#[btf_tracepoint(function = "tcp_destroy_sock")]
fn monitor_tcp_destroy(ctx: BtfTracePointContext) {
    let sk: *mut core::ffi::c_void = ctx.arg::<*mut core::ffi::c_void>(0);
    if knob!(empty) != 0 {
        return;
    }
    let tcp = tcp_sock(sk);
    if tcp == 0 {
        return;
    }
    if let Some(state) = socket_state(sk) {
        close(state, tcp);
        if knob!(debug) != 0 {
            debug!(&ctx, "tcp destroy {}", state.cookie);
        }
    }
    let _ = ctx.as_ptr();
}

/// Writes the one close record of the connection on this socket.
#[inline(always)]
fn close(state: &mut SocketState, sk: usize) {
    if state.live == 0 || state.class == CLASS_IGNORED {
        return;
    }
    state.live = 0;
    if state.tuple.known == 0 {
        let role = state.tuple.role;
        fill_tuple(&mut state.tuple, sk, TCP);
        state.tuple.role = role;
    }
    if state.half[0].tail == 1 || state.half[1].tail == 1 {
        for direction in [RECEIVED, SENT] {
            let key = FlowKey {
                cookie: state.cookie,
                generation: state.generation,
                direction: u32::from(direction),
            };
            let _ = TAILS.remove(key);
        }
    }
    if state.reader_tid != 0 {
        answered(state);
    }
    if POLICY_EPOCH.get(0).is_some_and(|epoch| *epoch != state.policy_epoch) {
        let _ = POLICIES.remove(FlowKey {
            cookie: state.cookie,
            generation: state.generation,
            direction: 0,
        });
    }
    flow::write_tcp(state, sk, CAUSE_CLOSE);
}

/// `CLOSE`→`SYN_SENT`, in the process that connects.
#[inline(always)]
fn connects(sk: *mut core::ffi::c_void) {
    let Some(state) = make_socket_state(sk) else {
        return count(loss::STATE_FAILED);
    };
    // Disconnected and connected again: the old connection ends here.
    let tcp = tcp_sock(sk);
    if tcp != 0 {
        close(state, tcp);
    }
    begin(state, sk, ROLE_ACTIVE);
    if state.class == CLASS_IGNORED {
        return;
    }
    owner::note(&mut state.owner);
    let (_, tid) = owner::current();
    let started = owner::thread_start();
    state.parent = Parent::default();
    if let Some(slot) = CURRENT_REQUESTS.get_ptr_mut(tid & 0xffff) {
        // SAFETY: a live array element, written by this thread (or by one that shares the slot: then `tid` differs).
        let slot = unsafe { *slot };
        // A thread that started after the request was read is another one with the same id.
        if slot.tid == tid && slot.cookie != 0 && slot.read_ns >= started && slot.in_flight > 0 {
            state.parent = Parent {
                cookie: slot.cookie,
                generation: slot.generation,
                turn: slot.turn,
                in_flight: slot.in_flight as u32,
                reserved: 0,
            };
        }
    }
}

/// `LISTEN`→`SYN_RECV`: a child of a listener, in softirq; its ends are not filled in yet.
#[inline(always)]
fn accepted(sk: *mut core::ffi::c_void) {
    let Some(state) = make_socket_state(sk) else {
        return count(loss::STATE_FAILED);
    };
    begin(state, sk, ROLE_PASSIVE);
}

#[inline(always)]
fn begin(state: &mut SocketState, sk: *mut core::ffi::c_void, role: u8) {
    // SAFETY: `sk` is the tracepoint's socket; time takes nothing.
    unsafe {
        state.cookie = bpf_get_socket_cookie(sk);
        state.opened_ns = bpf_ktime_get_ns();
    }
    state.reported_ns = state.opened_ns;
    state.generation += 1;
    state.tuple = Tuple {
        protocol: TCP,
        role,
        netns: netns_cookie(sk as usize),
        ..Tuple::default()
    };
    state.flags = 0;
    state.opened = 0;
    state.saved_valid = 0;
    // Fresh storage is zero already.
    if state.generation > 1 {
        state.saved = TcpCounters::default();
        state.base = TcpCounters::default();
        state.half = [Half::default(); 2];
    }
    state.class = monitor_common::CLASS_NEW;
    state.error = 0;
    state.read_turn = 0;
    state.reader_tid = 0;
    state.owner_turn = 0;
    state.owner_changes = 0;
    state.untold = 0;
    state.misses = 0;
    state.live = 1;
    state.state = if role == ROLE_ACTIVE {
        tcp_state::SYN_SENT
    } else {
        tcp_state::SYN_RECV
    };
    if scope::cgroup_excluded(sk as usize) {
        state.class = CLASS_IGNORED;
    }
}

#[inline(always)]
fn changes(sk: *mut core::ffi::c_void, old: u8, new: u8) {
    let Some(state) = socket_state(sk) else { return };
    if state.class == CLASS_IGNORED {
        return;
    }
    let tcp = tcp_sock(sk);
    if tcp == 0 {
        return;
    }
    match new {
        tcp_state::ESTABLISHED => {
            state.flags |= FLOW_ESTABLISHED;
            // An active one is told with its SYN, unless that left before the packet hooks were there.
            if state.opened == 0 {
                let mut tuple = state.tuple;
                if fill_tuple(&mut tuple, tcp, TCP) {
                    state.tuple = tuple;
                }
                if scope::port_excluded(&state.tuple) {
                    state.class = CLASS_IGNORED;
                    return;
                }
                state.state = new;
                flow::open(state, tcp);
            } else if state.tuple.role == ROLE_ACTIVE && state.flags & FLOW_LOCAL_PEER == 0 {
                // From here on its other end may show, if that is on this host.
                state.state = new;
                flow::write_tcp(state, tcp, CAUSE_ESTABLISHED);
            }
        }
        tcp_state::FIN_WAIT1 | tcp_state::LAST_ACK => {
            // LAST_ACK comes after the other side's.
            if new == tcp_state::FIN_WAIT1 {
                state.flags |= FLOW_FIN_LOCAL_FIRST;
            }
            state.flags |= FLOW_FIN_SENT;
        }
        tcp_state::CLOSE_WAIT | tcp_state::CLOSING => state.flags |= FLOW_FIN_RECEIVED,
        tcp_state::CLOSE => {
            state.saved = tcp_counters(tcp);
            state.saved_valid = 1;
            // A disconnect forgets it.
            if fin_received(tcp) {
                state.flags |= FLOW_FIN_RECEIVED;
            }
            state.error = read::<u32>(sk as usize, offset!(sk_err)) as u16;
            state.state = old;
            return;
        }
        _ => {}
    }
    state.state = new;
}

#[inline(always)]
fn listens(sk: usize) {
    let key = listener(sk, read(sk, offset!(sk_num)));
    // Not bound yet: `listen` chooses the port after this.
    if key.port == 0 {
        return;
    }
    if let Some(number) = LISTENERS.get_ptr_mut(key) {
        // SAFETY: plain integers; listeners come and go under the socket's lock, two of one port seldom at once.
        unsafe { *number += 1 };
    } else {
        let _ = LISTENERS.insert(key, 1, 0);
    }
}

#[inline(always)]
fn stops_listening(sk: usize) {
    // A port that the kernel chose has been given back; this copy of it stays.
    let key = listener(sk, u16::from_be(read(sk, offset!(inet_sport))));
    if let Some(number) = LISTENERS.get_ptr_mut(key) {
        // SAFETY: as above.
        let left = unsafe {
            *number = (*number).saturating_sub(1);
            *number
        };
        if left == 0 {
            let _ = LISTENERS.remove(key);
        }
    }
}

#[inline(always)]
fn listener(sk: usize, port: u16) -> ListenerKey {
    ListenerKey {
        netns: netns_cookie(sk),
        port,
        reserved: [0; 3],
    }
}
