//! Header compression (RFC 7541): the receiver's side of one direction.
//!
//! Of our own, since the receiver here may have missed bytes: crates for HTTP/2 ends give up a block at the first
//! reference they cannot resolve, and with it what that block adds to the table. Here such a reference is a field whose
//! name or value is *unknown*, and the rest is read. After a loss the table begins anew, empty: entries count from the
//! latest, so what is added from then on has its right index, and what lies beyond is unknown, never another entry.

mod huffman;
mod table;
#[cfg(test)]
mod tests;

use self::table::{Found, OVERHEAD, Table};

/// Size of a dynamic table unless its sender says otherwise (RFC 9113 section 6.5.2, `SETTINGS_HEADER_TABLE_SIZE`).
const DEFAULT_TABLE: usize = 4096;
/// Largest table kept, bytes; ends in use ask for 4 to 64 KiB. Of a larger one the older entries are unknown.
const MAX_TABLE: usize = 64 * 1024;
/// Largest header list told of one block, by the measure of RFC 9113 section 6.5.2; servers take 8 to 64 KiB, browsers
/// 256 KiB. A block may refer to one large field many times, so this bounds work and not only memory.
const MAX_LIST: usize = 256 * 1024;

/// One field; a part that refers to what was not seen is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// As on the wire.
    pub name: Option<&'a [u8]>,
    /// As on the wire.
    pub value: Option<&'a [u8]>,
}

/// Why a block cannot be read to its end. Its sender would close the connection (`COMPRESSION_ERROR`, RFC 9113 section
/// 4.3); fields before the place were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It ends within a field.
    Cut,
    /// A number beyond 32 bits.
    Number,
    /// A string that is no text of the Huffman code.
    Huffman,
    /// An index that is in no table.
    Index,
    /// A change of the table's size after a field (RFC 7541 section 4.2).
    LateResize,
}

/// What a block was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Fields, of which some may not have been told.
    pub fields: usize,
    /// Size of the list as RFC 9113 section 6.5.2 measures it; more than what was told where it is over the bound.
    pub size: usize,
    /// Some fields were not told, since the list is longer than what is read.
    pub over_bound: bool,
    /// Some parts were unknown.
    pub unknown: bool,
}

/// Reads the header blocks of one direction, in order.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Decoder {
    /// For a connection that is seen from its beginning, or not.
    pub fn new(from_beginning: bool) -> Self {
        Self {
            table: Table::new(DEFAULT_TABLE, from_beginning),
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// A block was missed: what was known of the table is void.
    pub fn forget(&mut self) {
        self.table.forget();
    }

    /// Whether every entry that a block may refer to is known.
    pub fn is_whole(&self) -> bool {
        self.table.is_whole()
    }

    /// Reads a block, and tells its fields.
    pub fn decode(&mut self, block: &[u8], mut each: impl FnMut(Field<'_>)) -> Result<Summary, Error> {
        let mut summary = Summary::default();
        let mut rest = block;
        while let Some(first) = rest.first().copied() {
            match first {
                // Indexed field (section 6.1).
                0x80.. => {
                    let index = number(&mut rest, 7)?;
                    let (name, value) = match self.table.get(index) {
                        Found::Entry(name, value) => (name, Some(value)),
                        Found::Unseen => (None, None),
                        Found::Nothing => return Err(Error::Index),
                    };
                    summary.add(Field { name, value }, &mut each);
                }
                // Literal, added to the table (section 6.2.1).
                0x40.. => self.literal(&mut rest, 6, true, &mut summary, &mut each)?,
                // Change of the table's size (section 6.3).
                0x20.. => {
                    if summary.fields > 0 {
                        return Err(Error::LateResize);
                    }
                    let max = number(&mut rest, 5)?;
                    if max > MAX_TABLE {
                        self.table.is_not_whole();
                    }
                    self.table.set_max(max.min(MAX_TABLE));
                }
                // Literal, not added (sections 6.2.2 and 6.2.3).
                _ => self.literal(&mut rest, 4, false, &mut summary, &mut each)?,
            }
        }
        Ok(summary)
    }

    fn literal(
        &mut self,
        rest: &mut &[u8],
        prefix: u32,
        indexed: bool,
        summary: &mut Summary,
        each: &mut impl FnMut(Field<'_>),
    ) -> Result<(), Error> {
        let index = number(rest, prefix)?;
        self.name.clear();
        let mut named = true;
        if index == 0 {
            string(rest, &mut self.name)?;
        } else {
            match self.table.get(index) {
                Found::Entry(Some(name), _) => self.name.extend_from_slice(name),
                Found::Entry(None, _) | Found::Unseen => named = false,
                Found::Nothing => return Err(Error::Index),
            }
        }
        self.value.clear();
        string(rest, &mut self.value)?;
        let name = named.then_some(&self.name[..]);
        if indexed {
            self.table.insert(name, &self.value);
        }
        let value = Some(&self.value[..]);
        summary.add(Field { name, value }, each);
        Ok(())
    }
}

impl Summary {
    fn add(&mut self, field: Field<'_>, each: &mut impl FnMut(Field<'_>)) {
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        self.fields += 1;
        self.size += length(field.name) + length(field.value) + OVERHEAD;
        self.unknown |= field.name.is_none() || field.value.is_none();
        if self.size > MAX_LIST {
            self.over_bound = true;
        } else {
            each(field);
        }
    }
}

/// A number whose first byte has `prefix` bits of it (RFC 7541 section 5.1).
fn number(rest: &mut &[u8], prefix: u32) -> Result<usize, Error> {
    let (first, after) = rest.split_first().ok_or(Error::Cut)?;
    *rest = after;
    let mask = (1u64 << prefix) - 1;
    let mut value = u64::from(*first) & mask;
    if value < mask {
        return Ok(value as usize);
    }
    for shift in [0, 7, 14, 21, 28] {
        let (byte, after) = rest.split_first().ok_or(Error::Cut)?;
        *rest = after;
        value += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).map(|v| v as usize).map_err(|_| Error::Number);
        }
    }
    Err(Error::Number)
}

/// A string (RFC 7541 section 5.2), added to `out`.
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let coded = rest.first().is_some_and(|b| b & 0x80 != 0);
    let length = number(rest, 7)?;
    let (bytes, after) = rest.split_at_checked(length).ok_or(Error::Cut)?;
    *rest = after;
    if !coded {
        out.extend_from_slice(bytes);
    } else if !huffman::decode(bytes, out) {
        return Err(Error::Huffman);
    }
    Ok(())
}
