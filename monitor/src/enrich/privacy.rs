//! Secrets out: keyed fingerprints in the place of keys, tokens and passwords.
//!
//! A fingerprint is the start of HMAC-SHA-256 (RFC 2104) under a key that never leaves the installation. Equal secrets
//! have equal fingerprints, so that a person can follow one through records, and nobody can find it by trying a list
//! of likely passwords.

use std::borrow::Cow;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Bytes of a fingerprint. Four: two of 10,000 secrets are alike with a probability of 1 %, and it fits in a column.
const FINGERPRINT_BYTES: usize = 4;
/// Times that a name or value is percent-decoded to see what is under it: once is what servers do, twice is what
/// proxies before them do.
const DECODINGS: usize = 3;

/// What is kept out of every record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whose values become fingerprints in the query of a request's target: "secrets" those of `secret_params`, "all"
    /// every parameter, "none" no parameter (the query is shown as on the wire). A user name and password in an
    /// absolute target never show.
    pub query: Query,
    /// Names of parameters that hold secrets, in the query or after a `;` in the path. Upper and lower case, `-` and
    /// `_`, and percent-encoding make no difference; `user[password]` and `user.password` count as `password`.
    pub secret_params: Vec<String>,
}

/// Whose values are hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Query {
    /// Those of the parameters that are named.
    #[default]
    Secrets,
    /// Those of all parameters.
    All,
    /// None.
    None,
}

/// Names under which secrets travel in query strings: the usual words, OAuth 2.0 (RFC 6749), signed URLs.
const SECRET_PARAMS: [&str; 12] = [
    "password",
    "passwd",
    "secret",
    "token",
    "access_token",
    "refresh_token",
    "api_key",
    "apikey",
    "key",
    "sig",
    "signature",
    "code",
];

impl Default for Settings {
    fn default() -> Self {
        Self {
            query: Query::Secrets,
            secret_params: SECRET_PARAMS.iter().map(|&name| name.to_owned()).collect(),
        }
    }
}

/// Hides secrets, under one key.
#[derive(Clone)]
pub struct Privacy {
    /// HMAC with the key already taken in.
    keyed: Hmac<Sha256>,
    query: Query,
    /// Folded: see [`fold`].
    secret_params: Vec<Vec<u8>>,
}

