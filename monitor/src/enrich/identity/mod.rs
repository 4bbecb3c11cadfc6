//! Who asks: keys, tokens, accounts and sessions in a request.
//!
//! Secrets become keyed fingerprints here, before anything else sees them; names of accounts stay as they are, since a
//! person on call must act on them, unless the configuration says otherwise. Nothing is verified: the server does that,
//! and its answers tell which identities it knows (`proven.rs`).

pub mod attempt;
mod authorization;
mod json;
mod jwt;
pub mod login;
mod memo;
mod proven;
pub mod subject;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::authorization::Authorization;
use self::login::{LoginOutcome, Rules};
use self::memo::Memo;
use self::proven::Proven;
use super::privacy::{Privacy, fold, percent_decode};
use crate::config::Config;
use crate::protocol::taps::{Logins, Taken, Tap};
use crate::protocol::text::printable;
use crate::record::{Request, Response};

/// Identities told of one request; a client has a handful.
const MAX_IDENTITIES: usize = 8;
/// Longest name of an account shown, bytes; e-mail addresses have at most 254 (RFC 5321 section 4.5.3.1.3).
const MAX_NAME: usize = 256;

/// Where requests say who asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Header fields that hold an API key. `Authorization` is always read.
    pub api_key_headers: Vec<String>,
    /// Parameters of the query that hold an API key. In a target their values, and those of parameters named like the
    /// session cookies, are hidden like those of `secret_params`.
    pub api_key_query: Vec<String>,
    /// Header fields in which a trusted gateway names the user. Believed from peers in `[clients] trusted_proxies` alone.
    pub user_headers: Vec<String>,
    /// Claims of JWT bearer tokens that name an account. They are shown unverified, and marked so.
    pub jwt_claims: Vec<String>,
    /// Cookies that hold a session.
    pub session_cookies: Vec<String>,
    /// Take POST requests of JSON or a form, to a path that ends in `login`, `signin`, `token` and the like, for logins
    /// also where no `[[login]]` names them.
    pub recognize_logins: bool,
}

impl Default for Settings {
    /// Names that gateways and frameworks use by default.
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            api_key_headers: list(&[
                "x-api-key",
                "api-key",
                "apikey",
                "x-api-token",
                "x-auth-token",
                "x-access-token",
            ]),
            api_key_query: list(&["api_key", "apikey", "access_token"]),
            user_headers: Vec::new(),
            jwt_claims: list(&["sub"]),
            session_cookies: list(&[
                "session",
                "sessionid",
                "session_id",
                "sid",
                "connect.sid",
                "JSESSIONID",
                "PHPSESSID",
                "ASP.NET_SessionId",
                "laravel_session",
            ]),
            recognize_logins: true,
        }
    }
}

impl Settings {
    /// The fields that must be kept of requests.
    pub fn taps(&self) -> impl Iterator<Item = (&str, Tap)> {
        let keys = self.api_key_headers.iter().map(|name| (name.as_str(), Tap::Key));
        let users = self.user_headers.iter().map(|name| (name.as_str(), Tap::User));
        [("authorization", Tap::Authorization), ("cookie", Tap::Cookie)]
            .into_iter()
            .chain(keys)
            .chain(users)
    }

    /// The requests whose bodies are looked into.
    pub fn logins(&self, named: &[login::Settings]) -> Logins {
        let named = named.iter().map(|login| login.endpoint.clone()).collect();
        Logins::new(named, self.recognize_logins)
    }
}

/// What an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityKind {
    /// An API key.
    Key,
    /// A bearer token.
    Token,
    /// An account.
    Account,
    /// A session.
    Session,
}

impl IdentityKind {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Key, Self::Token, Self::Account, Self::Session];

    /// Name in records, and before fingerprints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "token",
            Self::Account => "account",
            Self::Session => "session",
        }
    }
}

