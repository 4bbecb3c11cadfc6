//! `iter/tcp`: sockets that exist when the monitor starts, and reconciliation afterwards.
//!
//! - Relies on: `bpf_iter__tcp { meta, sk_common, uid }` (5.9); walks the network namespace of who reads the iterator.
//! - Costs: one look-up of socket storage a socket and walk, and a record where it moved; walks happen at the start, every 30 s and after a loss.
//! - Writes: found for sockets without state, progress for those that moved since their last record.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_skc_to_tcp_sock};
use monitor_common::{CAUSE_FOUND, CAUSE_PROGRESS, CLASS_IGNORED, ListenerKey, loss};

use crate::flow;
use crate::kernel::{TCP, fill_tuple, make_socket_state, netns_cookie, read, socket_state, tcp_state};
use crate::maps::{LISTENERS, count, offset};
use crate::probes::skb::adopt;
use crate::scope;

/// `struct bpf_iter__tcp` (`net/ipv4/tcp_ipv4.c`).
#[repr(C)]
struct TcpIteration {
    meta: *mut c_void,
    sk_common: *mut c_void,
    uid: u32,
}

/// One socket of the walk.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
extern "C" fn monitor_tcp_iter(ctx: *mut c_void) -> i32 {
    // SAFETY: the context is the iterator's.
    let sk = unsafe { (*ctx.cast::<TcpIteration>()).sk_common };
    if sk.is_null() {
        return 0;
    }
    // SAFETY: the helper tells full TCP sockets from request and TIME_WAIT ones.
    let tcp = unsafe { bpf_skc_to_tcp_sock(sk) };
    if tcp.is_null() {
        return 0;
    }
    let address = tcp as usize;
    let state_number: u8 = read(address, offset!(sk_state));
    if state_number == tcp_state::LISTEN {
        let key = ListenerKey {
            netns: netns_cookie(address),
            port: read(address, offset!(sk_num)),
            reserved: [0; 3],
        };
        // SAFETY: values are plain integers.
        if unsafe { LISTENERS.get(key) }.is_none() {
            let _ = LISTENERS.insert(key, 1, 0);
        }
        return 0;
    }
    if !flow::is_connection(state_number) {
        return 0;
    }
    if let Some(state) = socket_state(tcp.cast()) {
        let moved =
            state.half[0].bytes != state.half[0].reported_bytes || state.half[1].bytes != state.half[1].reported_bytes;
        if (moved || state.untold != 0) && state.class != CLASS_IGNORED && state.opened != 0 {
            flow::write_tcp(state, address, CAUSE_PROGRESS);
        }
        return 0;
    }
    let Some(state) = make_socket_state(tcp.cast()) else {
        count(loss::STATE_FAILED);
        return 0;
    };
    if !fill_tuple(&mut state.tuple, address, TCP) {
        return 0;
    }
    adopt(state, address);
    state.state = state_number;
    // SAFETY: a full socket.
    state.cookie = unsafe { bpf_get_socket_cookie(tcp.cast()) };
    if scope::port_excluded(&state.tuple) || scope::cgroup_excluded(address) {
        state.class = CLASS_IGNORED;
        return 0;
    }
    flow::write_tcp(state, address, CAUSE_FOUND);
    0
}