/// The key is not shown.
impl std::fmt::Debug for Privacy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Privacy")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl Privacy {
    /// With the installation's key.
    pub fn new(key: [u8; 32], settings: &Settings) -> Self {
        Self {
            keyed: Hmac::new(&block(key).into()),
            query: settings.query,
            secret_params: settings
                .secret_params
                .iter()
                .map(|name| fold(name.as_bytes()))
                .collect(),
        }
    }

    /// `kind:3fa9c1d2`: what stands for `secret` in every record. Equal secrets are equal under every kind.
    pub fn fingerprint(&self, kind: &str, secret: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        mac.update(secret);
        let digest = mac.finalize().into_bytes();
        let mut out = format!("{kind}:");
        for byte in digest.iter().take(FINGERPRINT_BYTES) {
            let _ = write!(out, "{byte:02x}");
        }
        out
    }

    /// A request's target without its secrets.
    ///
    /// Understands every form of RFC 9112 section 3.2. A parameter begins after `?`, `&`, `#` or `;` (a second `?` and
    /// a fragment have no business in a target, but they do come), in the path after `;`. The value of a secret one
    /// ends at the next `&`, in the path at `/`, `;`, `?` or `#`, whatever else is in it. A value that holds a secret
    /// parameter of its own (a redirect, percent-encoded or not) or a URL with a password is hidden whole.
    pub fn redact_target<'a>(&self, target: &'a str) -> Cow<'a, str> {
        let authority = self.redact_authority(target);
        let rest = &target[authority.consumed..];
        let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let mut out = authority.shown;
        self.redact_path(path, &mut out);
        match self.query {
            Query::Secrets => self.redact_secrets(query, &mut out),
            Query::All => self.redact_all(query, &mut out),
            Query::None => out.push_str(query),
        }
        if out == target {
            Cow::Borrowed(target)
        } else {
            Cow::Owned(out)
        }
    }

    /// The part before the path of an absolute or authority target, without user and password.
    fn redact_authority(&self, target: &str) -> Authority {
        let nothing = Authority {
            consumed: 0,
            shown: String::with_capacity(target.len()),
        };
        if target.starts_with(['/', '*']) {
            return nothing;
        }
        let start = target.find("://").map_or(0, |at| at + 3);
        // Only a `/` ends it here: a password with a stray `?` or `#` in it is still one.
        let end = target[start..].find('/').map_or(target.len(), |at| start + at);
        match target[start..end].rfind('@') {
            None => nothing,
            Some(at) => Authority {
                consumed: start + at,
                shown: format!(
                    "{}{}",
                    &target[..start],
                    self.fingerprint("userinfo", &target.as_bytes()[start..start + at])
                ),
            },
        }
    }

    fn redact_path(&self, path: &str, out: &mut String) {
        for (index, segment) in path.split('/').enumerate() {
            if index > 0 {
                out.push('/');
            }
            for (index, piece) in segment.split(';').enumerate() {
                if index > 0 {
                    out.push(';');
                }
                match piece.split_once('=') {
                    Some((name, value)) if index > 0 && self.is_secret(name) => self.hide(name, value, out),
                    Some(_) | None => out.push_str(piece),
                }
            }
        }
    }

    fn redact_secrets(&self, query: &str, out: &mut String) {
        let mut rest = query;
        while let Some(delimiter) = rest.chars().next() {
            // The first character of `rest` is a delimiter: `query` begins with one and each piece ends before one.
            out.push(delimiter);
            rest = &rest[delimiter.len_utf8()..];
            let end = rest.find(['?', '&', '#', ';']).unwrap_or(rest.len());
            let (name, value) = rest[..end].split_once('=').unwrap_or((&rest[..end], ""));
            if name.len() < end && self.is_secret(name) {
                let start = name.len() + 1;
                let end = rest.find('&').unwrap_or(rest.len());
                self.hide(name, &rest[start..end], out);
                rest = &rest[end..];
                continue;
            }
            if self.holds_secret(&rest[..end]) {
                // Nobody else's business which part of it: the value goes, or the whole of what has no name.
                if name.len() < end && !self.holds_secret(name) {
                    self.hide(name, value, out);
                } else {
                    out.push_str(&self.fingerprint("param", &rest.as_bytes()[..end]));
                }
            } else {
                out.push_str(&rest[..end]);
            }
            rest = &rest[end..];
        }
    }

    fn redact_all(&self, query: &str, out: &mut String) {
        let Some(delimiter) = query.chars().next() else {
            return;
        };
        out.push(delimiter);
        for (index, piece) in query[delimiter.len_utf8()..].split('&').enumerate() {
            if index > 0 {
                out.push('&');
            }
            match piece.split_once('=') {
                Some((name, value)) => self.hide(name, value, out),
                None if piece.is_empty() => {}
                None => out.push_str(&self.fingerprint("param", piece.as_bytes())),
            }
        }
    }

    fn hide(&self, name: &str, value: &str, out: &mut String) {
        out.push_str(name);
        out.push('=');
        if !value.is_empty() {
            out.push_str(&self.fingerprint("param", value.as_bytes()));
        }
    }

    /// Whether `name`, or a part of it (`user[password]`), is that of a secret, decoded or not.
    fn is_secret(&self, name: &str) -> bool {
        let listed = |name: &[u8]| {
            let name = fold(name);
            self.secret_params.contains(&name)
        };
        decodings(name).any(|name| {
            listed(&name)
                || name
                    .split(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')))
                    .any(listed)
        })
    }

    /// Whether the text of a parameter holds a secret of its own: `next=/login?token=…`, `url=https://user:…@host/`,
    /// `filter={"password":"…"}`.
    fn holds_secret(&self, text: &str) -> bool {
        decodings(text).any(|text| {
            let text = String::from_utf8_lossy(&text);
            has_userinfo(&text)
                || text.split(['?', '&', ';', '#', ',', '{']).any(|piece| {
                    // `a=token=x`: every name that a `=` follows counts, the first was seen already.
                    piece.match_indices('=').any(|(at, _)| self.is_listed_end(&piece[..at]))
                        || piece
                            .match_indices("\":")
                            .any(|(at, _)| self.is_listed_end(&piece[..at]))
                })
        })
    }

    /// Whether the last word of `text` is the name of a secret.
    fn is_listed_end(&self, text: &str) -> bool {
        let word = text.trim_end_matches([']', '"', ' ']);
        let start = word
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
            .map_or(0, |at| at + word[at..].chars().next().map_or(1, char::len_utf8));
        self.secret_params.contains(&fold(&word.as_bytes()[start..]))
    }
}

struct Authority {
    consumed: usize,
    shown: String,
}

/// A 32-byte key as HMAC takes it in: filled up with zeros to SHA-256's block of 64 bytes (RFC 2104 section 2).
fn block(key: [u8; 32]) -> [u8; 64] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&key);
    block
}

