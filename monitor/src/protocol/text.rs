//! Text from the wire, made fit to be shown: the bytes of an attacker never reach a terminal or break a line.

use std::fmt::Write;

use compact_str::CompactString;

/// Longest request target kept, bytes of output. Servers refuse longer ones (nginx `large_client_header_buffers` 8 KiB,
/// Apache `LimitRequestLine` 8190) and four kibibytes identify any endpoint.
pub const MAX_TARGET: usize = 4 * 1024;
/// Longest other text kept, bytes of output: names, user agents, media types.
pub const MAX_TEXT: usize = 512;
/// Ends a text that was cut.
pub const CUT: char = '…';

/// `bytes` as printable UTF-8 of at most `max` bytes (and [`CUT`], where it was cut).
///
/// What is printable UTF-8 stays as it is, backslashes too. Bytes that are no UTF-8 and control characters become
/// `\xNN`; characters that would make a reader see something else (C1 controls, line and paragraph separators,
/// bidirectional and zero-width formatting, byte order mark) become `\u{N}`.
pub fn printable(bytes: &[u8], max: usize) -> CompactString {
    if bytes.len() <= max
        && is_plain(bytes)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.into();
    }
    let mut out = CompactString::with_capacity(bytes.len().min(max) + CUT.len_utf8());
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            let before = out.len();
            push_char(&mut out, c);
            if out.len() > max {
                return cut(out, before);
            }
        }
        for b in part.invalid() {
            let before = out.len();
            push_byte(&mut out, *b);
            if out.len() > max {
                return cut(out, before);
            }
        }
    }
    out
}

/// Printable ASCII alone. Most texts are short, so eight bytes at a time beat vectors.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().all(|word| is_plain_word(u64::from_ne_bytes(*word))) && rest.iter().all(|b| matches!(b, b' '..=b'~'))
}

/// Each of eight bytes from space to tilde: with the high bit clear, neither taking a space from it nor adding one to
/// it (DEL and above) sets that bit.
const fn is_plain_word(word: u64) -> bool {
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const SPACE: u64 = u64::from_ne_bytes([b' '; 8]);
    const ONE: u64 = u64::from_ne_bytes([1; 8]);
    // The bytes below 0x80 borrow from no neighbour once their high bit is set.
    let below_space = !((word | HIGH) - SPACE);
    let delete = (word & !HIGH) + ONE;
    (word | below_space | delete) & HIGH == 0
}

fn cut(mut out: CompactString, at: usize) -> CompactString {
    out.truncate(at);
    out.push(CUT);
    out
}

fn push_char(out: &mut CompactString, c: char) {
    if c.is_ascii() {
        if c.is_ascii_control() {
            push_byte(out, c as u8);
        } else {
            out.push(c);
        }
    } else if c.is_control() || is_misleading(c) {
        // Writing to a String does not fail.
        let _ = write!(out, "\\u{{{:x}}}", c as u32);
    } else {
        out.push(c);
    }
}

fn push_byte(out: &mut CompactString, b: u8) {
    let _ = write!(out, "\\x{b:02x}");
}

/// Characters of Unicode's `Bidi_Control` property, separators, and those that have no width.
fn is_misleading(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], text: &str) {
        assert_eq!(printable(bytes, 100), text);
    }

    #[test]
    fn escapes_what_is_no_text() {
        check(b"/plain?q=1", "/plain?q=1");
        check("/größe".as_bytes(), "/größe");
        check(b"a\x1b[31mb\nc", "a\\x1b[31mb\\x0ac");
        check(b"\xff\xc3", "\\xff\\xc3");
        check("x\u{202e}y\u{9b}".as_bytes(), "x\\u{202e}y\\u{9b}");
        check(b"back\\slash", "back\\slash");
    }

    #[test]
    fn every_byte_is_judged_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for at in 0..11 {
                let mut text = *b" ~ordinary~";
                text[at] = byte;
                assert_eq!(is_plain(&text), (b' '..=b'~').contains(&byte), "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn marks_a_cut_and_never_splits() {
        assert_eq!(printable(b"abcdef", 6), "abcdef");
        assert_eq!(printable(b"abcdefg", 6), "abcdef…");
        assert_eq!(printable(b"abc\xff", 6), "abc…");
        assert_eq!(printable("ééé".as_bytes(), 5), "éé…");
    }

    proptest! {
        #[test]
        fn is_bounded_and_printable(bytes: Vec<u8>, max in 0usize..64) {
            let text = printable(&bytes, max);
            prop_assert!(text.len() <= max + CUT.len_utf8());
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
