//! `tp_btf/sock_recv_length`: a process has read from a socket. Owner of accepted sockets, current request of threads.
//! Before 6.3 `fexit/inet_recvmsg` and `fexit/inet6_recvmsg` in its place.
//!
//! - Relies on: `(struct sock *sk, int ret, int flags)` (6.3), or `int (struct socket *sock, struct msghdr *msg, size_t size,
//!   int flags)` and trampolines (5.5). Fires after delivery, in process context; the tracepoint for every family. `splice`
//!   and `TCP_ZEROCOPY_RECEIVE` do not pass here: their sockets are owned by who releases them.
//! - Costs: 118 ns a read on average where each brings a request or an answer, of which an empty program reports about 60
//!   (the tracepoint; keep-alive load on both ends, `kernel.bpf_stats_enabled=1`).
//! - Writes: owner records, when the process that reads changes: with the request that it is first to read.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_tracepoint, fexit};
use aya_ebpf::programs::{BtfTracePointContext, FExitContext};
use monitor_common::{CAUSE_OWNER, CLASS_IGNORED, RECEIVED, ROLE_PASSIVE, SocketState};

use crate::capture::answered;
use crate::flow;
use crate::kernel::{INET, INET6, TCP, load, netns_cookie, socket_state, tcp_sock};
use crate::maps::{CURRENT_REQUESTS, knob, offset};
use crate::owner;

/// `MSG_PEEK`: nothing was taken.
const PEEK: i32 = 2;

/// Changes of owner within one request are told at most this often after the first, nanoseconds.
const OWNER_EVERY_NS: u64 = 10_000_000;

/// A read returned.
#[btf_tracepoint(function = "sock_recv_length")]
fn monitor_sock_recv(ctx: BtfTracePointContext) {
    read(ctx.arg(0), ctx.arg(1), ctx.arg(2));
}

/// Likewise, of a socket of IPv4.
#[fexit(function = "inet_recvmsg")]
fn monitor_inet_recvmsg(ctx: FExitContext) {
    received(&ctx);
}

/// Likewise, of one of IPv6 (which may have come by IPv4).
#[fexit(function = "inet6_recvmsg")]
fn monitor_inet6_recvmsg(ctx: FExitContext) {
    received(&ctx);
}

#[inline(always)]
fn received(ctx: &FExitContext) {
    let socket: *mut c_void = ctx.arg(0);
    // What was returned follows the four arguments.
    read(load(socket, offset!(socket_sk)), ctx.arg(4), ctx.arg(3));
}

#[inline(always)]
fn read(sk: *mut c_void, ret: i32, flags: i32) {
    if knob!(empty) != 0 || ret < 0 || flags & PEEK != 0 {
        return;
    }
    let family: u16 = load(sk, offset!(sk_family));
    if family != INET && family != INET6 {
        return;
    }
    let Some(state) = socket_state(sk) else { return };
    if state.class == CLASS_IGNORED {
        return;
    }
    let (pid, tid) = owner::current();
    // A request came with the handshake, before there was a socket: the first read is its.
    let turn = match state.half[RECEIVED as usize].turn {
        0 => 1,
        turn => turn,
    };
    let begins = state.tuple.role == ROLE_PASSIVE && ret > 0 && turn != state.read_turn;
    let mut due = begins && state.untold != 0;
    if state.owner.pid != pid {
        let first = state.owner.pid == 0;
        owner::note(&mut state.owner);
        if state.tuple.protocol == TCP {
            // Who reads a request first owns it; who takes over in its midst owns those after it.
            state.owner_turn = if begins { turn } else { turn + 1 };
            state.owner_changes += 1;
            // Processes that take turns on one request are told once in a while, or with the next request.
            // SAFETY: takes nothing.
            let since = unsafe { bpf_ktime_get_ns() }.wrapping_sub(state.reported_ns);
            due = begins || first || since >= OWNER_EVERY_NS;
            state.untold = 1;
        } else if state.tuple.netns == 0 {
            state.tuple.netns = netns_cookie(sk as usize);
        }
    }
    if due && state.opened != 0 {
        let tcp = tcp_sock(sk);
        if tcp != 0 {
            flow::write_tcp(state, tcp, CAUSE_OWNER);
        }
    }
    if begins {
        request_read(state, tid, turn);
    }
}

/// The thread has begun to read a request.
#[inline(always)]
fn request_read(state: &mut SocketState, tid: u32, turn: u32) {
    if state.reader_tid != 0 {
        answered(state);
    }
    state.read_turn = turn;
    state.reader_tid = tid;
    let Some(slot) = CURRENT_REQUESTS.get_ptr_mut(tid & 0xffff) else {
        return;
    };
    // SAFETY: a live array element; only this thread (or one that shares the slot) writes it but for `in_flight`.
    unsafe {
        if (*slot).tid != tid || (*slot).in_flight < 0 {
            (*slot).tid = tid;
            (*slot).in_flight = 0;
        }
        (*slot).cookie = state.cookie;
        (*slot).generation = state.generation;
        (*slot).turn = turn;
        (*slot).read_ns = bpf_ktime_get_ns();
        core::intrinsics::atomic_xadd::<i32, i32, { core::intrinsics::AtomicOrdering::Relaxed }>(
            core::ptr::addr_of_mut!((*slot).in_flight),
            1,
        );
    }
}
