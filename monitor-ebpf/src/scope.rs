//! `[capture]` scoping: which sockets are watched at all. Asked once a connection; free when nothing is configured.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_ancestor_cgroup_id;
use monitor_common::Tuple;

use crate::kernel::read;
use crate::maps::{EXCLUDED_PORTS, SCOPE, knob, offset};

/// Deepest cgroup nesting that is searched.
const MAX_DEPTH: u32 = 16;

/// Whether the configuration leaves this cgroup out. `sk` is the kernel's socket.
#[inline(always)]
pub(crate) fn cgroup_excluded(sk: usize) -> bool {
    let include = knob!(include_cgroups) != 0;
    if !include && knob!(exclude_cgroups) == 0 {
        return false;
    }
    excluded_by_ancestors(read(sk, offset!(sk_cgroup)), include)
}

/// The nearest ancestor that is named decides.
#[inline(never)]
fn excluded_by_ancestors(mut cgroup: usize, include: bool) -> bool {
    for _ in 0..MAX_DEPTH {
        if cgroup == 0 {
            break;
        }
        let node: usize = read(cgroup, offset!(cgroup_kn));
        let id: u64 = read(node, offset!(kn_id));
        // SAFETY: values are plain integers.
        match unsafe { SCOPE.get(id) } {
            Some(1) => return false,
            Some(_) => return true,
            None => {}
        }
        // `cgroup.self` is its first member, so a state's address is its cgroup's.
        cgroup = read(cgroup, offset!(cgroup_parent));
    }
    include
}

/// Like [`cgroup_excluded`], for a socket that the hook knows by its packet alone.
#[inline(never)]
pub(crate) fn packet_excluded(skb: *mut __sk_buff) -> bool {
    let include = knob!(include_cgroups) != 0;
    if !include && knob!(exclude_cgroups) == 0 {
        return false;
    }
    let mut excluded = include;
    for level in 0..MAX_DEPTH as i32 {
        // SAFETY: the context is the hook's.
        let id = unsafe { bpf_skb_ancestor_cgroup_id(skb, level) };
        if id == 0 {
            break;
        }
        // The deepest that is named decides.
        // SAFETY: values are plain integers.
        if let Some(mark) = unsafe { SCOPE.get(id) } {
            excluded = *mark != 1;
        }
    }
    excluded
}

/// Whether the configuration leaves either port out.
#[inline(always)]
pub(crate) fn port_excluded(tuple: &Tuple) -> bool {
    knob!(exclude_ports) != 0 && (bit(tuple.local_port) || bit(tuple.remote_port))
}

#[inline(always)]
fn bit(port: u16) -> bool {
    EXCLUDED_PORTS
        .get(u32::from(port) >> 6)
        .is_some_and(|word| (word >> (port & 63)) & 1 == 1)
}
