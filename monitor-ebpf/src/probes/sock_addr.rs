//! `cgroup/connect4,6` and `cgroup/sendmsg4,6`: owner of UDP sockets, in the process that sends.
//!
//! - Relies on: `BPF_PROG_TYPE_CGROUP_SOCK_ADDR` with socket storage (connect 4.17, sendmsg 4.18, storage 5.8).
//! - TCP learns its owner at `CLOSE`→`SYN_SENT` and returns at once here.
//! - Costs: one look-up of socket storage an unconnected send, nothing a connected one.
//! - Writes: nothing; the next packet's record carries the owner.

use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::helpers::generated::bpf_get_netns_cookie;
use aya_ebpf::macros::cgroup_sock_addr;
use aya_ebpf::programs::SockAddrContext;
use monitor_common::{CLASS_IGNORED, loss};

use crate::kernel::{UDP, make_socket_state};
use crate::maps::{count, knob};
use crate::owner;

/// Lets the call go on; the monitor never stops one.
const PROCEED: i32 = 1;

/// IPv4 connect.
#[cgroup_sock_addr(connect4)]
fn monitor_connect4(ctx: SockAddrContext) -> i32 {
    note(ctx.sock_addr);
    PROCEED
}

/// IPv6 connect.
#[cgroup_sock_addr(connect6)]
fn monitor_connect6(ctx: SockAddrContext) -> i32 {
    note(ctx.sock_addr);
    PROCEED
}

/// IPv4 send with an address.
#[cgroup_sock_addr(sendmsg4)]
fn monitor_sendmsg4(ctx: SockAddrContext) -> i32 {
    note(ctx.sock_addr);
    PROCEED
}

/// IPv6 send with an address.
#[cgroup_sock_addr(sendmsg6)]
fn monitor_sendmsg6(ctx: SockAddrContext) -> i32 {
    note(ctx.sock_addr);
    PROCEED
}

#[inline(always)]
fn note(ctx: *mut bpf_sock_addr) {
    if knob!(empty) != 0 {
        return;
    }
    // SAFETY: reads of the hook's context; null is checked.
    let (protocol, sk) = unsafe { ((*ctx).protocol, (*ctx).__bindgen_anon_1.sk) };
    if protocol != u32::from(UDP) || sk.is_null() {
        return;
    }
    let Some(state) = make_socket_state(sk.cast()) else {
        return count(loss::STATE_FAILED);
    };
    if state.class == CLASS_IGNORED {
        return;
    }
    let (pid, _) = owner::current();
    if state.owner.pid != pid {
        owner::note(&mut state.owner);
        if state.tuple.netns == 0 {
            // SAFETY: the context is the hook's.
            state.tuple.netns = unsafe { bpf_get_netns_cookie(ctx.cast()) };
        }
    }
}
