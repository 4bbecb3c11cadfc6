//! Whether a segment of a path is a word of the API or the id of a thing, told from its shape.

/// Longest word, bytes; what is longer names a thing.
const LONGEST_WORD: usize = 64;
/// A run of hexadecimal digits this long is a digest or a key, with digits among it; without them twice as long.
const HEX: usize = 8;
/// Letters and digits mixed, this long, are an id: `cus_9s6XKzkNRiz8i3`, base64url.
const MIXED: usize = 10;

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    /// A word, as it stands.
    Word(&'a str),
    /// The id of a thing, and the extension behind it (`.json`), mostly none.
    Id(&'a str),
}

/// Tells it. What comes after `;` (RFC 3986 section 3.3) does not count.
pub(super) fn shape(segment: &str) -> Shape<'_> {
    if !segment.bytes().any(|b| matches!(b, b'.' | b';')) {
        return if is_id(segment) {
            Shape::Id("")
        } else {
            Shape::Word(segment)
        };
    }
    let segment = segment.split(';').next().unwrap_or_default();
    if let Some((stem, extension)) = segment.rsplit_once('.')
        && (1..=5).contains(&extension.len())
        && extension.bytes().all(|b| b.is_ascii_alphanumeric())
        && extension.bytes().any(|b| b.is_ascii_alphabetic())
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || is_mark(b))
        && is_id(stem)
    {
        return Shape::Id(&segment[stem.len()..]);
    }
    if is_id(segment) {
        Shape::Id("")
    } else {
        Shape::Word(segment)
    }
}

/// How many bytes of a segment are of which class, eight bits a count: [`LONGEST_WORD`] of one class do not overflow.
#[derive(Clone, Copy)]
struct Census(u64);

impl Census {
    const DIGITS: u32 = 0;
    const LETTERS: u32 = 8;
    const HEX_LETTERS: u32 = 16;
    const MARKS: u32 = 24;
    const ODD: u32 = 32;

    /// What each byte counts as.
    const CLASSES: [u64; 256] = {
        let mut classes = [0; 256];
        let mut b = 0;
        while b < 256 {
            classes[b] = match b as u8 {
                b'0'..=b'9' => 1 << Self::DIGITS,
                b'a'..=b'f' | b'A'..=b'F' => 1 << Self::LETTERS | 1 << Self::HEX_LETTERS,
                b'a'..=b'z' | b'A'..=b'Z' => 1 << Self::LETTERS,
                mark if is_mark(mark) => 1 << Self::MARKS,
                // Percent-encoded, an address, a list: somebody's text.
                _ => 1 << Self::ODD,
            };
            b += 1;
        }
        classes
    };

    fn of(text: &str) -> Self {
        Self(text.bytes().map(|b| Self::CLASSES[usize::from(b)]).sum())
    }

    const fn count(self, class: u32) -> usize {
        (self.0 >> class & 0xff) as usize
    }
}

/// Unreserved characters of RFC 3986 section 2.3 that are no letters and digits.
const fn is_mark(b: u8) -> bool {
    matches!(b, b'-' | b'_' | b'.' | b'~')
}

fn is_id(text: &str) -> bool {
    if text.len() > LONGEST_WORD {
        return true;
    }
    let census = Census::of(text);
    let [digits, letters, hex_letters, marks, odd] = [
        Census::DIGITS,
        Census::LETTERS,
        Census::HEX_LETTERS,
        Census::MARKS,
        Census::ODD,
    ]
    .map(|class| census.count(class));
    if odd > 0 {
        return true;
    }
    // Numbers, dates, coordinates: 42, 2026-11-27, 1.5, -3.
    if digits > 0 && letters == 0 {
        return true;
    }
    // A moment: 2026-11-27T10:00:00Z without its colons, 20261127T100000.
    if digits >= 8 && letters <= 2 {
        return true;
    }
    // Digests and UUIDs, with or without dashes.
    if letters == hex_letters {
        let hex = digits + letters;
        if (digits > 0 && hex >= HEX && hex + marks == text.len()) || (letters > 0 && hex >= 2 * HEX && marks == 0) {
            return true;
        }
    }
    if digits == 0 || text.len() < MIXED {
        return false;
    }
    // ULID, prefixed ids, base64url: digits scattered among letters. Words have theirs at the end (`GetObject2`).
    let (scattered, humps) = changes(text);
    (digits >= 3 && scattered >= 3) || (text.len() >= 2 * MIXED && scattered >= 2 && humps >= 4)
}

/// How often letters and digits change into each other, and how often a capital follows a small letter.
fn changes(text: &str) -> (usize, usize) {
    let pairs = || text.as_bytes().windows(2).map(|pair| (pair[0], pair[1]));
    let scattered = pairs().filter(|(a, b)| {
        (a.is_ascii_digit() && b.is_ascii_alphabetic()) || (a.is_ascii_alphabetic() && b.is_ascii_digit())
    });
    let humps = pairs().filter(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase());
    (scattered.count(), humps.count())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words() {
        for word in [
            "orders",
            "v1",
            "v2beta1",
            "oauth2",
            "getUserById",
            "GetObject2",
            "terms-and-conditions",
            "user_profile",
            "index.html",
            "app.js",
            "sha256",
            "ipv6",
            "facade",
            "deadbeef",
            "feed.xml",
            ".well-known",
            "openapi.json",
            "3d-models",
            "",
            "..",
            "a",
            "SearchAll",
            "x509-certificates",
            "getUserByIdV2",
            "report2026",
        ] {
            assert_eq!(shape(word), Shape::Word(word), "{word}");
        }
        assert_eq!(shape("orders;token=x"), Shape::Word("orders"));
    }

    #[test]
    fn ids() {
        for id in [
            "42",
            "0",
            "-7",
            "1.5",
            "2026-11-27",
            "20261127T100000Z",
            "550e8400-e29b-41d4-a716-446655440000",
            "550E8400E29B41D4A716446655440000",
            "d41d8cd98f00b204e9800998ecf8427e",
            "5f3a9c1d",
            "abcdefabcdefabcd",
            "cus_9s6XKzkNRiz8i3",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "dGhpcyBpcyBhIHRlc3Q0Mg",
            "alice@example.com",
            "%E2%82%AC",
            "a,b",
            "507f1f77bcf86cd799439011",
        ] {
            assert_eq!(shape(id), Shape::Id(""), "{id}");
        }
        assert_eq!(shape("42.json"), Shape::Id(".json"));
        assert_eq!(shape(&"a".repeat(65)), Shape::Id(""));
    }

    proptest! {
        #[test]
        fn random_ids_are_ids(uuid in "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", number: u64) {
            prop_assert_eq!(shape(&uuid), Shape::Id(""));
            let number = number.to_string();
            prop_assert_eq!(shape(&number), Shape::Id(""));
        }

        #[test]
        fn letters_alone_are_words(word in "[g-z][a-z]{0,30}") {
            prop_assert_eq!(shape(&word), Shape::Word(&word));
        }

        #[test]
        fn reads_anything(segment: String) {
            let _ = shape(&segment);
        }
    }
}
