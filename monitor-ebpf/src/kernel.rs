//! Reading kernel structs at offsets that userspace found in the running kernel's BTF.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_sk_storage_get, bpf_skc_to_tcp_sock};
use monitor_common::{ABSENT, Address, SocketState, TcpCounters, Tuple};

use crate::maps::{SOCKETS, offset};

/// `TCP_ESTABLISHED` and its siblings (`include/net/tcp_states.h`).
pub(crate) mod tcp_state {
    pub(crate) const ESTABLISHED: u8 = 1;
    pub(crate) const SYN_SENT: u8 = 2;
    pub(crate) const SYN_RECV: u8 = 3;
    pub(crate) const FIN_WAIT1: u8 = 4;
    pub(crate) const TIME_WAIT: u8 = 6;
    pub(crate) const CLOSE: u8 = 7;
    pub(crate) const CLOSE_WAIT: u8 = 8;
    pub(crate) const LAST_ACK: u8 = 9;
    pub(crate) const LISTEN: u8 = 10;
    pub(crate) const CLOSING: u8 = 11;
    pub(crate) const NEW_SYN_RECV: u8 = 12;
}

/// IP protocol numbers.
pub(crate) const TCP: u8 = 6;
/// See [`TCP`].
pub(crate) const UDP: u8 = 17;
/// `AF_INET`.
pub(crate) const INET: u16 = 2;
/// `AF_INET6`.
pub(crate) const INET6: u16 = 10;

/// The value `offset` bytes into the struct at `base`; zero where this kernel has no such field or the read fails.
#[inline(always)]
pub(crate) fn read<T: Copy + Default>(base: usize, offset: u32) -> T {
    if offset == ABSENT {
        return T::default();
    }
    let mut value = T::default();
    // A read that fails fills the value with zeroes (`bpf_probe_read_kernel_common` in kernel/trace/bpf_trace.c). To look
    // whether it did would be two ways for the verifier, and of ten reads a thousand.
    // SAFETY: the helper checks the address.
    unsafe {
        bpf_probe_read_kernel(
            core::ptr::from_mut(&mut value).cast(),
            size_of::<T>() as u32,
            (base + offset as usize) as *const c_void,
        );
    }
    value
}

/// Like [`read`], for a struct that the hook handed over typed: a plain load, which the verifier checks against BTF and
/// the kernel makes safe. A tenth of the helper's cost.
#[inline(always)]
pub(crate) fn load<T: Copy>(base: *mut c_void, offset: u32) -> T {
    // SAFETY: the verifier refuses what is not a field of the struct behind `base`.
    unsafe { core::ptr::read_volatile(base.byte_add(offset as usize).cast::<T>()) }
}

/// [`load`] from the `tcp_sock` (or the `sock` in it) that [`tcp_sock`] gave; zero where this kernel has no such field.
#[inline(always)]
fn field<T: Copy + Default>(sk: usize, offset: u32) -> T {
    if offset == ABSENT {
        return T::default();
    }
    load(sk as *mut c_void, offset)
}

/// The kernel's `tcp_sock` of a socket, typed for the verifier; 0 if it is none.
#[inline(always)]
pub(crate) fn tcp_sock(sk: *mut c_void) -> usize {
    // SAFETY: the helper checks what `sk` is.
    unsafe { bpf_skc_to_tcp_sock(sk) as usize }
}

/// State of a socket, if it has any. `sk` is whatever the hook calls a socket.
#[inline(always)]
pub(crate) fn socket_state(sk: *mut c_void) -> Option<&'static mut SocketState> {
    get(sk, 0)
}

/// State of a socket, made (zeroed) if need be.
#[inline(always)]
pub(crate) fn make_socket_state(sk: *mut c_void) -> Option<&'static mut SocketState> {
    const CREATE: u64 = 1;
    get(sk, CREATE)
}

