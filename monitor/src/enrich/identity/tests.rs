use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;
use crate::enrich::privacy::{AccountNames, Settings as PrivacySettings};
use crate::protocol::taps::Taps;

/// What a request with these fields says of who asks, each as `kind id source` (`?` while unproven), secrets as `#`.
struct Bench {
    config: Config,
    identities: Identities,
}

impl Bench {
    fn new(toml: &str) -> Self {
        let config = Config::parse(toml, std::path::Path::new("/etc/monitor.toml")).unwrap();
        Self {
            identities: Identities::new(&config),
            config,
        }
    }

    fn ask(&mut self, target: &str, fields: &[(&str, &str)], status: u16, trusted: bool) -> Vec<Identity> {
        let taps = Taps::new(
            self.config.identity.taps(),
            self.config.identity.session_cookies.iter().map(String::as_str),
            self.config.identity.logins(&self.config.login),
        );
        let request = Request {
            method: "GET".into(),
            target: target.into(),
            ..Request::default()
        };
        let taken = taps.take(&request, fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())), true);
        let response = Response {
            status,
            ..Response::default()
        };
        let asked = Asked {
            request: &request,
            taken: &taken,
            response: Some(&response),
            trusted,
        };
        let privacy = Privacy::new([7; 32], &self.config.privacy, &self.config.identity);
        self.identities.who(asked, &privacy).0
    }

    #[track_caller]
    fn check(&mut self, target: &str, fields: &[(&str, &str)], status: u16, expected: &[&str]) {
        let found = self.ask(target, fields, status, true);
        let told: Vec<String> = found.iter().map(tell).collect();
        assert_eq!(told, expected);
    }
}

fn tell(identity: &Identity) -> String {
    let (kind, source) = (identity.kind.name(), identity.source.name());
    let id = match identity.id.split_once(':') {
        Some((shown, hex)) if shown == kind && hex.len() == 8 => "#",
        Some(_) | None => &identity.id,
    };
    let mark = if identity.unproven { " ?" } else { "" };
    format!("{kind} {id} {source}{mark}")
}

fn jwt(claims: &str) -> String {
    format!("Bearer eyJhbGciOiJIUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

#[test]
fn every_place_by_default() {
    let mut bench = Bench::new("");
    bench.check("/", &[("X-API-Key", "abc")], 200, &["key # header"]);
    bench.check("/a?x=1&API-Key=a%62c", &[], 200, &["key # query"]);
    bench.check("/", &[("Authorization", "Bearer abc")], 200, &["token # bearer"]);
    bench.check(
        "/",
        &[("authorization", &jwt(r#"{"sub":"alice","exp":1}"#))],
        200,
        &["token # bearer", "account alice jwt"],
    );
    let basic = format!("Basic {}", STANDARD.encode("alice:secret"));
    bench.check("/", &[("Authorization", &basic)], 200, &["account alice basic"]);
    let cookies = [("Cookie", "theme=dark; sessionid=abc"), ("X-Api-Key", "k")];
    bench.check("/", &cookies, 200, &["session # cookie", "key # header"]);
    bench.check("/", &[("Cookie", "theme=dark"), ("Accept", "*/*")], 200, &[]);
    bench.check("/", &[("X-Api-Key", ""), ("Cookie", "sessionid=")], 200, &[]);
}

#[test]
fn one_key_is_one_identity_wherever_it_comes() {
    let mut bench = Bench::new("");
    let header = bench.ask("/", &[("X-API-Key", "abc")], 200, false);
    let query = bench.ask("/?api_key=abc", &[], 200, false);
    assert_eq!(header[0].id, query[0].id);
    let both = bench.ask("/?api_key=abc", &[("X-API-Key", "abc")], 200, false);
    assert_eq!(both.len(), 1);
}

#[test]
fn what_is_only_refused_is_unproven() {
    let mut bench = Bench::new("");
    let alice = jwt(r#"{"sub":"alice"}"#);
    let fields = [("Authorization", alice.as_str())];
    bench.check("/", &fields, 401, &["token # bearer ?", "account alice jwt ?"]);
    bench.check("/", &fields, 404, &["token # bearer ?", "account alice jwt ?"]);
    bench.check("/", &fields, 200, &["token # bearer", "account alice jwt"]);
    bench.check("/", &fields, 403, &["token # bearer", "account alice jwt"]);
    // Another token that claims to be the same: only the account is known.
    let forged = jwt(r#"{"sub":"alice","x":1}"#);
    let fields = [("Authorization", forged.as_str())];
    bench.check("/", &fields, 401, &["token # bearer ?", "account alice jwt"]);
}

#[test]
fn gateways_name_users_where_they_are_trusted() {
    let mut bench = Bench::new("[identity]\nuser_headers = [\"X-Remote-User\"]\n");
    let fields = [("x-remote-user", "alice")];
    assert_eq!(bench.ask("/", &fields, 200, true).len(), 1);
    assert_eq!(bench.ask("/", &fields, 200, false).len(), 0);
    assert_eq!(bench.identities.untrusted(), 1);
}

#[test]
fn accounts_are_hidden_on_demand() {
    let mut bench = Bench::new("[privacy]\naccount_names = \"fingerprint\"\n");
    bench.check(
        "/",
        &[("Authorization", &jwt(r#"{"sub":"alice"}"#))],
        200,
        &["token # bearer", "account # jwt"],
    );
    assert_eq!(PrivacySettings::default().account_names, AccountNames::Plain);
}

#[test]
fn what_is_named_is_read_and_nothing_else() {
    let mut bench = Bench::new(
        "[identity]\napi_key_headers = [\"X-Shop-Key\"]\napi_key_query = []\njwt_claims = [\"email\"]\nsession_cookies = [\"s\"]\n",
    );
    let token = jwt(r#"{"sub":"alice","email":"a@b"}"#);
    let fields = [
        ("X-API-Key", "no"),
        ("X-Shop-Key", "k"),
        ("Authorization", &token),
        ("Cookie", "sessionid=no; s=1"),
    ];
    bench.check(
        "/?api_key=no",
        &fields,
        200,
        &["key # header", "token # bearer", "account a@b jwt", "session # cookie"],
    );
}

#[test]
fn names_cannot_steer_a_terminal_and_are_bounded() {
    let mut bench = Bench::new("");
    let long = "x".repeat(1_000);
    for name in ["a\u{1b}[31mb", "a\u{202e}b", &long] {
        let claims = serde_json::json!({ "sub": name }).to_string();
        let found = bench.ask("/", &[("Authorization", &jwt(&claims))], 200, false);
        let shown = &found[1].id;
        assert!(
            shown.len() <= MAX_NAME + 3 && !shown.chars().any(char::is_control),
            "{shown}"
        );
        assert!(!shown.contains('\u{202e}'));
    }
    let many: Vec<(&str, String)> = (0..50).map(|n| ("X-API-Key", n.to_string())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(bench.ask("/", &many, 200, false).len(), MAX_IDENTITIES);
}
