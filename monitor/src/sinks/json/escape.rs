//! JSON on one line, with every character that a terminal or a log viewer could obey written as an escape.
//!
//! JSON itself asks for escapes below U+0020 only. DEL and the C1 controls drive terminals too (U+009B starts a control
//! sequence), U+2028 and U+2029 end a line for some readers, and the bidirectional controls reorder what is shown.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Appends `value` as one line with its newline; leaves `out` as it was on an error.
pub fn append_line<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<(), serde_json::Error> {
    let start = out.len();
    let written = value.serialize(&mut Serializer::with_formatter(&mut *out, Plain));
    match written {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
    written
}

/// Whether a reader might obey `c` instead of showing it; the controls below U+0020 are JSON's own affair.
pub(crate) const fn is_steering(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_steering(*c)) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            write!(writer, "\\u{:04x}", u32::from(c))?;
            plain = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut out = Vec::new();
        append_line(&mut out, &text).unwrap();
        assert_eq!(String::from_utf8(out.clone()).unwrap(), format!("{expected}\n"));
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn nothing_steers_a_terminal_or_ends_the_line() {
        check("plain", r#""plain""#);
        check("größe 日本", r#""größe 日本""#);
        check("a\u{9b}31mb", r#""a\u009b31mb""#);
        check("\u{1b}[31m\r\n\0", r#""\u001b[31m\r\n\u0000""#);
        check("\u{7f}", r#""\u007f""#);
        check("a\u{2028}b\u{202e}", r#""a\u2028b\u202e""#);
        check("quote\" back\\", r#""quote\" back\\""#);
    }

    #[test]
    fn an_error_leaves_no_half_line() {
        struct Fails;
        impl Serialize for Fails {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::{Error, SerializeMap};
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("half", &1)?;
                Err(S::Error::custom("broken"))
            }
        }
        let mut out = b"before\n".to_vec();
        assert!(append_line(&mut out, &Fails).is_err());
        assert_eq!(out, b"before\n");
    }
}
