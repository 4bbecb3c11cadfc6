//! Capabilities (capabilities(7)) of the calling thread.

use rustix::io::{Errno, Result};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Keeps of what this thread has no more than `wanted`, in all of its sets.
pub(super) fn keep(wanted: CapabilitySet) -> Result<()> {
    let has = capabilities(None)?;
    // Ambient ones are a part of the inheritable, so the last step would do; a thread that has none left is told apart.
    clear_ambient_capability_set()?;
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        // Beyond the last that this kernel knows: EINVAL (prctl(2)).
        let Ok(bounded) = capability_is_in_bounding_set(one) else {
            break;
        };
        if bounded && !wanted.contains(one) {
            match remove_capability_from_bounding_set(one) {
                // It takes CAP_SETPCAP, which a unit may have withheld. Without new privileges and without exec the set
                // bounds nothing that could come back.
                Ok(()) | Err(Errno::PERM) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let kept = has.permitted & wanted;
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )
}

/// As capabilities(7) names them, without `CAP_`, in lower case.
pub(super) fn names(set: CapabilitySet) -> Vec<String> {
    (0..u64::BITS)
        .map(|bit| CapabilitySet::from_bits_retain(1 << bit))
        .filter(|one| set.contains(*one))
        .map(|one| {
            one.iter_names()
                .next()
                .map_or_else(|| format!("{:#x}", one.bits()), |(name, _)| name.to_lowercase())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_names() {
        let set = CapabilitySet::SYS_ADMIN | CapabilitySet::BPF | CapabilitySet::from_bits_retain(1 << 63);
        assert_eq!(names(set), ["sys_admin", "bpf", "0x8000000000000000"]);
    }
}