/// Lower case, and `_` for `-`.
fn fold(name: &[u8]) -> Vec<u8> {
    name.iter()
        .map(|&byte| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() })
        .collect()
}

fn has_userinfo(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let authority = text[at + 3..].split(['/', '?', '#']).next().unwrap_or_default();
        authority.contains('@')
    })
}

/// `text` as it is, then percent-decoded once, twice, … as long as that changes it.
fn decodings(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let mut next = Some(text.as_bytes().to_vec());
    (0..=DECODINGS).map_while(move |_| {
        let current = next.take()?;
        next = Some(percent_decode(&current)).filter(|decoded| *decoded != current);
        Some(current)
    })
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|&d| char::from(d).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (byte, digit(0), digit(1)) {
            out.push((high * 16 + low) as u8);
            rest = &tail[2..];
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn privacy(query: Query) -> Privacy {
        Privacy::new(
            [7; 32],
            &Settings {
                query,
                ..Settings::default()
            },
        )
    }

    /// `expected` with `<secret>` for what must be the fingerprint of `secret`.
    #[track_caller]
    fn check(query: Query, target: &str, expected: &str) {
        let privacy = privacy(query);
        let mut want = String::new();
        let mut rest = expected;
        while let Some((before, after)) = rest.split_once('<') {
            let (hidden, after) = after.split_once('>').unwrap();
            let (kind, secret) = hidden.split_once(' ').unwrap();
            want = format!("{want}{before}{}", privacy.fingerprint(kind, secret.as_bytes()));
            rest = after;
        }
        assert_eq!(privacy.redact_target(target), format!("{want}{rest}"));
    }

    // The expected value is from Python: hmac.new(bytes([7] * 32), b"hunter2", "sha256").
    #[test]
    fn fingerprints_are_hmac_sha256() {
        assert_eq!(privacy(Query::Secrets).fingerprint("key", b"hunter2"), "key:326eb4f6");
    }

    #[test]
    fn equal_secrets_are_equal_and_keys_differ() {
        let (a, b) = (privacy(Query::Secrets), Privacy::new([8; 32], &Settings::default()));
        assert_eq!(a.fingerprint("key", b"x"), a.fingerprint("key", b"x"));
        assert_ne!(a.fingerprint("key", b"x"), b.fingerprint("key", b"x"));
    }

    #[test]
    fn plain_targets_are_borrowed() {
        for target in [
            "/",
            "*",
            "/a/b?x=1&y=2",
            "example.com:443",
            "http://host/a;v=1?x#y",
            "/@scope/pkg",
            "/a?b=c@d",
            "",
        ] {
            assert!(
                matches!(privacy(Query::Secrets).redact_target(target), Cow::Borrowed(t) if t == target),
                "{target}"
            );
        }
    }

    #[test]
    fn named_parameters() {
        check(Query::Secrets, "/a?token=abc&x=1", "/a?token=<param abc>&x=1");
        check(Query::Secrets, "/a?x=1&TOKEN=abc", "/a?x=1&TOKEN=<param abc>");
        check(Query::Secrets, "/a?x=1;token=abc", "/a?x=1;token=<param abc>");
        check(
            Query::Secrets,
            "/a?token=abc&token=def",
            "/a?token=<param abc>&token=<param def>",
        );
        check(Query::Secrets, "/a?%74oken=abc", "/a?%74oken=<param abc>");
        check(Query::Secrets, "/a?api-key=abc", "/a?api-key=<param abc>");
        check(Query::Secrets, "/a?user[password]=abc", "/a?user[password]=<param abc>");
        check(Query::Secrets, "/a?token[]=abc", "/a?token[]=<param abc>");
        check(Query::Secrets, "/a;token=abc/b;v=2?c", "/a;token=<param abc>/b;v=2?c");
        check(Query::Secrets, "/a#access_token=abc", "/a#access_token=<param abc>");
        check(Query::Secrets, "/a?x&amp;token=abc", "/a?x&amp;token=<param abc>");
        check(Query::Secrets, "/a?token=", "/a?token=");
        check(Query::Secrets, "/a?token", "/a?token");
        check(Query::Secrets, "/a?tokens=5&monkey=1", "/a?tokens=5&monkey=1");
    }

    #[test]
    fn a_secrets_value_ends_at_the_ampersand_alone() {
        check(
            Query::Secrets,
            "/a?token=a;b?c#d/e=f&x=1",
            "/a?token=<param a;b?c#d/e=f>&x=1",
        );
    }

    #[test]
    fn secrets_inside_values() {
        check(Query::Secrets, "/a?next=/cb?code=abc", "/a?next=/cb?code=<param abc>");
        check(
            Query::Secrets,
            "/a?next=%2Fcb%3Fcode%3Dabc&x=1",
            "/a?next=<param %2Fcb%3Fcode%3Dabc>&x=1",
        );
        check(
            Query::Secrets,
            "/a?next=%252Fcb%253Fcode%253Dabc",
            "/a?next=<param %252Fcb%253Fcode%253Dabc>",
        );
        check(
            Query::Secrets,
            "/a?url=http://u:abc@h/",
            "/a?url=<param http://u:abc@h/>",
        );
        check(
            Query::Secrets,
            "/a?url=http%3A%2F%2Fu%3Aabc%40h",
            "/a?url=<param http%3A%2F%2Fu%3Aabc%40h>",
        );
        check(
            Query::Secrets,
            "/a?q=%7B%22password%22:%22abc%22%7D",
            "/a?q=<param %7B%22password%22:%22abc%22%7D>",
        );
        check(Query::Secrets, "/a?s=token=abc", "/a?s=<param token=abc>");
        check(Query::Secrets, "/a?token%3Dabc", "/a?<param token%3Dabc>");
        check(Query::Secrets, "/a?url=https://host/p", "/a?url=https://host/p");
        check(Query::Secrets, "/a?at=12:30", "/a?at=12:30");
    }

    #[test]
    fn userinfo_never_shows() {
        for query in [Query::Secrets, Query::All, Query::None] {
            check(query, "http://user:abc@host/a", "http://<userinfo user:abc>@host/a");
            check(query, "http://user:a?b#c@host/a", "http://<userinfo user:a?b#c>@host/a");
            check(query, "user:abc@host:443", "<userinfo user:abc>@host:443");
            check(query, "http://a@b@host/@x", "http://<userinfo a@b>@host/@x");
        }
    }

    #[test]
    fn all_and_none() {
        check(
            Query::All,
            "/a?x=1&token=abc&bare&=v&e=",
            "/a?x=<param 1>&token=<param abc>&<param bare>&=<param v>&e=",
        );
        check(Query::All, "/a;token=abc", "/a;token=<param abc>");
        check(Query::All, "/a?x=1;token=abc#f", "/a?x=<param 1;token=abc#f>");
        check(Query::None, "/a?token=abc", "/a?token=abc");
    }

    /// Each character as it is, in the other case, or percent-encoded.
    fn disguised(name: &'static str) -> impl Strategy<Value = String> {
        prop::collection::vec(0..4u8, name.len()).prop_map(move |how| {
            name.chars()
                .zip(how)
                .map(|(c, how)| match how {
                    0 | 1 => c.to_string(),
                    2 => c.to_ascii_uppercase().to_string(),
                    _ => format!("%{:02x}", c as u32),
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_planted_secret_never_survives(
            secret in "[A-Za-z0-9]{4}S3CR3T[A-Za-z0-9._~+-]{4}",
            tail in "[!-%'-~]{0,6}",
            name in prop::sample::select(SECRET_PARAMS.to_vec()).prop_flat_map(disguised),
            before in "\\PC{0,20}",
            after in "\\PC{0,20}",
            form in 0..10u8,
            query in prop::sample::select(vec![Query::Secrets, Query::All]),
        ) {
            let target = match form {
                0 => format!("/{before}?{name}={secret}{tail}S3CR3T&{after}"),
                1 => format!("/p?{before}&{name}={secret}&{after}"),
                2 => format!("/p?{before};{name}={secret}{tail}S3CR3T"),
                3 => format!("/{before}/p;{name}={secret}/{after}"),
                4 => format!("http://u{name}:{secret}@h/{before}"),
                5 => format!("/p?next={before}?{name}={secret}&{after}"),
                6 => format!("/p?next=%2Fcb%3Fx%26{name}%3D{secret}&{after}"),
                7 => format!("/p?a[{name}][]={secret}&{after}"),
                8 => format!("/{before}#{name}={secret}"),
                _ => format!("/p?u=ftp%3a%2f%2f{name}%3a{secret}%40h&{after}"),
            };
            let shown = privacy(query).redact_target(&target).into_owned();
            prop_assert!(!shown.contains("S3CR3T"), "{target} shown as {shown}");
        }

        #[test]
        fn any_text_is_taken_and_nothing_is_redacted_twice_over(target in "\\PC{0,80}") {
            for query in [Query::Secrets, Query::All, Query::None] {
                let _ = privacy(query).redact_target(&target);
            }
        }
    }
}