#[inline(always)]
fn get(sk: *mut c_void, flags: u64) -> Option<&'static mut SocketState> {
    let map = core::ptr::from_ref(&SOCKETS).cast_mut().cast();
    // SAFETY: storage lives as long as its socket, which the hook holds; fields are plain integers, and those that two
    // CPUs may touch at once are counts that the kernel's own put right.
    unsafe {
        bpf_sk_storage_get(map, sk, core::ptr::null_mut(), flags)
            .cast::<SocketState>()
            .as_mut()
    }
}

/// TCP counters of the socket that [`tcp_sock`] gave. The socket may not be locked: of each pair the one that follows is read first, so
/// that a difference is never below zero.
#[inline(always)]
pub(crate) fn tcp_counters(sk: usize) -> TcpCounters {
    TcpCounters {
        bytes_acked: field(sk, offset!(tp_bytes_acked)),
        snd_una: field(sk, offset!(tp_snd_una)),
        write_seq: field(sk, offset!(tp_write_seq)),
        copied_seq: field(sk, offset!(tp_copied_seq)),
        bytes_received: field(sk, offset!(tp_bytes_received)),
        rcv_nxt: field(sk, offset!(tp_rcv_nxt)),
        segs_out: field(sk, offset!(tp_segs_out)),
        segs_in: field(sk, offset!(tp_segs_in)),
        total_retrans: field(sk, offset!(tp_total_retrans)),
        srtt_us: field(sk, offset!(tp_srtt_us)),
    }
}

/// Cookie of the network namespace of the socket at `sk`.
#[inline(always)]
pub(crate) fn netns_cookie(sk: usize) -> u64 {
    let net: usize = read(sk, offset!(sk_net));
    read(net, offset!(net_cookie))
}

/// Whether the other side's FIN was processed: `SOCK_DONE` (bit 1 of `sk_flags`, `include/net/sock.h`), set by
/// `tcp_fin`. Of the socket that [`tcp_sock`] gave.
#[inline(always)]
pub(crate) fn fin_received(sk: usize) -> bool {
    const SOCK_DONE: u64 = 1 << 1;
    field::<u64>(sk, offset!(sk_flags)) & SOCK_DONE != 0
}

/// Fills both ends from the socket that [`tcp_sock`] gave; false while it has no local port.
#[inline(always)]
pub(crate) fn fill_tuple(tuple: &mut Tuple, sk: usize, protocol: u8) -> bool {
    let local_port: u16 = field(sk, offset!(sk_num));
    if local_port == 0 {
        return false;
    }
    tuple.netns = netns_cookie(sk);
    tuple.local_port = local_port;
    tuple.remote_port = u16::from_be(field(sk, offset!(sk_dport)));
    tuple.protocol = protocol;
    if field::<u16>(sk, offset!(sk_family)) == INET6 {
        tuple.local = read(sk, offset!(sk_v6_rcv_saddr));
        tuple.remote = read(sk, offset!(sk_v6_daddr));
    } else {
        tuple.local = mapped(field(sk, offset!(sk_rcv_saddr)));
        tuple.remote = mapped(field(sk, offset!(sk_daddr)));
    }
    tuple.known = 1;
    true
}

/// An IPv4 address (its four bytes as they lie in memory) as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2).
#[inline(always)]
pub(crate) fn mapped(v4: u32) -> Address {
    let low = if cfg!(target_endian = "little") {
        u64::from(v4) << 32 | 0xffff_0000
    } else {
        0xffff_0000_0000 | u64::from(v4)
    };
    [0, low]
}

/// The IPv4 address in a mapped one, as [`mapped`] takes it; `None` for IPv6.
#[inline(always)]
pub(crate) fn unmapped(address: &Address) -> Option<u32> {
    let v4 = if cfg!(target_endian = "little") {
        (address[1] >> 32) as u32
    } else {
        address[1] as u32
    };
    (address[0] == 0 && *address == mapped(v4)).then_some(v4)
}
