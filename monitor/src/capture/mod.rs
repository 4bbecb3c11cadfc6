//! Where events come from: the kernel of a live host, or packets in files; and records that were told before.

#[cfg(feature = "live")]
pub mod ebpf;
#[cfg(feature = "live")]
pub mod facility;
pub mod pcap;
pub mod recorded;
