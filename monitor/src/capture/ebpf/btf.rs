//! Just enough of BTF to find where a kernel struct keeps a member (Linux Documentation/bpf/btf.rst).
//!
//! The types of a kernel are some 5 MB; they are looked through in place, and only structs and unions are taken apart.

use std::mem::size_of;

use anyhow::{Context, Result, bail};

/// `struct btf_header`: magic u16, version u8, flags u8, then header, type and string lengths and offsets, u32 each.
const MAGIC: u16 = 0xeb9f;
/// `struct btf_type`: name, info, size or type.
const TYPE_BYTES: usize = 12;
/// Depth of typedefs, qualifiers and anonymous members that is followed.
const MAX_DEPTH: u32 = 16;

// Kinds, `BTF_KIND_*` of include/uapi/linux/btf.h.
const INT: u32 = 1;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;
const LAST_KIND: u32 = ENUM64;

/// The types of a kernel.
pub(super) struct Types {
    bytes: Vec<u8>,
    /// Where each type begins; type ids count from 1.
    starts: Vec<usize>,
    strings: usize,
}

/// One type.
#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    info: u32,
    target: u32,
}

impl Type {
    const fn kind(self) -> u32 {
        (self.info >> 24) & 0x1f
    }

    const fn members(self) -> usize {
        (self.info & 0xffff) as usize
    }

    /// Whether member offsets hold the size of a bit field in their top byte.
    const fn has_bit_fields(self) -> bool {
        self.info >> 31 == 1
    }
}

impl Types {
    /// Indexes the types in `bytes`.
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self> {
        let mut types = Self {
            bytes,
            starts: Vec::new(),
            strings: 0,
        };
        let magic = types.bytes.first_chunk().map(|b| u16::from_ne_bytes(*b));
        if magic != Some(MAGIC) {
            bail!("no BTF of this machine's byte order");
        }
        let header = types.u32(4)? as usize;
        let (type_offset, type_bytes) = (types.u32(8)? as usize, types.u32(12)? as usize);
        types.strings = header + types.u32(16)? as usize;
        let mut at = header + type_offset;
        let end = at + type_bytes;
        while at < end {
            types.starts.push(at);
            let found = types.at(at)?;
            at += TYPE_BYTES + trailing_bytes(found)?;
        }
        Ok(types)
    }

    /// Byte offset of the member at `path` within the struct `name`; members of anonymous ones count as the outer's.
    pub(super) fn offset(&self, name: &str, path: &[&str]) -> Result<u32> {
        let mut current = self
            .starts
            .iter()
            .filter_map(|&at| self.at(at).ok())
            .find(|t| t.kind() == STRUCT && self.name_is(t.name, name))
            .with_context(|| format!("no struct {name}"))?;
        let mut bits = 0;
        for member in path {
            let (offset, target) = self
                .member(current, member, MAX_DEPTH)?
                .with_context(|| format!("{name} has no {member}"))?;
            bits += offset;
            current = self.bare(target)?;
        }
        Ok(bits / 8)
    }

    /// Offset in bits, and type id, of a member.
    fn member(&self, container: Type, wanted: &str, depth: u32) -> Result<Option<(u32, u32)>> {
        /// `struct btf_member`: name, type, offset.
        const MEMBER_BYTES: usize = 12;
        if depth == 0 || !matches!(container.kind(), STRUCT | UNION) {
            return Ok(None);
        }
        for index in 0..container.members() {
            let at = container.at + TYPE_BYTES + index * MEMBER_BYTES;
            let (name, target, offset) = (self.u32(at)?, self.u32(at + 4)?, self.u32(at + 8)?);
            let bits = if container.has_bit_fields() {
                offset & 0x00ff_ffff
            } else {
                offset
            };
            if self.name_is(name, wanted) {
                return Ok(Some((bits, target)));
            }
            if self.name_is(name, "") {
                let inner = self.bare(target)?;
                if let Some((offset, found)) = self.member(inner, wanted, depth - 1)? {
                    return Ok(Some((bits + offset, found)));
                }
            }
        }
        Ok(None)
    }

