//! Where the running kernel keeps its fields, read from its BTF.

use anyhow::{Context, Result, bail};
use btf_rs::{Btf, Type};
use monitor_common::{ABSENT, Offsets};

/// BTF of the running kernel.
pub(super) const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Reads the offset of every field that the programs use; a field that this kernel lacks is [`ABSENT`], and its name is in
/// the list returned beside.
pub(super) fn read() -> Result<(Offsets, Vec<String>)> {
    let btf = Btf::from_file(KERNEL_BTF)
        .with_context(|| format!("{KERNEL_BTF} can not be read: the kernel needs CONFIG_DEBUG_INFO_BTF=y (5.4)"))?;
    let mut values = Vec::new();
    let mut absent = Vec::new();
    for &(name, path, alternative) in Offsets::SOURCES {
        let found = resolve(&btf, name, path).or_else(|first| match (alternative, path.split_last()) {
            (Some(alternative), Some((_, rest))) => {
                let path: Vec<&str> = rest.iter().copied().chain([alternative]).collect();
                resolve(&btf, name, &path)
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

/// Byte offset of the member at `path` within the struct `name`.
fn resolve(btf: &Btf, name: &str, path: &[&str]) -> Result<u32> {
    let mut current = btf
        .resolve_types_by_name(name)?
        .into_iter()
        .find(|t| matches!(t, Type::Struct(_)))
        .with_context(|| format!("no struct {name}"))?;
    let mut bits = 0;
    for member in path {
        let (offset, next) = find_member(btf, &current, member)?.with_context(|| format!("{name} has no {member}"))?;
        bits += offset;
        current = next;
    }
    Ok(bits / 8)
}

/// Offset in bits and type of a member, also within anonymous structs and unions.
fn find_member(btf: &Btf, container: &Type, wanted: &str) -> Result<Option<(u32, Type)>> {
    let (Type::Struct(s) | Type::Union(s)) = container else {
        bail!("{} is no struct", container.name())
    };
    for member in &s.members {
        let name = btf.resolve_name(member).unwrap_or_default();
        if name == wanted {
            return Ok(Some((
                member.bit_offset(),
                bare(btf, btf.resolve_chained_type(member)?)?,
            )));
        }
        if name.is_empty() {
            let inner = bare(btf, btf.resolve_chained_type(member)?)?;
            if let Some((offset, found)) = find_member(btf, &inner, wanted)? {
                return Ok(Some((member.bit_offset() + offset, found)));
            }
        }
    }
    Ok(None)
}

/// The type behind typedefs and qualifiers.
fn bare(btf: &Btf, mut of: Type) -> Result<Type> {
    loop {
        of = match &of {
            Type::Typedef(t) => btf.resolve_chained_type(t)?,
            Type::TypeTag(t) => btf.resolve_chained_type(t)?,
            Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => btf.resolve_chained_type(t)?,
            _ => return Ok(of),
        };
    }
}
