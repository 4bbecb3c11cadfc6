//! The first bytes of the bodies of logins: the only bodies that are read.

use std::borrow::Cow;
use std::fmt;

use compact_str::CompactString;

use crate::record::Request;
use crate::template::Endpoint;

/// Bytes kept of the body of a login: a name and a password are well within it.
const MAX_ASKED: usize = 4 * 1024;
/// Bytes kept of the answer, which says whether it succeeded. The capture copies no more of a response.
const MAX_ANSWERED: usize = 1024;

/// Last segments of paths that people give to logins, in lower case, `-` and `_` left out.
const WORDS: [&str; 14] = [
    "login",
    "signin",
    "logon",
    "authenticate",
    "authentication",
    "auth",
    "session",
    "sessions",
    "token",
    "tokens",
    "gettoken",
    "accesstoken",
    "dologin",
    "userlogin",
];

/// Which requests are logins.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    /// Those that were named.
    named: Vec<Endpoint>,
    /// Those whose path looks like one, too.
    recognize: bool,
}

/// Which login a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// The one with this number among those that were named.
    Named(usize),
    /// One that looks like a login.
    Recognized,
}

impl Logins {
    /// Those named, and those that are `recognize`d by their paths.
    pub fn new(named: Vec<Endpoint>, recognize: bool) -> Self {
        Self { named, recognize }
    }

    /// Whether a request is a login that says who asks in its body.
    pub fn find(&self, request: &Request) -> Option<Login> {
        if matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "DELETE") {
            return None;
        }
        let content_type = request.content_type.as_deref()?;
        if !is_json(content_type) && !is_form(content_type) {
            return None;
        }
        let named = self
            .named
            .iter()
            .position(|endpoint| endpoint.matches(&request.method, &request.path));
        let recognized = || self.recognize && request.method == "POST" && is_login(&request.path);
        named
            .map(Login::Named)
            .or_else(|| recognized().then_some(Login::Recognized))
    }
}

/// `application/json` and its kin (RFC 6839 section 3.1).
pub fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim_end();
    let ends = |end: &str| {
        essence
            .len()
            .checked_sub(end.len())
            .and_then(|at| essence.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    ends("/json") || ends("+json")
}

/// `application/x-www-form-urlencoded`.
pub fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim_end();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Whether a path ends like those of logins.
pub fn is_login(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    let letters = || {
        last.bytes()
            .filter(|b| !matches!(b, b'-' | b'_'))
            .map(|b| b.to_ascii_lowercase())
    };
    // `login.php`, `login.do`.
    let letters = || letters().take_while(|b| *b != b'.');
    WORDS.iter().any(|word| letters().eq(word.bytes()))
}

/// What the two ends said at a login.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    /// Which login it is.
    pub login: Login,
    /// The start of the request's body.
    pub asked: Start,
    /// The start of the response's body.
    pub answered: Start,
    /// `Location` of the response.
    pub location: Option<CompactString>,
}

/// The start of a body.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Start {
    bytes: Vec<u8>,
    chunked: bool,
    /// What follows is not next to it.
    over: bool,
}

/// Nobody prints a password.
impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

impl Said {
    /// Nothing yet.
    pub fn new(login: Login) -> Self {
        Self {
            login,
            asked: Start::default(),
            answered: Start::default(),
            location: None,
        }
    }

    /// More of the request's body, as on the wire.
    pub fn ask(&mut self, bytes: &[u8], chunked: bool) {
        self.asked.push(bytes, chunked, MAX_ASKED);
    }

    /// More of the response's body, as on the wire.
    pub fn answer(&mut self, bytes: &[u8], chunked: bool) {
        self.answered.push(bytes, chunked, MAX_ANSWERED);
    }
}

impl Start {
    /// Bytes are missing here: what comes later does not follow.
    pub fn miss(&mut self) {
        self.over = true;
    }

    fn push(&mut self, bytes: &[u8], chunked: bool, max: usize) {
        if self.over {
            return;
        }
        self.chunked = chunked;
        let room = max - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.over = bytes.len() >= room;
    }

    /// The bytes, without chunk framing.
    pub fn body(&self) -> Cow<'_, [u8]> {
        if !self.chunked {
            return Cow::Borrowed(&self.bytes);
        }
        let mut rest = &self.bytes[..];
        let mut body = Vec::with_capacity(rest.len());
        while let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) {
            rest = &rest[start..];
            let here = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
            body.extend_from_slice(&rest[..here]);
            rest = &rest[here..];
            rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
            if size == 0 {
                break;
            }
        }
        Cow::Owned(body)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(method: &str, path: &str, content_type: &str) -> Request {
        Request {
            method: method.into(),
            path: path.into(),
            content_type: Some(content_type.into()),
            ..Request::default()
        }
    }

    #[test]
    fn logins_are_named_or_recognized() {
        let logins = Logins::new(vec!["PUT /enter".parse().unwrap()], true);
        for (method, path, content_type, expected) in [
            ("PUT", "/enter", "application/json", Some(Login::Named(0))),
            ("POST", "/enter", "application/json", None),
            (
                "POST",
                "/api/v1/login",
                "application/json; charset=utf-8",
                Some(Login::Recognized),
            ),
            (
                "POST",
                "/Sign-In/",
                "application/x-www-form-urlencoded",
                Some(Login::Recognized),
            ),
            (
                "POST",
                "/login.php",
                "application/x-www-form-urlencoded",
                Some(Login::Recognized),
            ),
            (
                "POST",
                "/oauth/token",
                "application/x-www-form-urlencoded",
                Some(Login::Recognized),
            ),
            ("POST", "/login", "multipart/form-data; boundary=x", None),
            ("GET", "/login", "application/json", None),
            ("POST", "/logins-of-today", "application/json", None),
            ("POST", "/", "application/vnd.api+json", None),
        ] {
            assert_eq!(logins.find(&request(method, path, content_type)), expected, "{path}");
        }
        let none = Logins::new(Vec::new(), false);
        assert_eq!(none.find(&request("POST", "/login", "application/json")), None);
    }

    #[test]
    fn chunks_are_put_together() {
        let mut said = Said::new(Login::Recognized);
        said.ask(b"4\r\nuser\r\n3;x=", true);
        said.ask(b"y\r\n=me\r\n0\r\n\r\n", true);
        assert_eq!(&*said.asked.body(), b"user=me");
        said.answer(b"plain", false);
        said.answered.miss();
        said.answer(b" after a gap", false);
        assert_eq!(&*said.answered.body(), b"plain");
        assert!(!format!("{said:?}").contains("user"));
    }

    proptest! {
        #[test]
        fn is_bounded(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..6), chunked: bool) {
            let mut said = Said::new(Login::Recognized);
            for piece in &pieces {
                said.ask(piece, chunked);
                said.answer(piece, chunked);
            }
            prop_assert!(said.asked.body().len() <= MAX_ASKED && said.answered.body().len() <= MAX_ANSWERED);
        }
    }
}
