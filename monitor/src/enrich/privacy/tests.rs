//! What is hidden, what is shown, and that no planted secret survives.

use proptest::prelude::*;

use super::*;

fn privacy(query: Query) -> Privacy {
    Privacy::new(
        [7; 32],
        &Settings {
            query,
            ..Settings::default()
        },
        &IdentitySettings::default(),
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
    let (a, b) = (
        privacy(Query::Secrets),
        Privacy::new([8; 32], &Settings::default(), &IdentitySettings::default()),
    );
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

    // Each secret name has a letter after `j`: none can be formed.
    #[test]
    fn nothing_is_hidden_without_a_cause(target in "/[a-jA-J0-9/?&=;._~-]{0,60}") {
        prop_assert_eq!(privacy(Query::Secrets).redact_target(&target), Cow::Borrowed(target.as_str()));
    }

    #[test]
    fn the_quick_look_agrees_with_the_long_one(
        target in "/[a-b/;]{0,3}(\\?((key|tok?en|KEY|a[.]b|p-q|%6bey)?(=[a-c/+=:@%]{0,4})?[&?#;]?){0,4})?",
    ) {
        let privacy = privacy(Query::Secrets);
        prop_assert_eq!(privacy.redact_target(&target), privacy.redact_any(&target));
    }

    #[test]
    fn any_text_is_taken(target in "\\PC{0,80}") {
        for query in [Query::Secrets, Query::All, Query::None] {
            let _ = privacy(query).redact_target(&target);
        }
    }
}
