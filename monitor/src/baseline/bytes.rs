//! What is learned as bytes for the store: numbers in 7-bit groups (LEB128), and plain ones, little end first.

/// Appends `value`, 7 bits a byte, the lowest first.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value` as it is, 4 bytes.
pub(crate) fn put_f32(out: &mut Vec<u8>, value: f32) {
    out.extend(value.to_le_bytes());
}

/// What is left to read. All reads are `None` beyond the end.
#[derive(Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    /// One byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// What [`put`] wrote.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// What [`put`] wrote, up to `most`.
    pub(crate) fn at_most(&mut self, most: usize) -> Option<usize> {
        let number = usize::try_from(self.number()?).ok()?;
        (number <= most).then_some(number)
    }

    /// A number of two bytes.
    pub(crate) fn short(&mut self) -> Option<u16> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_le_bytes(*first))
    }

    /// What [`put_f32`] wrote, if it is a number and not negative.
    pub(crate) fn f32(&mut self) -> Option<f32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        let value = f32::from_le_bytes(*first);
        (value.is_finite() && value >= 0.0).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_read(values in prop::collection::vec(any::<u64>(), 0..20)) {
            let mut out = Vec::new();
            for value in &values {
                put(&mut out, *value);
                put(&mut out, value >> 40);
            }
            let mut bytes = Bytes(&out);
            for value in &values {
                prop_assert_eq!((bytes.number(), bytes.number()), (Some(*value), Some(value >> 40)));
            }
            prop_assert_eq!(bytes.number(), None);
        }
    }
}
