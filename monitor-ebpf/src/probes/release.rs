//! `cgroup/sock_release`: the last process to hold a socket lets go of it.
//!
//! - Relies on: `BPF_PROG_TYPE_CGROUP_SOCK` with `BPF_CGROUP_INET_SOCK_RELEASE` (5.9).
//! - Gives: the owner of sockets that never read (a server that only streams, a splice relay); the end of a UDP flow.
//! - Costs: one look-up of socket storage a closed socket; more where nobody owned it yet.
//! - Writes: the close record of a UDP socket's first peer; others end by being idle.

use aya_ebpf::macros::cgroup_sock;
use aya_ebpf::programs::SockContext;
use monitor_common::{CAUSE_CLOSE, CLASS_IGNORED, UdpKey};

use crate::flow;
use crate::kernel::{UDP, socket_state};
use crate::maps::{UDP_FLOWS, knob};
use crate::owner;

/// A socket is released.
#[cgroup_sock(sock_release)]
fn monitor_sock_release(ctx: SockContext) -> i32 {
    const PROCEED: i32 = 1;
    if knob!(empty) != 0 {
        return PROCEED;
    }
    let Some(state) = socket_state(ctx.sock.cast()) else {
        return PROCEED;
    };
    if state.class == CLASS_IGNORED || state.live == 0 {
        return PROCEED;
    }
    if state.owner.pid == 0 && !owner::in_kernel_thread() {
        owner::note(&mut state.owner);
    }
    if state.tuple.protocol == UDP && state.tuple.known != 0 {
        let tuple = &state.tuple;
        let key = UdpKey {
            cookie: state.cookie,
            remote: tuple.remote,
            remote_port: tuple.remote_port,
            reserved: [0; 3],
        };
        if let Some(flow) = UDP_FLOWS.get_ptr_mut(key) {
            // SAFETY: the entry's memory stays until this program ends.
            unsafe {
                if (*flow).owner.pid == 0 {
                    (*flow).owner = state.owner;
                }
                flow::write_udp(&*flow, state.cookie, CAUSE_CLOSE);
            }
            let _ = UDP_FLOWS.remove(key);
        }
        state.live = 0;
    }
    PROCEED
}
