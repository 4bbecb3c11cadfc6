//! Ways out of the folder that a path or a parameter names.

use std::borrow::Cow;

/// Times that a text is percent-decoded: once is what servers do, twice is what proxies before them do, three times what
/// nobody should.
const DECODINGS: usize = 3;
/// Steps up in a parameter that no page needs for its own links: `../../x` is seen in `ReturnUrl`s.
const STEPS_OF_PARAMETER: usize = 3;

/// Files that are read for what is in them: of the system, and of applications. In lower case.
const WANTED: &[&str] = &[
    "etc/passwd",
    "etc/shadow",
    "etc/hosts",
    "proc/self",
    "win.ini",
    "boot.ini",
    "windows/system32",
    "web-inf/",
    "wp-config",
    "id_rsa",
    ".ssh/",
    ".git/",
    ".env",
];

/// What is wrong with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Above the root, or to a file that is wanted.
    Climbs,
    /// `..` that is written so as not to be seen: percent-encoded, doubly or overlong, with `\`, or as `..;`.
    Hidden,
    /// `/static../`: beyond a folder that is mapped without its last slash. Told only where it was answered.
    Beside,
    /// NUL in the path, where some end a name.
    Nul,
}

impl Way {
    /// Its name in evidence.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Climbs => "path_traversal",
            Self::Hidden => "hidden_path_traversal",
            Self::Beside => "sideways_path_traversal",
            Self::Nul => "encoded_nul",
        }
    }
}

/// What is wrong with the path, or with a parameter of the query in `target`.
#[inline]
pub(super) fn find(path: &str, target: &str) -> Option<Way> {
    // The path is a part of it.
    if is_plain(target.as_bytes()) {
        return None;
    }
    of_path(path).or_else(|| target.split_once('?').and_then(|(_, query)| of_query(query)))
}

/// Has none of the signs that a step up is made of. Most have no `.` at all.
fn is_plain(text: &[u8]) -> bool {
    match memchr::memchr3(b'%', b'\\', b'.', text) {
        None => true,
        Some(first) => {
            let rest = &text[first..];
            memchr::memchr2(b'%', b'\\', rest).is_none() && !rest.windows(2).any(|pair| pair == b"..")
        }
    }
}

fn of_path(path: &str) -> Option<Way> {
    let plain = steps(path.as_bytes(), false);
    let decoded = decoded(path.as_bytes());
    let deep = steps(&decoded, true);
    if deep.up > plain.up {
        Some(Way::Hidden)
    } else if deep.climbs {
        Some(Way::Climbs)
    } else if decoded.contains(&0) {
        Some(Way::Nul)
    } else {
        deep.beside.then_some(Way::Beside)
    }
}

fn of_query(query: &str) -> Option<Way> {
    query.split('&').find_map(|parameter| {
        let value = parameter
            .split_once('=')
            .map_or(parameter, |(_, value)| value)
            .as_bytes();
        if is_plain(value) {
            return None;
        }
        let once = decode(value).map_or(Cow::Borrowed(value), Cow::Owned);
        let deep = decoded(value);
        let (seen, all) = (steps(&once, true), steps(&deep, true));
        // `....//` becomes `../` where `../` is taken out once.
        let doubled = deep.windows(6).filter(|part| part == b"....//").count() > 1;
        if all.up > seen.up || doubled {
            Some(Way::Hidden)
        } else {
            let wanted = || {
                let text = String::from_utf8_lossy(&deep).to_ascii_lowercase().replace('\\', "/");
                WANTED.iter().any(|file| text.contains(file))
            };
            (all.up >= STEPS_OF_PARAMETER || (all.up > 0 && wanted())).then_some(Way::Climbs)
        }
    })
}

#[derive(Clone, Copy, Debug, Default)]
struct Steps {
    /// Segments that are `..`.
    up: usize,
    /// They lead above where they began.
    climbs: bool,
    /// A segment that ends with `..`, and something after it.
    beside: bool,
}

/// Walks a path. `lenient` as the most generous servers do: with `\` as a slash, and parameters cut off (`..;x`).
fn steps(path: &[u8], lenient: bool) -> Steps {
    let mut steps = Steps::default();
    let mut depth = 0usize;
    let mut segments = path.split(|b| *b == b'/' || (lenient && *b == b'\\')).peekable();
    while let Some(segment) = segments.next() {
        let name = if lenient {
            segment.split(|b| matches!(b, b';' | 0)).next().unwrap_or_default()
        } else {
            segment
        };
        match name {
            b"" | b"." => {}
            b".." => {
                steps.up += 1;
                steps.climbs |= depth == 0;
                depth = depth.saturating_sub(1);
            }
            other => {
                depth += 1;
                let goes_on = segments.peek().is_some_and(|next| !next.is_empty());
                steps.beside |= goes_on && other.ends_with(b"..") && !other.ends_with(b"...");
            }
        }
    }
    steps
}

/// Percent-decoded until nothing changes.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    let mut decoded = Cow::Borrowed(text);
    for _ in 0..DECODINGS {
        match decode(&decoded) {
            Some(next) => decoded = Cow::Owned(next),
            None => break,
        }
    }
    decoded
}

