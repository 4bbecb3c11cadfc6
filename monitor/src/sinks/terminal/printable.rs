//! Captured text made safe to show.

use std::borrow::Cow;

use crate::sinks::json::is_steering;

/// `text` with every character that a terminal would obey spelled out (`\u{1b}`), cut to `limit` characters.
pub fn printable(text: &str, limit: usize) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() || is_steering(c);
    if text.len() <= limit && !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == limit {
            safe.push('…');
            break;
        }
        if obeyed(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_spelled_out_and_long_text_is_cut() {
        assert_eq!(printable("GET /größe", 100), "GET /größe");
        assert_eq!(printable("\u{1b}[31m\n", 100), r"\u{1b}[31m\n");
        assert_eq!(printable("\u{202e}\u{2028}", 100), r"\u{202e}\u{2028}");
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("äöü", 3), "äöü");
    }
}
