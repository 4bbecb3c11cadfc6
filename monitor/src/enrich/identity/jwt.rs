//! Claims of JSON Web Tokens (RFC 7519), not verified: the keys are the server's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json;

/// The values of these claims, where `token` is a signed JWT (RFC 7515 section 7.1: three parts). Encrypted ones (RFC
/// 7516, five parts) say nothing.
pub(super) fn claims(token: &[u8], names: &[String]) -> Vec<Option<String>> {
    let mut parts = token.split(|b| *b == b'.');
    let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    // `{"` in base64url: a header is an object. Any other token with two dots costs no decoding.
    if names.is_empty() || !header.starts_with(b"ey") {
        return Vec::new();
    }
    match URL_SAFE_NO_PAD.decode(payload) {
        Ok(claims) => json::fields(&claims, names, false),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(claims: &str) -> String {
        format!("eyJhbGciOiJIUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[track_caller]
    fn check(token: &str, expected: &[Option<&str>]) {
        let names = ["sub".to_owned(), "email".to_owned()];
        let found = claims(token.as_bytes(), &names);
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn reads_claims() {
        check(&token(r#"{"sub":"alice","exp":1}"#), &[Some("alice"), None]);
        check(&token(r#"{"email":"a@b","sub":42}"#), &[Some("42"), Some("a@b")]);
        check(&token("no json"), &[None, None]);
    }

    #[test]
    fn what_is_no_jwt_has_no_claims() {
        for text in ["", "abc", "a.b.c", "ey.!.c", "eyJ9.eyJ9", "eyJ9.e30.c.d.e"] {
            check(text, &[]);
        }
    }

    proptest! {
        #[test]
        fn reads_anything(token: Vec<u8>) {
            let _ = claims(&token, &["sub".to_owned()]);
        }
    }
}
