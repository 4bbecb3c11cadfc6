//! Maps and globals. Sizes here are defaults; the loader sets those that configuration may change.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::btf_maps::SkStorage;
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use monitor_common::{
    Bucket, CurrentRequest, DestinationKey, FlowKey, FlowRecord, Knobs, ListenerKey, Offsets, Owner, Policy,
    SocketState, Tail, Total, TotalKey, UdpFlow, UdpKey, loss,
};

/// Settings.
#[unsafe(no_mangle)]
static KNOBS: Knobs = Knobs::DEFAULT;

/// Where this kernel keeps its fields.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets::UNKNOWN;

/// One setting. Read as volatile since the loader, not the compiler, knows the value; the verifier sees a constant and
/// drops what it switches off.
macro_rules! knob {
    ($field:ident) => {
        $crate::maps::volatile(&$crate::maps::knobs().$field)
    };
}

/// One offset, like [`knob`].
macro_rules! offset {
    ($field:ident) => {
        $crate::maps::volatile(&$crate::maps::offsets().$field)
    };
}
pub(crate) use {knob, offset};

#[inline(always)]
pub(crate) fn volatile<T: Copy>(global: &'static T) -> T {
    // SAFETY: a reference is valid to read.
    unsafe { core::ptr::read_volatile(global) }
}

#[inline(always)]
pub(crate) fn knobs() -> &'static Knobs {
    &KNOBS
}

#[inline(always)]
pub(crate) fn offsets() -> &'static Offsets {
    &OFFSETS
}

/// Open, owner, progress, close and process records. Payload can never fill it.
#[map]
pub(crate) static LIFECYCLE: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Chunks of payload.
#[map]
pub(crate) static PAYLOAD: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// Counters by `monitor_common::loss`.
#[map]
pub(crate) static COUNTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(loss::COUNTS, 0);

/// State of each socket, freed with it.
#[btf_map]
pub(crate) static SOCKETS: SkStorage<SocketState> = SkStorage::new();

/// UDP flows by socket and peer.
#[map]
pub(crate) static UDP_FLOWS: HashMap<UdpKey, UdpFlow> = HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);

/// Close records that found the life-cycle ring full; the daemon drains them every second.
#[map]
pub(crate) static CLOSED: HashMap<FlowKey, FlowRecord> = HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);

/// Bytes of flows whose close record neither took.
#[map]
pub(crate) static TOTALS: PerCpuHashMap<TotalKey, Total> = PerCpuHashMap::with_max_entries(8_192, BPF_F_NO_PREALLOC);

/// Ends of turns that are longer than what is copied.
#[map]
pub(crate) static TAILS: HashMap<FlowKey, Tail> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

/// A zeroed value to insert, so that the real one can be filled in place and not on the 512 bytes of stack.
#[map]
pub(crate) static BLANK_RECORD: Array<FlowRecord> = Array::with_max_entries(1, 0);

/// See [`BLANK_RECORD`].
#[map]
pub(crate) static BLANK_UDP_FLOW: Array<UdpFlow> = Array::with_max_entries(1, 0);

/// Wishes of the engine about single flows.
#[map]
pub(crate) static POLICIES: HashMap<FlowKey, Policy> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

/// Grows when the engine changes `POLICIES`, so that a socket looks there once a change and not once a turn.
#[map]
pub(crate) static POLICY_EPOCH: Array<u32> = Array::with_max_entries(1, 0);

/// Of 65,536 connections so many are not copied, to stay within the CPU budget.
#[map]
pub(crate) static LEFT_OUT: Array<u32> = Array::with_max_entries(1, 0);

/// Bytes to copy of each request, by local port; 0 = the default.
#[map]
pub(crate) static SERVICE_SNAP: Array<u32> = Array::with_max_entries(65_536, 0);

/// Request that each thread read last, by the low 16 bits of its id.
#[map]
pub(crate) static CURRENT_REQUESTS: Array<CurrentRequest> = Array::with_max_entries(65_536, 0);

/// Programs that were described already.
#[map]
pub(crate) static PROGRAMS: LruHashMap<Owner, u32> = LruHashMap::with_max_entries(16_384, 0);

/// Sockets that listen, with their number.
#[map]
pub(crate) static LISTENERS: HashMap<ListenerKey, u32> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

/// Destinations served on this host, learned by the engine.
#[map]
pub(crate) static LOCAL_DESTINATIONS: LruHashMap<DestinationKey, u32> = LruHashMap::with_max_entries(4_096, 0);

/// cgroups in (1) or out of (2) scope, by id; what lies below is too.
#[map]
pub(crate) static SCOPE: HashMap<u64, u32> = HashMap::with_max_entries(1_024, 0);

/// Ports out of scope, a bit each.
#[map]
pub(crate) static EXCLUDED_PORTS: Array<u64> = Array::with_max_entries(1_024, 0);

/// What each CPU may copy of payload that anyone may send unasked.
#[map]
pub(crate) static UNASKED: PerCpuArray<Bucket> = PerCpuArray::with_max_entries(1, 0);

/// Flag of an insertion: not if the key is there (`BPF_NOEXIST`).
pub(crate) const NO_EXIST: u64 = 1;
/// Bytes a second of [`UNASKED`], a CPU. A busy resolver's answers are a tenth of that.
const UNASKED_BYTES_PER_S: u64 = 4 << 20;

/// Whether this CPU may copy `bytes` more of what nobody asked for; takes them.
#[inline(always)]
pub(crate) fn take_unasked(bytes: u32, now: u64) -> bool {
    let Some(bucket) = UNASKED.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: this CPU's own; that a softirq may interrupt costs a few tokens at worst.
    let bucket = unsafe { &mut *bucket };
    let millis = now.wrapping_sub(bucket.refill_ns) / 1_000_000;
    if millis > 0 {
        let earned = UNASKED_BYTES_PER_S / 1_000 * if millis > 250 { 250 } else { millis };
        let full = bucket.tokens + earned as i64;
        let most = (UNASKED_BYTES_PER_S / 4) as i64;
        bucket.tokens = if full < most { full } else { most };
        bucket.refill_ns = now;
    }
    if bucket.tokens <= 0 {
        count(loss::UNASKED);
        return false;
    }
    bucket.tokens -= i64::from(bytes);
    true
}

/// Adds to a counter that another program may interrupt or write at once.
#[inline(always)]
pub(crate) fn add(to: &mut u64, by: u64) {
    // SAFETY: a live counter.
    unsafe { core::intrinsics::atomic_xadd::<u64, u64, { core::intrinsics::AtomicOrdering::Relaxed }>(to, by) };
}

/// Counts one more of `cause`.
#[inline(always)]
pub(crate) fn count(cause: u32) {
    if let Some(counter) = COUNTS.get_ptr_mut(cause) {
        // A program may be interrupted by another on the same CPU: a plain `+= 1` could lose one.
        // SAFETY: a live element of a per-CPU array.
        unsafe { core::intrinsics::atomic_xadd::<u64, u64, { core::intrinsics::AtomicOrdering::Relaxed }>(counter, 1) };
    }
}