/// Percent-decoded once, where there is something to decode: `%2e`, `%u002e` (IIS), and the overlong forms of UTF-8 that
/// RFC 3629 section 10 warns of.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if !text.contains(&b'%') {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut any = false;
    while let [first, tail @ ..] = rest {
        let (byte, after) = match (first, tail) {
            (b'%', [b'u' | b'U', a, b, c, d, after @ ..]) if hex(*a, *b).is_some() && hex(*c, *d).is_some() => {
                let wide = u16::from_be_bytes([hex(*a, *b).unwrap_or(0), hex(*c, *d).unwrap_or(0)]);
                (Some(narrow(wide)), after)
            }
            (b'%', [a, b, after @ ..]) => match hex(*a, *b) {
                Some(byte) => (Some(byte), after),
                None => (None, tail),
            },
            _ => (None, tail),
        };
        any |= byte.is_some();
        bytes.push(byte.unwrap_or(*first));
        rest = after;
    }
    any.then(|| shortened(bytes))
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// What IIS takes a wide character for: itself where it is ASCII, what looks like it among the full-width forms.
fn narrow(wide: u16) -> u8 {
    match wide {
        0x2215 | 0x2044 => b'/',
        0x2216 => b'\\',
        0xff01..=0xff5e => (wide - 0xfee0) as u8,
        _ => u8::try_from(wide).unwrap_or(b'?'),
    }
}

/// Overlong forms of ASCII as the character that they stand for.
fn shortened(bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.iter().any(|b| matches!(b, 0xc0 | 0xc1 | 0xe0 | 0xf0)) {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    while let [first, tail @ ..] = rest {
        let (byte, after) = match (first, tail) {
            (0xc0 | 0xc1, [low, after @ ..]) => (first << 6 & 0x40 | low & 0x3f, after),
            (0xe0, [middle @ (0x80 | 0x81), low, after @ ..])
            | (0xf0, [0x80, middle @ (0x80 | 0x81), low, after @ ..]) => (middle << 6 & 0x40 | low & 0x3f, after),
            _ => (*first, tail),
        };
        out.push(byte);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(target: &str, expected: Option<Way>) {
        let path = target.split('?').next().unwrap();
        assert_eq!(find(path, target), expected, "{target}");
    }

    #[test]
    fn ways_out_are_found() {
        for target in [
            "/../etc/passwd",
            "/a/../../b",
            "/get?file=../../../var/log/x",
            "/get?file=%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "/get?file=..%5c..%5cwindows%5cwin.ini",
            "/get?x=1&file=../.env",
        ] {
            check(target, Some(Way::Climbs));
        }
        for target in [
            "/static/%2e%2e/%2e%2e/etc/passwd",
            "/static/..%2f..%2fetc/passwd",
            "/static/%252e%252e%252fsecret",
            "/cgi-bin/.%2e/.%2e/bin/sh",
            "/cgi-bin/%%32%65%%32%65/x",
            "/scripts/..%c0%af../winnt/cmd.exe",
            "/scripts/..%e0%80%af../winnt/cmd.exe",
            "/scripts/%c0%ae%c0%ae/x",
            "/scripts/%u002e%u002e/x",
            "/a/..\\..\\x",
            "/a/..%5cx",
            "/app/..;/manager/html",
            "/get?file=%252e%252e%252fx",
            "/get?file=....//....//etc",
        ] {
            check(target, Some(Way::Hidden));
        }
        check("/static../.env", Some(Way::Beside));
        check("/download/report.php%00.pdf", Some(Way::Nul));
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        for target in [
            "/compare/v1..v2",
            "/compare/main...feature%2Flogin",
            "/repo/compare/v1..v2/files",
            "/@scope%2fpackage",
            "/projects/group%2Fproject/repository/files/src%2Fmain.rs",
            "/projects/group%252Fproject",
            "/repo.git/info/refs?service=git-upload-pack",
            "/files/..hidden/x",
            "/files/wait.../next",
            "/css/../img/logo.png",
            "/login?return=../home",
            "/login?ReturnUrl=%2e%2e%2f%2e%2e%2findex",
            "/search?q=a..b&range=1..10",
            "/search?q=100%25%20sure%3F..",
            "/search?q=%C3%A9t%C3%A9",
            "/100%",
            "/a%zz/%u12",
        ] {
            check(target, None);
        }
    }

    proptest! {
        #[test]
        fn takes_anything(path in "[/.%a-f0-9u;\\\\]{0,60}", target in ".{0,80}") {
            find(&path, &target);
        }

        // However it is written, once more percent-encoded is the same way out.
        #[test]
        fn encoding_hides_nothing(prefix in "(/[a-z]{1,5}){0,3}", rounds in 1usize..3) {
            let mut dots = "..".to_owned();
            for _ in 0..rounds {
                dots = dots.replace('%', "%25").replace('.', "%2e");
            }
            let path = format!("{prefix}/{dots}/{dots}/x");
            prop_assert_eq!(find(&path, &path), Some(Way::Hidden));
        }
    }
}
