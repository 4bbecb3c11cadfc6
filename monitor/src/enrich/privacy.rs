//! Secrets out: keyed fingerprints in the place of keys, tokens and passwords.
//!
//! A fingerprint is the start of HMAC-SHA-256 (RFC 2104) under a key that never leaves the installation. Equal secrets
//! have equal fingerprints, so that a person can follow one through records, and nobody can find it by trying a list
//! of likely passwords.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::hash::Hasher as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::identity::Settings as IdentitySettings;

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
    /// How accounts are shown (JWT claims, users of Basic, logins and gateways): "plain" as they are, since a person on
    /// call must act on them, "fingerprint" like secrets.
    pub account_names: AccountNames,
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

/// How accounts are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccountNames {
    /// As they are.
    #[default]
    Plain,
    /// As fingerprints.
    Fingerprint,
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
            account_names: AccountNames::Plain,
        }
    }
}

/// Hides secrets, under one key.
#[derive(Clone)]
pub struct Privacy {
    /// HMAC with the key already taken in.
    keyed: Hmac<Sha256>,
    /// Likewise, for [`Self::tag`].
    tagging: SipHasher13,
    query: Query,
    /// Folded: see [`fold`].
    secret_params: Vec<Vec<u8>>,
    account_names: AccountNames,
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
    /// With the installation's key. What identifies a client in `identity` is a secret in a target, too.
    pub fn new(key: [u8; 32], settings: &Settings, identity: &IdentitySettings) -> Self {
        let keyed: Hmac<Sha256> = Hmac::new(&block(key).into());
        // Half of a digest that is used for nothing else.
        let tag_key = keyed.clone().chain_update(b"tag").finalize().into_bytes();
        Self {
            keyed,
            tagging: SipHasher13::new_with_key(tag_key.first_chunk().unwrap_or(&[0; 16])),
            query: settings.query,
            secret_params: settings
                .secret_params
                .iter()
                .chain(&identity.api_key_query)
                .chain(&identity.session_cookies)
                .map(|name| name.bytes().map(fold).collect())
                .collect(),
            account_names: settings.account_names,
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

    /// What stands for `secret` in a map: 128 bits of SipHash-1-3 (Aumasson and Bernstein, 2012) under a key of this
    /// installation, a tenth of the time of a fingerprint. Whoever does not have the key can not make two secrets meet.
    /// Never told.
    pub fn tag(&self, kind: u8, secret: &[u8]) -> u128 {
        let mut hasher = self.tagging;
        hasher.write_u8(kind);
        hasher.write(secret);
        hasher.finish128().as_u128()
    }

    /// An account as records show it.
    pub fn account(&self, name: &str) -> String {
        match self.account_names {
            AccountNames::Plain => name.to_owned(),
            AccountNames::Fingerprint => self.fingerprint("account", name.as_bytes()),
        }
    }

    /// A request's target without its secrets.
    ///
    /// Understands every form of RFC 9112 section 3.2. A parameter begins after `?`, `&`, `#` or `;` (a second `?` and
    /// a fragment have no business in a target, but they do come), in the path after `;`. The value of a secret one
    /// ends at the next `&`, in the path at `/`, `;`, `?` or `#`, whatever else is in it. A value that holds a secret
    /// parameter of its own (a redirect, percent-encoded or not) or a URL with a password is hidden whole.
    pub fn redact_target<'a>(&self, target: &'a str) -> Cow<'a, str> {
        if self.is_harmless(target.as_bytes()) {
            return Cow::Borrowed(target);
        }
        self.redact_any(target)
    }

    /// What most are: a plain path, alone or with a query of plain words of which none is named like a secret.
    fn is_harmless(&self, target: &[u8]) -> bool {
        if target.first() != Some(&b'/') {
            return false;
        }
        let Some(end) = memchr::memchr3(b'?', b'#', b';', target) else {
            return true;
        };
        if target[end] != b'?' || self.query != Query::Secrets {
            return false;
        }
        let mut rest = &target[end + 1..];
        loop {
            let end = rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let value = match after {
                [] => return true,
                [b'=', value @ ..] if !self.is_listed(name) => value,
                _ => return false,
            };
            let is_plain = |b: &u8| is_word(*b) || matches!(b, b'.' | b'~' | b'+' | b'/');
            let Some(end) = value.iter().position(|b| !is_plain(b)) else {
                return true;
            };
            if value[end] != b'&' {
                return false;
            }
            rest = &value[end + 1..];
        }
    }

    fn redact_any<'a>(&self, target: &'a str) -> Cow<'a, str> {
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
        // Most are one plain word, which is what it is in every decoding.
        if name.bytes().all(is_word) {
            return self.is_listed(name.as_bytes());
        }
        decodings(name.as_bytes())
            .any(|name| self.is_listed(&name) || name.split(|b| !is_word(*b)).any(|part| self.is_listed(part)))
    }

    /// Whether the text of a parameter holds a secret of its own: `next=/login?token=…`, `url=https://user:…@host/`,
    /// `filter={"password":"…"}`.
    fn holds_secret(&self, text: &str) -> bool {
        // Most parameters are plain words: what could hold a secret has one of these.
        text.bytes().any(|b| matches!(b, b'%' | b'=' | b':'))
            && decodings(text.as_bytes()).any(|text| self.shows_secret(&text))
    }

    fn shows_secret(&self, text: &[u8]) -> bool {
        has_userinfo(text)
            || text
                .split(|b| matches!(b, b'?' | b'&' | b';' | b'#' | b',' | b'{'))
                .any(|piece| {
                    // `a=token=x`: every name before a `=` counts.
                    let ends_name =
                        |at: usize| piece[at] == b'=' || (piece[at] == b':' && at > 0 && piece[at - 1] == b'"');
                    (0..piece.len()).any(|at| ends_name(at) && self.is_listed(last_word(&piece[..at])))
                })
    }

    /// Whether this is the name of a secret, whatever its case; `-` counts as `_`.
    fn is_listed(&self, name: &[u8]) -> bool {
        let same =
            |listed: &Vec<u8>| listed.len() == name.len() && listed.iter().zip(name).all(|(a, b)| *a == fold(*b));
        self.secret_params.iter().any(same)
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
pub(super) const fn fold(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() }
}

/// Whether the byte may be part of a parameter's name.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The last name in `text`: `token` of `x=token`, `user[token]`, `"token"`.
fn last_word(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .rposition(|b| !matches!(b, b']' | b'"' | b' '))
        .map_or(0, |at| at + 1);
    let start = text[..end].iter().rposition(|b| !is_word(*b)).map_or(0, |at| at + 1);
    &text[start..end]
}

fn has_userinfo(text: &[u8]) -> bool {
    let authorities = text
        .windows(3)
        .enumerate()
        .filter(|(_, window)| window == b"://")
        .map(|(at, _)| &text[at + 3..]);
    authorities
        .filter_map(|rest| rest.split(|b| matches!(b, b'/' | b'?' | b'#')).next())
        .any(|authority| authority.contains(&b'@'))
}

/// `text` as it is, then percent-decoded once, twice, … as long as that changes it.
fn decodings(text: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut next = Some(Cow::Borrowed(text));
    (0..=DECODINGS).map_while(move |_| {
        let current = next.take()?;
        let decoded = current.contains(&b'%').then(|| percent_decode(&current));
        next = decoded.filter(|decoded| **decoded != *current).map(Cow::Owned);
        Some(current)
    })
}

pub(super) fn percent_decode(text: &[u8]) -> Vec<u8> {
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
