//! Where the running kernel keeps its fields, read from its BTF.

use anyhow::{Context, Result, bail};
use monitor_common::{ABSENT, Offsets};

use super::btf::Types;

/// BTF of the running kernel.
pub(super) const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Reads the offset of every field that the programs use; a field that this kernel lacks is [`ABSENT`], and its name is in
/// the list returned beside.
pub(super) fn read() -> Result<(Offsets, Vec<String>)> {
    let bytes = std::fs::read(KERNEL_BTF).with_context(|| {
        format!("{KERNEL_BTF} can not be read: the kernel needs CONFIG_DEBUG_INFO_BTF=y; Linux 6.1 and newer are known to do")
    })?;
    let types = Types::new(bytes).with_context(|| format!("{KERNEL_BTF} can not be understood"))?;
    let mut values = Vec::new();
    let mut absent = Vec::new();
    for &(name, path, alternative) in Offsets::SOURCES {
        let found = types
            .offset(name, path)
            .or_else(|first| match (alternative, path.split_last()) {
                (Some(alternative), Some((_, rest))) => {
                    let path: Vec<&str> = rest.iter().copied().chain([alternative]).collect();
                    types.offset(name, &path)
                }
                _ => Err(first),
            });
        values.push(found.unwrap_or_else(|_| {
            absent.push(format!("{name}.{}", path.join(".")));
            ABSENT
        }));
    }
    let offsets = Offsets::from_slice(&values).context("a list of offsets of another length")?;
    Ok((offsets, absent))
}

/// Refuses a kernel that lacks a field without which nothing is counted right.
pub(super) fn require(absent: &[String]) -> Result<()> {
    let needed = |name: &&String| name.starts_with("sock") || name.starts_with("tcp_sock.") || name.starts_with("net.");
    match absent
        .iter()
        .find(|name| needed(name) && !name.contains("sk_cgrp_data"))
    {
        Some(name) => bail!("this kernel keeps no {name}: it is not one that the monitor knows"),
        None => Ok(()),
    }
}
