//! Chunk extensions (RFC 9112 section 7.1.1): nobody uses them, so they are a place to hide in. Checked, never kept.

use super::anomaly::{Anomalies, Anomaly};
use crate::protocol::identify::is_tchar;

/// Longest extensions of one chunk that raise no brow, bytes. Signatures of object stores, the longest in use, take some
/// 85; servers that read any length could be kept busy by it (CVE-2023-39326, CVE-2024-22019).
const MAX_EXTENSION: u16 = 256;

/// Place within the extensions of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    place: Place,
    /// The last byte was CR.
    cr: bool,
    /// Bytes so far, counted up to one more than what is usual.
    len: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a name.
    NameStart,
    /// In a name.
    Name,
    /// After `=`.
    ValueStart,
    /// In a value that is a token.
    Value,
    /// Within quotes.
    Quoted,
    /// Within quotes, after a backslash.
    Escaped,
    /// After the closing quote.
    QuoteEnd,
    /// Nothing but LF may follow.
    LineEnd,
    /// Not by the grammar; up to LF.
    Odd,
}

impl Extension {
    /// After the semicolon.
    pub(super) const START: Self = Self::at(Place::NameStart);
    /// After CR, where there were no extensions.
    pub(super) const END_OF_LINE: Self = Self {
        cr: true,
        ..Self::at(Place::LineEnd)
    };

    const fn at(place: Place) -> Self {
        Self {
            place,
            cr: false,
            len: 0,
        }
    }

    /// After `b`, which is not LF.
    pub(super) fn next(self, b: u8, odd: &mut Anomalies) -> Self {
        odd.add_if(self.cr, Anomaly::BareCr);
        let len = (self.len + 1).min(MAX_EXTENSION + 1);
        odd.add_if(len > MAX_EXTENSION, Anomaly::LongChunkExtension);
        if b == b'\r' {
            return Self { cr: true, len, ..self };
        }
        odd.add_if(b.is_ascii_control() && b != b'\t', Anomaly::ControlBytes);
        let place = if self.cr { Place::Odd } else { self.place.next(b) };
        odd.add_if(place == Place::Odd, Anomaly::OddChunkExtension);
        Self { place, cr: false, len }
    }

    /// LF came.
    pub(super) fn end(self, odd: &mut Anomalies) {
        odd.add_if(!self.cr, Anomaly::BareLf);
        let whole = match self.place {
            Place::Name | Place::Value | Place::QuoteEnd | Place::LineEnd | Place::Odd => true,
            Place::NameStart | Place::ValueStart | Place::Quoted | Place::Escaped => false,
        };
        odd.add_if(!whole, Anomaly::OddChunkExtension);
    }
}

impl Place {
    fn next(self, b: u8) -> Self {
        match (self, b) {
            // White space that must be taken, and must not be sent: around `;` and `=`.
            (Self::NameStart | Self::ValueStart | Self::QuoteEnd, b' ' | b'\t') => self,
            (Self::NameStart | Self::Name, _) if is_tchar(b) => Self::Name,
            (Self::Name, b'=') => Self::ValueStart,
            (Self::Name | Self::Value | Self::QuoteEnd, b';') => Self::NameStart,
            (Self::ValueStart, b'"') => Self::Quoted,
            (Self::ValueStart | Self::Value, _) if is_tchar(b) => Self::Value,
            (Self::Quoted, b'"') => Self::QuoteEnd,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, _) => Self::Quoted,
            (
                Self::NameStart
                | Self::Name
                | Self::ValueStart
                | Self::Value
                | Self::QuoteEnd
                | Self::LineEnd
                | Self::Odd,
                _,
            ) => Self::Odd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` comes after the semicolon, up to LF.
    #[track_caller]
    fn check(text: &str, anomalies: &[&str]) {
        let mut odd = Anomalies::default();
        let mut extension = Extension::START;
        for b in text.bytes() {
            extension = extension.next(b, &mut odd);
        }
        extension.end(&mut odd);
        assert_eq!(odd.names(), anomalies, "{text:?}");
    }

    #[test]
    fn extensions_by_the_grammar() {
        for text in ["a\r", "a=b\r", "a=b;c\r", "a=\"q;\\\"\";b=c\r", " a= b\r"] {
            check(text, &[]);
        }
    }

    #[test]
    fn extensions_that_are_odd() {
        for text in ["\r", ";\r", "a=\r", "a=\"b\r", "a=\"b\"c\r", "a b\r", "a,b\r", "=b\r"] {
            check(text, &["odd_chunk_extension"]);
        }
        check("a", &["bare_lf"]);
        check("a=\"\u{1}\"\r", &["control_bytes"]);
        check("a\rb\r", &["bare_cr", "odd_chunk_extension"]);
        check(&format!("{}\r", "a".repeat(256)), &["long_chunk_extension"]);
        check(&format!("{}\r", "a".repeat(255)), &[]);
    }
}
