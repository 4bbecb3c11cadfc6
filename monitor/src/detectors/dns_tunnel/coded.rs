//! Labels that look like coded data.

/// Shortest label that is looked at: hosts' names are shorter, but for those made of words.
const LEAST_LABEL: usize = 16;
/// A label this long is hardly a word (the longest allowed has 63, RFC 1035 section 2.3.4).
const LONG_LABEL: usize = 40;
/// Letters per change between digit and letter: hexadecimal has one in two, base32 one in three, `ip-10-0-0-1` none.
const ALTERNATES: usize = 8;
/// Share of vowels among letters, per cent: 38 in English, 19 in base32, 25 in the sixteen letters from a to p.
const FEW_VOWELS: usize = 28;

/// Characters of the labels in `below` (what is before the registered domain) that look coded.
pub(super) fn coded_bytes(below: &str) -> usize {
    below.split('.').filter(|label| is_coded(label)).map(str::len).sum()
}

fn is_coded(label: &str) -> bool {
    if label.len() < LEAST_LABEL {
        return false;
    }
    let bytes = label.as_bytes();
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let vowels = bytes
        .iter()
        .filter(|b| matches!(b.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u'))
        .count();
    let differ = |pair: &&[u8]| {
        pair[0].is_ascii_alphanumeric()
            && pair[1].is_ascii_alphanumeric()
            && pair[0].is_ascii_digit() != pair[1].is_ascii_digit()
    };
    let changes = bytes.windows(2).filter(differ).count();
    label.len() >= LONG_LABEL
        || changes * ALTERNATES >= label.len()
        || (letters * 2 > label.len() && vowels * 100 < letters * FEW_VOWELS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_are_told_apart() {
        for coded in [
            "4d5a90000300000004000000ffff0000",
            "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
            "knqxgzjrgmzq2dcnbuwg",
            "nfxhg5dbnrwgk4tt.kmzdinbxgi2tm",
        ] {
            assert!(coded_bytes(coded) >= 12, "{coded}");
        }
        for word in [
            "www",
            "my-long-service-name-production",
            "recommendation-engine",
            "ip-10-11-12-13",
            "ec2-203-0-113-25",
            "autodiscover-redirect",
            "_acme-challenge",
            "selector1-example-com",
        ] {
            assert_eq!(coded_bytes(word), 0, "{word}");
        }
    }
}
