//! Chunk framing (RFC 9112 section 7.1), a byte at a time or a segment at a time, nothing kept.

use super::anomaly::{Anomalies, Anomaly};
use super::extension::Extension;
use super::trailer::Trailer;

/// Most digits of a chunk size that has a meaning: those of 64 bits. More are zeros, and meant to count past a bound.
const MAX_DIGITS: u8 = 16;

/// Place within a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In the chunk size.
    Size {
        /// Value so far.
        value: u64,
        /// Digits so far, leading zeros among them; counted up to 255.
        digits: u8,
    },
    /// In white space after the size.
    Space {
        /// Size of the chunk.
        value: u64,
    },
    /// After the size: extensions, up to LF.
    Extension {
        /// Size of the chunk.
        value: u64,
        /// Where in them.
        extension: Extension,
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
    Trailer(Trailer),
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
    /// The framing cannot be read; the end of the body is not known any more.
    pub bad: bool,
    /// What was odd.
    pub anomalies: Anomalies,
}

/// What a byte of framing leads to.
enum Next {
    Place(Chunked),
    Done,
    Bad,
}

impl Chunked {
    /// Before the first chunk.
    pub(super) const START: Self = Self::Size { value: 0, digits: 0 };

    /// Reads on.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Step {
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
            match self.framing(b, &mut step.anomalies) {
                Next::Place(place) => *self = place,
                Next::Done => {
                    step.done = true;
                    break;
                }
                Next::Bad => {
                    step.bad = true;
                    step.anomalies.add(Anomaly::BadChunk);
                    break;
                }
            }
        }
        step
    }

    /// Data bytes to come before framing must be seen again.
    pub(super) const fn data_left(self) -> u64 {
        match self {
            Self::Data { left } => left,
            Self::Size { .. }
            | Self::Space { .. }
            | Self::Extension { .. }
            | Self::DataEnd
            | Self::DataLf
            | Self::Trailer(_) => 0,
        }
    }

    /// Passes over data that is not seen; false when framing is among it.
    pub(super) fn skip(&mut self, len: u64) -> bool {
        match self {
            Self::Data { left } if len <= *left => {
                *left -= len;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                true
            }
            Self::Data { .. }
            | Self::Size { .. }
            | Self::Space { .. }
            | Self::Extension { .. }
            | Self::DataEnd
            | Self::DataLf
            | Self::Trailer(_) => false,
        }
    }

    /// One byte of framing.
    fn framing(self, b: u8, odd: &mut Anomalies) -> Next {
        Next::Place(match (self, b) {
            (Self::Size { value, digits }, _) if b.is_ascii_hexdigit() => {
                // Sizes of 2^60 and more have no meaning and would overflow.
                if value >> 56 != 0 {
                    return Next::Bad;
                }
                let digit = (b as char).to_digit(16).unwrap_or(0);
                let digits = digits.saturating_add(1);
                odd.add_if(digits > MAX_DIGITS, Anomaly::OddChunkSize);
                Self::Size {
                    value: value << 4 | u64::from(digit),
                    digits,
                }
            }
            (Self::Size { digits: 0, .. }, b' ' | b'\t') => {
                odd.add(Anomaly::OddChunkSize);
                Self::START
            }
            (Self::Size { digits: 0, .. }, _) => return Next::Bad,
            (Self::Size { value, .. } | Self::Space { value }, b' ' | b'\t') => {
                odd.add(Anomaly::OddChunkSize);
                Self::Space { value }
            }
            (Self::Size { value, .. } | Self::Space { value }, b'\r') => Self::Extension {
                value,
                extension: Extension::END_OF_LINE,
            },
            (Self::Size { value, .. } | Self::Space { value }, b';') => Self::Extension {
                value,
                extension: Extension::START,
            },
            (Self::Size { value, .. } | Self::Space { value }, b'\n') => {
                odd.add(Anomaly::BareLf);
                Self::after_size(value)
            }
            (Self::Extension { value, extension }, b'\n') => {
                extension.end(odd);
                Self::after_size(value)
            }
            (Self::Extension { value, extension }, b) => Self::Extension {
                value,
                extension: extension.next(b, odd),
            },
            (Self::DataEnd, b'\r') => Self::DataLf,
            (Self::DataEnd, b'\n') => {
                odd.add(Anomaly::BareLf);
                Self::START
            }
            (Self::DataLf, b'\n') => Self::START,
            (Self::Size { .. } | Self::Space { .. } | Self::DataEnd | Self::DataLf, _) => return Next::Bad,
            (Self::Trailer(mut trailer), b) => {
                if trailer.is_over(b, odd) {
                    return Next::Done;
                }
                Self::Trailer(trailer)
            }
            // `read` takes data in runs.
            (Self::Data { left }, _) => Self::Data { left },
        })
    }

    const fn after_size(value: u64) -> Self {
        if value == 0 {
            Self::Trailer(Trailer::START)
        } else {
            Self::Data { left: value }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(body: &[u8], used: usize, decoded: u64, anomalies: &[&str]) {
        let step = { Chunked::START }.read(body);
        assert_eq!((step.used, step.decoded, step.done), (used, decoded, true));
        assert_eq!(step.anomalies.names(), anomalies);
    }

    #[test]
    fn reads_chunks_extensions_and_trailers() {
        check(b"0\r\n\r\nrest", 5, 0, &[]);
        check(b"5\r\nhello\r\n0\r\n\r\n", 15, 5, &[]);
        check(b"00a\r\n0123456789\r\n0\r\n\r\n", 22, 10, &[]);
        check(b"3;x=\"a;b\"\r\nabc\r\n0;last\r\nX-Sum: 1\r\n\r\nGET", 36, 3, &[]);
    }

    #[test]
    fn reads_on_where_all_agree_on_the_size_and_names_what_is_odd() {
        check(b"5\nhello\n0\n\n", 11, 5, &["bare_lf"]);
        check(b"2 \r\nok\r\n 0\r\n\r\n", 14, 2, &["odd_chunk_size"]);
        check(b"2\t;a\r\nok\r\n0\r\n\r\n", 15, 2, &["odd_chunk_size"]);
        check(b"000000000000000002\r\nok\r\n0\r\n\r\n", 29, 2, &["odd_chunk_size"]);
        check(b"2;\r\nok\r\n0\r\n\r\n", 13, 2, &["odd_chunk_extension"]);
        check(b"2;a\nok\r\n0\r\n\r\n", 13, 2, &["bare_lf"]);
        check(b"2;a\rb\r\nok\r\n0\r\n\r\n", 16, 2, &["bare_cr", "odd_chunk_extension"]);
        check(b"2\rx\r\nok\r\n0\r\n\r\n", 14, 2, &["bare_cr", "odd_chunk_extension"]);
        check(b"0\r\nHost: evil\r\n\r\n", 17, 0, &["forbidden_trailer"]);
    }

    #[test]
    fn refuses_what_is_no_framing() {
        for body in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x5\r\n",
            b"5 5\r\n",
            b"1\r\nab",
            b"ffffffffffffffff\r\n",
            b"10000000000000005\r\n",
            b"1\r\na\rb",
        ] {
            let step = { Chunked::START }.read(body);
            assert!(step.bad && !step.done, "{}", body.escape_ascii());
            assert!(step.anomalies.contains(Anomaly::BadChunk));
        }
    }

    #[test]
    fn passes_over_data_but_not_over_framing() {
        let mut state = Chunked::START;
        state.read(b"64\r\nab");
        assert_eq!(state.data_left(), 98);
        assert!(state.skip(98));
        assert!(state.read(b"\r\n0\r\n\r\n").done);
        assert!(!Chunked::Data { left: 3 }.skip(4));
    }

    /// Framing, odd and not, among bytes of chance.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        let known = proptest::sample::select(vec![
            "2\r\nok\r\n",
            "2;a=b\r\nok\r\n",
            "2;a=\"b\\\"\r\nok\r\n",
            " 2\r\nok\r\n",
            "2 \nok\n",
            "0\r\n",
            "0;x\n",
            "\r\n",
            "A: b\r\n",
            "host:\rx\n",
            " fold\r\n",
            ";",
            "\"",
            "0x2\r\n",
            "\r",
        ]);
        let part = prop_oneof![
            8 => known.prop_map(|text| text.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn splits_make_no_difference(body in body(), at in 0usize..64) {
            let whole = { Chunked::START }.read(&body);
            let mut state = Chunked::START;
            let at = at.min(body.len());
            let mut parts = state.read(&body[..at]);
            if !parts.done && !parts.bad {
                let second = state.read(&body[at..]);
                parts.anomalies.extend(second.anomalies);
                parts = Step {
                    used: parts.used + second.used,
                    decoded: parts.decoded + second.decoded,
                    done: second.done,
                    bad: second.bad,
                    anomalies: parts.anomalies,
                };
            }
            prop_assert_eq!(whole, parts);
        }
    }
}
