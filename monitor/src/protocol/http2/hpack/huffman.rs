//! The Huffman code of RFC 7541 appendix B. It is canonical: codes of one length follow each other in the order of their
//! symbols, so their lengths are all that need be written down.

/// Length of each symbol's code, bits; the last is EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
];
/// Longest code, bits.
const MAX_BITS: usize = 30;
/// Codes up to this length, those of nearly all text, are looked up at once.
const FAST_BITS: usize = 9;
/// End of string: never sent whole (RFC 7541 section 5.2).
const EOS: u16 = 256;

/// What the lengths make.
struct Code {
    /// Symbol and length by the next bits; length 0 where the code is longer.
    fast: [(u8, u8); 1 << FAST_BITS],
    /// Symbols in the order of their codes.
    symbols: [u16; 257],
    /// By length: the first code beyond those of that length, left-aligned in 32 bits.
    limit: [u32; MAX_BITS + 1],
    /// By length: first code, and where it is in `symbols`.
    first: [(u32, u16); MAX_BITS + 1],
}

static CODE: Code = Code::new();

impl Code {
    const fn new() -> Self {
        let mut code = Self {
            fast: [(0, 0); 1 << FAST_BITS],
            symbols: [0; 257],
            limit: [0; MAX_BITS + 1],
            first: [(0, 0); MAX_BITS + 1],
        };
        let (mut next, mut index, mut length) = (0u32, 0usize, 1usize);
        while length <= MAX_BITS {
            next <<= 1;
            code.first[length] = (next, index as u16);
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[index] = symbol as u16;
                    if length <= FAST_BITS {
                        let shift = FAST_BITS - length;
                        let mut rest = 0;
                        while rest < 1 << shift {
                            code.fast[((next as usize) << shift) + rest] = (symbol as u8, length as u8);
                            rest += 1;
                        }
                    }
                    index += 1;
                    next += 1;
                }
                symbol += 1;
            }
            // The longest codes end at all ones: that is what lies below the limit, too.
            code.limit[length] = ((next as u64) << (32 - length)).saturating_sub(1) as u32;
            length += 1;
        }
        code
    }

    /// Symbol and length of the code that `bits` begin with.
    fn slow(&self, bits: u32) -> (u16, usize) {
        for length in FAST_BITS + 1..=MAX_BITS {
            if bits <= self.limit[length] {
                let (code, index) = self.first[length];
                let at = (bits >> (32 - length)) - code + u32::from(index);
                return (self.symbols.get(at as usize).copied().unwrap_or(EOS), length);
            }
        }
        (EOS, MAX_BITS)
    }
}

/// Adds the text of `coded` to `out`, which grows by at most 8/5 of its length. False where it is no such text: EOS in it,
/// or padding that is longer than seven bits or not of ones (RFC 7541 section 5.2).
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> bool {
    out.reserve(coded.len() * 8 / 5);
    let (mut bits, mut have) = (0u64, 0usize);
    let mut rest = coded.iter();
    loop {
        while have <= 56 {
            let Some(b) = rest.next() else { break };
            bits |= u64::from(*b) << (56 - have);
            have += 8;
        }
        if have == 0 {
            return true;
        }
        let (mut symbol, mut length) = {
            let (symbol, length) = CODE.fast[(bits >> (64 - FAST_BITS)) as usize];
            (u16::from(symbol), usize::from(length))
        };
        if length == 0 {
            (symbol, length) = CODE.slow((bits >> 32) as u32);
        }
        if length > have {
            // Padding, if all that is left are ones.
            return have < 8 && bits >> (64 - have) == (1 << have) - 1;
        }
        if symbol == EOS {
            return false;
        }
        out.push(symbol as u8);
        bits <<= length;
        have -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &[u8]) -> Vec<u8> {
        let (mut out, mut acc, mut have) = (Vec::new(), 0u64, 0usize);
        for b in text {
            let length = usize::from(LENGTHS[usize::from(*b)]);
            let (first, index) = CODE.first[length];
            let at = CODE
                .symbols
                .iter()
                .position(|s| *s == u16::from(*b))
                .expect("every byte has a code") as u32;
            acc = (acc << length) | u64::from(first + at - u32::from(index));
            have += length;
            while have >= 8 {
                out.push((acc >> (have - 8)) as u8);
                have -= 8;
            }
        }
        if have > 0 {
            out.push(((acc << (8 - have)) as u8) | (0xff >> have));
        }
        out
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for text in [&all[..], b"www.example.com", b"", b"a", b"\xff\xff\n"] {
            let mut out = Vec::new();
            assert!(decode(&encode(text), &mut out));
            assert_eq!(out, text);
        }
        assert_eq!(
            encode(b"www.example.com"),
            b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"
        );
    }

    #[test]
    fn refuses_bad_padding_and_eos() {
        let refused = |coded: &[u8]| !decode(coded, &mut Vec::new());
        assert!(
            refused(b"\x00"),
            "zeros are two codes 0 bits long of five and a padding of zeros"
        );
        assert!(refused(b"\xff"), "eight bits of padding");
        assert!(refused(b"\xff\xff\xff\xff"), "EOS");
        assert!(refused(b"\xff\xff\xff\xfc"), "the code of nothing");
    }
}