/// Where an identity was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentitySource {
    /// A header field that holds an API key.
    Header,
    /// A parameter of the query.
    Query,
    /// `Authorization: Bearer`.
    Bearer,
    /// A claim of a JWT, not verified.
    Jwt,
    /// `Authorization: Basic` or `Digest`.
    Basic,
    /// `Authorization` of another kind.
    Authorization,
    /// A cookie.
    Cookie,
    /// A header field set by a trusted gateway.
    Gateway,
    /// The body of a login.
    Login,
}

impl IdentitySource {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::Header,
        Self::Query,
        Self::Bearer,
        Self::Jwt,
        Self::Basic,
        Self::Authorization,
        Self::Cookie,
        Self::Gateway,
        Self::Login,
    ];

    /// Name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Query => "query",
            Self::Bearer => "bearer",
            Self::Jwt => "jwt",
            Self::Basic => "basic",
            Self::Authorization => "authorization",
            Self::Cookie => "cookie",
            Self::Gateway => "gateway",
            Self::Login => "login",
        }
    }
}

/// Who asks, or says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is.
    pub kind: IdentityKind,
    /// A fingerprint (`key:3fa9c1d2`), or the name of an account; printable.
    pub id: Arc<str>,
    /// Where it was found.
    pub source: IdentitySource,
    /// It was never seen on a request that this host answered with success.
    pub unproven: bool,
}

/// A request and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The request, its secrets in clear.
    pub request: &'a Request,
    /// What was kept of it.
    pub taken: &'a Taken,
    /// The answer, if there was one.
    pub response: Option<&'a Response>,
    /// The peer may name users.
    pub trusted: bool,
}

/// Finds out who asks.
#[derive(Debug)]
pub struct Identities {
    /// Folded, as parameters are compared.
    api_key_query: Vec<Vec<u8>>,
    jwt_claims: Vec<String>,
    rules: Rules,
    memo: Memo,
    proven: Proven,
    untrusted: u64,
    cut: u64,
}

