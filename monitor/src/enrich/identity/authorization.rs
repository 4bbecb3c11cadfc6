//! `Authorization` (RFC 9110 section 11.6.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authorization<'a> {
    /// A token (RFC 6750, RFC 9449).
    Bearer(&'a [u8]),
    /// The user of Basic (RFC 7617) or Digest (RFC 7616).
    User(Vec<u8>),
    /// An API key in the place of Basic's user.
    BasicKey(Vec<u8>),
    /// A key under some other scheme, or none.
    Key(&'a [u8]),
}

/// Schemes that are seen without a value now and then, when a client has none.
const SCHEMES: [&str; 6] = ["basic", "bearer", "digest", "dpop", "negotiate", "token"];

/// Reads a value; `None` where it names nobody.
pub(super) fn read(value: &[u8]) -> Option<Authorization<'_>> {
    let value = value.trim_ascii();
    let Some(space) = value.iter().position(|b| *b == b' ') else {
        // A scheme alone is no key.
        let is_key = !value.is_empty() && !SCHEMES.iter().any(|name| value.eq_ignore_ascii_case(name.as_bytes()));
        return is_key.then_some(Authorization::Key(value));
    };
    let (scheme, rest) = (&value[..space], value[space + 1..].trim_ascii());
    let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    if rest.is_empty() {
        None
    } else if is("bearer") || is("dpop") {
        Some(Authorization::Bearer(rest))
    } else if is("basic") {
        basic(rest)
    } else if is("digest") {
        parameter(rest, b"username").map(|user| Authorization::User(user.to_vec()))
    } else if is("aws4-hmac-sha256") {
        // The id of the access key is up to the first slash; the rest of the scope changes every day.
        let credential = parameter(rest, b"credential")?;
        credential.split(|b| *b == b'/').next().map(Authorization::Key)
    } else if ["apikey", "api-key", "key", "token", "secret"]
        .iter()
        .any(|name| is(name))
    {
        Some(Authorization::Key(rest))
    } else {
        // Negotiate, NTLM and the like: another value with every connection.
        None
    }
}

fn basic(rest: &[u8]) -> Option<Authorization<'static>> {
    let bare = rest.split(|b| *b == b'=').next()?;
    let mut user = STANDARD_NO_PAD.decode(bare).ok()?;
    let colon = user.iter().position(|b| *b == b':')?;
    // A password of no or one character is none: services take a key as the user, and anything as password.
    let is_key = user.len() - colon - 1 <= 1;
    user.truncate(colon);
    if user.is_empty() {
        return None;
    }
    Some(if is_key {
        Authorization::BasicKey(user)
    } else {
        Authorization::User(user)
    })
}

/// `name=value` or `name="value"` in a list.
fn parameter<'a>(list: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    list.split(|b| *b == b',').find_map(|pair| {
        let equals = pair.iter().position(|b| *b == b'=')?;
        let value = pair[equals + 1..].trim_ascii();
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let value = value.strip_suffix(b"\"").unwrap_or(value);
        (pair[..equals].trim_ascii().eq_ignore_ascii_case(name) && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<&Authorization<'_>>) {
        assert_eq!(read(value.as_bytes()).as_ref(), expected);
    }

    #[test]
    fn schemes() {
        check("Bearer abc", Some(&Authorization::Bearer(b"abc")));
        check("bearer  abc ", Some(&Authorization::Bearer(b"abc")));
        check("DPoP abc", Some(&Authorization::Bearer(b"abc")));
        // alice:secret
        check("Basic YWxpY2U6c2VjcmV0", Some(&Authorization::User(b"alice".to_vec())));
        // sk_live_1: and sk_live_1:X
        check(
            "Basic c2tfbGl2ZV8xOg==",
            Some(&Authorization::BasicKey(b"sk_live_1".to_vec())),
        );
        check(
            "Basic c2tfbGl2ZV8xOlg=",
            Some(&Authorization::BasicKey(b"sk_live_1".to_vec())),
        );
        check(
            "Digest username=\"Mufasa\", realm=\"x\"",
            Some(&Authorization::User(b"Mufasa".to_vec())),
        );
        check(
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu/s3/aws4_request, Signature=ab",
            Some(&Authorization::Key(b"AKID")),
        );
        check("ApiKey abc", Some(&Authorization::Key(b"abc")));
        check("Token abc", Some(&Authorization::Key(b"abc")));
        check("abc", Some(&Authorization::Key(b"abc")));
        for nobody in [
            "",
            "Bearer",
            "Bearer ",
            "Basic !!",
            "Basic bm8=",
            "Basic OnB3",
            "Negotiate YII",
        ] {
            check(nobody, None);
        }
    }

    proptest! {
        #[test]
        fn reads_anything(value: Vec<u8>) {
            let _ = read(&value);
        }
    }
}
