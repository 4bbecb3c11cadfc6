//! `iter/tcp`: sockets that exist when the monitor starts, and reconciliation afterwards.
//!
//! - Relies on: `bpf_iter__tcp { meta, sk_common, uid }` (5.9); walks the network namespace of who reads the iterator.
//! - Costs: one look-up of socket storage a socket and walk, and a record where it moved; walks happen at the start,
//!   every 30 s and after a loss.
//! - Writes: found for sockets without state, progress for those that moved since their last record. Into the
//!   iterator's own output: every connection that lives, and an entry at the end of the namespace.

use core::ffi::c_void;

use aya_ebpf::bindings::seq_file;
use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_get_socket_cookie, bpf_seq_write, bpf_skc_to_tcp_sock};
use monitor_common::{CAUSE_FOUND, CAUSE_PROGRESS, CLASS_IGNORED, ListenerKey, SocketState, Walked, loss};

use crate::flow;
use crate::kernel::{TCP, fill_tuple, make_socket_state, netns_cookie, read, socket_state, tcp_state};
use crate::maps::{LISTENERS, count, offset};
use crate::probes::skb::adopt;
use crate::scope;

/// `struct bpf_iter__tcp` (`net/ipv4/tcp_ipv4.c`).
#[repr(C)]
struct TcpIteration {
    meta: *mut IterationMeta,
    sk_common: *mut c_void,
    uid: u32,
}

/// The start of `struct bpf_iter_meta` (`include/linux/bpf.h`).
#[repr(C)]
struct IterationMeta {
    seq: *mut c_void,
}

/// One socket of the walk; none at its end.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
extern "C" fn monitor_tcp_iter(ctx: *mut c_void) -> i32 {
    // SAFETY: the context is the iterator's.
    let (sk, seq) = unsafe {
        let iteration = ctx.cast::<TcpIteration>();
        ((*iteration).sk_common, (*(*iteration).meta).seq.cast())
    };
    if sk.is_null() {
        tell(
            seq,
            &Walked {
                netns: current_netns(),
                ..Walked::default()
            },
        );
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
        lives(seq, state);
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
    lives(seq, state);
    0
}

#[inline(always)]
fn lives(seq: *mut seq_file, state: &SocketState) {
    tell(
        seq,
        &Walked {
            cookie: state.cookie,
            netns: state.tuple.netns,
            generation: state.generation,
            reserved: 0,
        },
    );
}

/// A full buffer has the kernel come again with this socket.
#[inline(always)]
fn tell(seq: *mut seq_file, entry: &Walked) {
    let bytes = size_of::<Walked>() as u32;
    // SAFETY: `seq` is the iterator's, `entry` as long as said.
    unsafe { bpf_seq_write(seq, core::ptr::from_ref(entry).cast(), bytes) };
}

/// Cookie of the network namespace of the reader: the one that is walked.
#[inline(always)]
fn current_netns() -> u64 {
    // SAFETY: takes nothing.
    let task = unsafe { bpf_get_current_task() } as usize;
    let namespaces: usize = read(task, offset!(task_nsproxy));
    let net: usize = read(namespaces, offset!(nsproxy_net));
    read(net, offset!(net_cookie))
}
