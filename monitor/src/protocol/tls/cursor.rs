//! Fields behind lengths (RFC 8446 section 3.4), one after the other.

/// The rest of some bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    /// Bytes behind one of length.
    pub(super) fn short(&mut self) -> Option<&'a [u8]> {
        let count = self.u8()?;
        self.take(usize::from(count))
    }

    /// Bytes behind two of length.
    pub(super) fn long(&mut self) -> Option<&'a [u8]> {
        let count = self.u16()?;
        self.take(usize::from(count))
    }

    /// The numbers of two bytes each that are left; an odd byte at the end is none.
    pub(super) fn numbers(self) -> impl Iterator<Item = u16> + use<'a> {
        let (pairs, _) = self.0.as_chunks();
        pairs.iter().map(|pair| u16::from_be_bytes(*pair))
    }
}

/// The extensions in a block of them, as far as they are whole.
pub(super) fn extensions(block: &[u8]) -> impl Iterator<Item = (u16, Cursor<'_>)> {
    let mut rest = Cursor(block);
    std::iter::from_fn(move || {
        let kind = rest.u16()?;
        Some((kind, Cursor(rest.long()?)))
    })
}

/// Whether a block of extensions has nothing but whole ones.
pub(super) fn are_whole(block: &[u8]) -> bool {
    let used: usize = extensions(block).map(|(_, content)| 4 + content.0.len()).sum();
    used == block.len()
}