    /// The type behind typedefs and qualifiers.
    fn bare(&self, id: u32) -> Result<Type> {
        let mut found = self.by_id(id)?;
        for _ in 0..MAX_DEPTH {
            match found.kind() {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG if found.target != 0 => {
                    found = self.by_id(found.target)?;
                }
                _ => break,
            }
        }
        Ok(found)
    }

    fn by_id(&self, id: u32) -> Result<Type> {
        let index = (id as usize).checked_sub(1).context("void has no members")?;
        self.at(*self.starts.get(index).context("a type id beyond the last")?)
    }

    fn at(&self, at: usize) -> Result<Type> {
        Ok(Type {
            at,
            name: self.u32(at)?,
            info: self.u32(at + 4)?,
            target: self.u32(at + 8)?,
        })
    }

    fn name_is(&self, offset: u32, wanted: &str) -> bool {
        let name = self.bytes.get(self.strings + offset as usize..).unwrap_or_default();
        name.starts_with(wanted.as_bytes()) && name.get(wanted.len()) == Some(&0)
    }

    fn u32(&self, at: usize) -> Result<u32> {
        let bytes = self.bytes.get(at..at + size_of::<u32>()).and_then(|b| b.first_chunk());
        bytes.map(|b| u32::from_ne_bytes(*b)).context("BTF is cut short")
    }
}

/// Bytes that follow a type's common part.
fn trailing_bytes(of: Type) -> Result<usize> {
    let kind = of.kind();
    Ok(match kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * of.members(),
        ENUM | FUNC_PROTO => 8 * of.members(),
        _ if kind <= LAST_KIND => 0,
        _ => bail!("BTF kind {kind} is newer than this version"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct s { int a; union { int b; t c; }; }` with `typedef struct u t` and `struct u { int d; int e; }`.
    fn sample() -> Vec<u8> {
        let strings = b"\0s\0a\0b\0c\0t\0u\0d\0e\0int\0";
        let name = |n: &str| {
            let wanted = [b"\0", n.as_bytes(), b"\0"].concat();
            strings
                .windows(wanted.len())
                .position(|w| w == wanted)
                .map_or(0, |p| p as u32 + 1)
        };
        let info = |kind: u32, members: u32| kind << 24 | members;
        #[rustfmt::skip]
        let types: Vec<u32> = vec![
            name("int"), info(INT, 0), 4, 32,                                                        // 1
            name("s"), info(STRUCT, 2), 12, name("a"), 1, 0, 0, 3, 32,                               // 2
            0, info(UNION, 2), 8, name("b"), 1, 0, name("c"), 4, 0,                                  // 3
            name("t"), info(TYPEDEF, 0), 5,                                                          // 4
            name("u"), info(STRUCT, 2), 8, name("d"), 1, 0, name("e"), 1, 32,                        // 5
        ];
        let type_bytes = types.len() as u32 * 4;
        let mut bytes = [&MAGIC.to_ne_bytes()[..], &[1, 0]].concat();
        for word in [24, 0, type_bytes, type_bytes, strings.len() as u32]
            .into_iter()
            .chain(types)
        {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn finds_members_through_anonymous_unions_and_typedefs() {
        let types = Types::new(sample()).unwrap();
        assert_eq!(types.offset("s", &["a"]).unwrap(), 0);
        assert_eq!(types.offset("s", &["b"]).unwrap(), 4);
        assert_eq!(types.offset("s", &["c", "e"]).unwrap(), 8);
        assert!(types.offset("s", &["x"]).is_err());
        assert!(types.offset("nothing", &["a"]).is_err());
    }

    #[test]
    fn a_cut_file_is_an_error() {
        let whole = sample();
        assert!((0..100).all(|length| Types::new(whole[..length].to_vec()).is_err()));
    }
}
