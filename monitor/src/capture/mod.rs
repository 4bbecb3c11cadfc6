//! Where events come from. [`ebpf`] is the running kernel.

pub mod ebpf;
pub mod facility;