impl Identities {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        let settings = &config.identity;
        Self {
            api_key_query: settings
                .api_key_query
                .iter()
                .map(|name| name.bytes().map(fold).collect())
                .collect(),
            jwt_claims: settings.jwt_claims.clone(),
            rules: Rules::new(&config.login),
            memo: Memo::default(),
            proven: Proven::default(),
            untrusted: 0,
            cut: 0,
        }
    }

    /// Who asked, and how the login ended if it was one.
    pub fn who(&mut self, asked: Asked<'_>, privacy: &Privacy) -> (Vec<Identity>, Option<LoginOutcome>) {
        let mut found = Found {
            privacy,
            identities: Vec::new(),
        };
        self.cut += u64::from(asked.taken.cut);
        for (tap, value) in asked.taken.all() {
            match tap {
                Tap::Authorization | Tap::Key | Tap::Cookie => found.add(&self.remembered(tap, value, privacy)),
                Tap::User if asked.trusted => found.account(IdentitySource::Gateway, value),
                Tap::User => self.untrusted += 1,
                Tap::Forwarded | Tap::ForwardedFor | Tap::Claim | Tap::Place | Tap::Page => {}
            }
        }
        self.query(&asked.request.target, &mut found);
        let mut outcome = None;
        if let Some(said) = &asked.taken.said {
            outcome = Some(self.rules.outcome(said, asked.request, asked.response));
            if let Some(user) = self.rules.user(said, asked.request) {
                found.account(IdentitySource::Login, user.as_bytes());
            }
        }
        let mut identities = found.identities;
        let status = asked.response.map(|response| response.status);
        for identity in &mut identities {
            let accepted = match (identity.source, outcome) {
                // Whoever logs in is accepted by the login alone.
                (IdentitySource::Login, Some(outcome)) => outcome == LoginOutcome::Success,
                (_, _) => status.is_some_and(|status| matches!(status, 101 | 200..300 | 304)),
            };
            identity.unproven = !self.proven.see(identity.kind, &identity.id, accepted);
        }
        (identities, outcome)
    }

    /// Requests in which a peer that is no trusted proxy named a user.
    pub fn untrusted(&self) -> u64 {
        self.untrusted
    }

    /// Requests with more of what is asked for than is kept.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Identities forgotten to stay within a bound.
    pub fn evicted(&self) -> u64 {
        self.proven.evicted()
    }

    /// What a credential says, which was read before if it came before.
    fn remembered(&mut self, tap: Tap, value: &[u8], privacy: &Privacy) -> Arc<[Identity]> {
        let tag = privacy.tag(tap as u8, value);
        if let Some(known) = self.memo.get(tag) {
            return known;
        }
        let mut found = Found {
            privacy,
            identities: Vec::new(),
        };
        match tap {
            Tap::Authorization => self.authorization(value, &mut found),
            Tap::Key => found.secret(IdentityKind::Key, IdentitySource::Header, value),
            Tap::Cookie => found.secret(IdentityKind::Session, IdentitySource::Cookie, value),
            Tap::Forwarded | Tap::ForwardedFor | Tap::Claim | Tap::User | Tap::Place | Tap::Page => {}
        }
        self.memo.put(tag, found.identities.into())
    }

    fn authorization(&self, value: &[u8], found: &mut Found<'_>) {
        match authorization::read(value) {
            Some(Authorization::Bearer(token)) => {
                found.secret(IdentityKind::Token, IdentitySource::Bearer, token);
                for name in jwt::claims(token, &self.jwt_claims).into_iter().flatten() {
                    found.account(IdentitySource::Jwt, name.as_bytes());
                }
            }
            Some(Authorization::User(user)) => found.account(IdentitySource::Basic, &user),
            Some(Authorization::BasicKey(key)) => found.secret(IdentityKind::Key, IdentitySource::Basic, &key),
            Some(Authorization::Key(key)) => found.secret(IdentityKind::Key, IdentitySource::Authorization, key),
            None => {}
        }
    }

    fn query(&self, target: &str, found: &mut Found<'_>) {
        let Some((_, query)) = target.split_once('?') else {
            return;
        };
        for (name, value) in query.split('&').filter_map(|piece| piece.split_once('=')) {
            let is = |known: &Vec<u8>| known.len() == name.len() && name.bytes().map(fold).eq(known.iter().copied());
            if self.api_key_query.iter().any(is) {
                let value = if value.contains(['%', '+']) {
                    Cow::Owned(percent_decode(value.as_bytes()))
                } else {
                    Cow::Borrowed(value.as_bytes())
                };
                found.secret(IdentityKind::Key, IdentitySource::Query, &value);
            }
        }
    }
}

/// Identities as they are found: fingerprints and names only.
struct Found<'a> {
    privacy: &'a Privacy,
    identities: Vec<Identity>,
}

impl Found<'_> {
    fn secret(&mut self, kind: IdentityKind, source: IdentitySource, secret: &[u8]) {
        if !secret.is_empty() {
            let id = self.privacy.fingerprint(kind.name(), secret);
            self.push(kind, source, id);
        }
    }

    fn account(&mut self, source: IdentitySource, name: &[u8]) {
        let name = name.trim_ascii();
        if !name.is_empty() {
            let id = self.privacy.account(&printable(name, MAX_NAME));
            self.push(IdentityKind::Account, source, id);
        }
    }

    fn push(&mut self, kind: IdentityKind, source: IdentitySource, id: String) {
        self.add(&[Identity {
            kind,
            id: id.into(),
            source,
            unproven: true,
        }]);
    }

    /// Those that are not there yet, as many as are told.
    fn add(&mut self, identities: &[Identity]) {
        for identity in identities {
            let is_known = |known: &Identity| known.kind == identity.kind && known.id == identity.id;
            if self.identities.len() < MAX_IDENTITIES && !self.identities.iter().any(is_known) {
                self.identities.push(identity.clone());
            }
        }
    }
}
