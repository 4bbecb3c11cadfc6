//! Chunk framing (RFC 9112 section 7.1), a byte at a time or a segment at a time, nothing kept.

/// Place within a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In the chunk size; `digits` of it were seen.
    Size {
        /// Value so far.
        value: u64,
        /// Digits so far.
        digits: u8,
    },
    /// After the size: extensions and white space, up to LF.
    Extension {
        /// Size of the chunk.
        value: u64,
        /// The last byte was CR.
        cr: bool,
    },
    /// In the data.
    Data {
        /// Bytes to come.
        left: u64,
    },
    /// After the data, before CR.
    DataEnd,
    /// After the data and CR, before LF.
    DataLf,
    /// In the trailer section.
    Trailer {
        /// Bytes of the current line, CR left out, counted up to 255.
        line: u8,
    },
}

/// What a run of bytes was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes that belong to the body, framing included.
    pub used: usize,
    /// Of which data.
    pub decoded: u64,
    /// The body is over.
    pub done: bool,
    /// A line ended in LF alone.
    pub bare_lf: bool,
}

/// Framing that cannot be read; the end of the body is not known any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadChunk;

impl Chunked {
    /// Before the first chunk.
    pub(super) const START: Self = Self::Size { value: 0, digits: 0 };

    /// Reads on.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Step, BadChunk> {
        let mut step = Step::default();
        while let Some(&b) = bytes.get(step.used) {
            if let Self::Data { left } = self {
                let here = ((bytes.len() - step.used) as u64).min(*left);
                *left -= here;
                step.used += here as usize;
                step.decoded += here;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            step.used += 1;
            if self.framing(b, &mut step)? {
                step.done = true;
                break;
            }
        }
        Ok(step)
    }

    /// Data bytes to come before framing must be seen again.
    pub(super) const fn data_left(self) -> u64 {
        match self {
            Self::Data { left } => left,
            Self::Size { .. } | Self::Extension { .. } | Self::DataEnd | Self::DataLf | Self::Trailer { .. } => 0,
        }
    }

    /// Passes over data that is not seen; fails when framing is among it.
    pub(super) fn skip(&mut self, len: u64) -> Result<(), BadChunk> {
        match self {
            Self::Data { left } if len <= *left => {
                *left -= len;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                Ok(())
            }
            Self::Data { .. }
            | Self::Size { .. }
            | Self::Extension { .. }
            | Self::DataEnd
            | Self::DataLf
            | Self::Trailer { .. } => Err(BadChunk),
        }
    }

    /// One byte of framing; true at the end of the body.
    fn framing(&mut self, b: u8, step: &mut Step) -> Result<bool, BadChunk> {
        // Sizes above 2^60 have no meaning and would overflow; fifteen digits are enough.
        const MAX_DIGITS: u8 = 15;
        *self = match (*self, b) {
            (Self::Size { value, digits }, _) if b.is_ascii_hexdigit() => {
                // Leading zeros do not make a size large.
                let digits = if value == 0 { 1 } else { digits + 1 };
                if digits > MAX_DIGITS {
                    return Err(BadChunk);
                }
                let digit = (b as char).to_digit(16).unwrap_or(0);
                Self::Size {
                    value: value << 4 | u64::from(digit),
                    digits,
                }
            }
            (Self::Size { digits: 0, .. }, _) => return Err(BadChunk),
            (Self::Size { value, .. }, b'\r') => Self::Extension { value, cr: true },
            (Self::Size { value, .. }, b'\n') => {
                step.bare_lf = true;
                Self::after_size(value)
            }
            (Self::Size { value, .. }, b';' | b' ' | b'\t') => Self::Extension { value, cr: false },
            (Self::Extension { value, cr }, b'\n') => {
                step.bare_lf |= !cr;
                Self::after_size(value)
            }
            (Self::Extension { value, .. }, b) => Self::Extension { value, cr: b == b'\r' },
            (Self::DataEnd, b'\r') => Self::DataLf,
            (Self::DataEnd, b'\n') => {
                step.bare_lf = true;
                Self::START
            }
            (Self::DataLf, b'\n') => Self::START,
            (Self::Size { .. } | Self::DataEnd | Self::DataLf, _) => return Err(BadChunk),
            (Self::Trailer { line: 0 }, b'\n') => return Ok(true),
            (Self::Trailer { .. }, b'\n') => Self::Trailer { line: 0 },
            (Self::Trailer { line }, b'\r') => Self::Trailer { line },
            (Self::Trailer { line }, _) => Self::Trailer {
                line: line.saturating_add(1),
            },
            // `read` takes data in runs.
            (Self::Data { left }, _) => Self::Data { left },
        };
        Ok(false)
    }

    const fn after_size(value: u64) -> Self {
        if value == 0 {
            Self::Trailer { line: 0 }
        } else {
            Self::Data { left: value }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Result<Step, BadChunk> {
        let mut state = Chunked::START;
        state.read(body)
    }

    #[track_caller]
    fn check(body: &[u8], used: usize, decoded: u64) {
        let step = read(body).unwrap();
        assert_eq!((step.used, step.decoded, step.done), (used, decoded, true));
        let mut state = Chunked::START;
        let mut sum = Step::default();
        for b in body.iter().take(used) {
            let step = state.read(&[*b]).unwrap();
            sum.used += step.used;
            sum.decoded += step.decoded;
            sum.done = step.done;
        }
        assert_eq!((sum.used, sum.decoded, sum.done), (used, decoded, true));
    }

    #[test]
    fn reads_to_the_end_and_no_further() {
        check(b"5\r\nhello\r\n0\r\n\r\nGET /", 15, 5);
        check(b"0\r\n\r\n", 5, 0);
        check(b"000A;name=\"v;x\"\r\n0123456789\r\n0\r\n\r\n", 34, 10);
        check(b"1 \r\na\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n", 34, 1);
        check(b"1\na\n0\n\n", 7, 1);
    }

    #[test]
    fn refuses_what_is_no_framing() {
        for body in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"0x5\r\n",
            b"1\r\nab",
            b"ffffffffffffffff\r\n",
            b"1\r\na\rb",
        ] {
            assert_eq!(read(body), Err(BadChunk), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn passes_over_data_but_not_over_framing() {
        let mut state = Chunked::START;
        state.read(b"64\r\nab").unwrap();
        assert_eq!(state.data_left(), 98);
        assert_eq!(state.skip(98), Ok(()));
        assert!(state.read(b"\r\n0\r\n\r\n").unwrap().done);
        let mut state = Chunked::Data { left: 3 };
        assert_eq!(state.skip(4), Err(BadChunk));
    }

    proptest! {
        #[test]
        fn splits_make_no_difference(body: Vec<u8>, at in 0usize..64) {
            let whole = read(&body);
            let mut state = Chunked::START;
            let at = at.min(body.len());
            let parts = state.read(&body[..at]).and_then(|first| {
                if first.done { return Ok(first); }
                let second = state.read(&body[at..])?;
                Ok(Step {
                    used: first.used + second.used,
                    decoded: first.decoded + second.decoded,
                    done: second.done,
                    bare_lf: first.bare_lf | second.bare_lf,
                })
            });
            prop_assert_eq!(whole, parts);
        }
    }
}
