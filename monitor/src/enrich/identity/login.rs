//! Logins: who wants in, and whether the server let them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json;
use crate::enrich::privacy::percent_decode;
use crate::pattern::Glob;
use crate::protocol::taps::{Login, Said, is_form, is_json, is_login};
use crate::record::{Request, Response};
use crate::template::Endpoint;

/// Names of the field with the account where no `[[login]]` says which, the likeliest first.
const USER_FIELDS: [&str; 12] = [
    "username",
    "user_name",
    "userName",
    "email",
    "login",
    "user",
    "userid",
    "user_id",
    "userId",
    "account",
    "identifier",
    "phone",
];
/// Statuses of a refused login where no `[[login]]` says which. OAuth 2.0 says 400 for a wrong password (RFC 6749
/// section 5.2), many APIs 422.
const REFUSED: [u16; 4] = [400, 401, 403, 422];

/// One login: where it is, who asks there, and what failure looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Method and path; `{name}` stands for any one segment.
    #[schemars(example = &"POST /api/v1/login")]
    pub endpoint: Endpoint,
    /// Field of the JSON or form body that holds the account.
    #[schemars(example = &"username")]
    pub user_field: String,
    /// Statuses that refuse it.
    #[serde(default = "failure_status")]
    #[schemars(example = failure_status())]
    pub failure_status: Vec<u16>,
    /// Text at the beginning of the response's body (its first KiB, as far as it is copied) that refuses it, for servers
    /// that answer 200 to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_body: Option<String>,
    /// Target of a redirect that refuses it; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_redirect: Option<Glob>,
}

fn failure_status() -> Vec<u16> {
    vec![401, 403]
}

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The server let them in.
    Success,
    /// It refused.
    Failure,
    /// Neither: no answer, an error of its own, a page whose text was not to be judged.
    Unknown,
}

impl LoginOutcome {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Unknown];

    /// Name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

/// The logins that were named, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Rules {
    named: Vec<Settings>,
}

impl Rules {
    pub(super) fn new(named: &[Settings]) -> Self {
        Self { named: named.to_vec() }
    }

    /// The account that wants in.
    pub(super) fn user(&self, said: &Said, request: &Request) -> Option<String> {
        let body = said.asked.body();
        let content_type = request.content_type.as_deref()?;
        let of = |names: &[&str]| {
            if is_json(content_type) {
                first(json::fields(&body, names, true))
            } else if is_form(content_type) {
                names.iter().find_map(|name| form_field(&body, name))
            } else {
                None
            }
        };
        match self.rule(said.login) {
            Some(rule) => of(&[&rule.user_field]),
            None => of(&USER_FIELDS),
        }
        .filter(|user| !user.is_empty())
    }

    /// How it ended.
    pub(super) fn outcome(&self, said: &Said, request: &Request, response: Option<&Response>) -> LoginOutcome {
        let Some(response) = response else {
            return LoginOutcome::Unknown;
        };
        let rule = self.rule(said.login);
        let refused = rule.map_or(&REFUSED[..], |rule| &rule.failure_status);
        if refused.contains(&response.status) {
            return LoginOutcome::Failure;
        }
        match response.status {
            200..300 => {
                let body = said.answered.body();
                let says = |text: &String| contains(&body, text.as_bytes());
                match rule.and_then(|rule| rule.failure_body.as_ref()) {
                    Some(text) if says(text) => LoginOutcome::Failure,
                    None if rule.is_none() && shows_form_again(request, response) => LoginOutcome::Unknown,
                    Some(_) | None => LoginOutcome::Success,
                }
            }
            300..400 => {
                let location = said.location.as_deref().unwrap_or_default();
                let refuses = match rule.and_then(|rule| rule.failure_redirect.as_ref()) {
                    Some(glob) => glob.matches(location),
                    None => rule.is_none() && leads_back(location),
                };
                if refuses {
                    LoginOutcome::Failure
                } else {
                    LoginOutcome::Success
                }
            }
            _ => LoginOutcome::Unknown,
        }
    }

    fn rule(&self, login: Login) -> Option<&Settings> {
        match login {
            Login::Named(at) => self.named.get(at),
            Login::Recognized => None,
        }
    }
}

fn first(found: Vec<Option<String>>) -> Option<String> {
    found.into_iter().flatten().next()
}

/// A form that is answered by a page: sites show the form again, with 200, when the password was wrong.
fn shows_form_again(request: &Request, response: &Response) -> bool {
    let is_html = response.content_type.as_deref().is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.len() >= 9 && kind[..9].eq_ignore_ascii_case(b"text/html")
    });
    is_html && request.content_type.as_deref().is_some_and(is_form)
}

/// A redirect to a login, or with an error in its query.
fn leads_back(location: &str) -> bool {
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let query = &location[path.len()..];
    is_login(path) || ["error", "fail", "invalid"].iter().any(|word| query.contains(word))
}

/// The value of `name` in a form (URL standard, application/x-www-form-urlencoded).
fn form_field(body: &[u8], name: &str) -> Option<String> {
    body.split(|b| *b == b'&').find_map(|piece| {
        let equals = piece.iter().position(|b| *b == b'=')?;
        let is_it = *decode(&piece[..equals]) == *name.as_bytes();
        is_it.then(|| String::from_utf8_lossy(&decode(&piece[equals + 1..])).into_owned())
    })
}

fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if text.iter().any(|b| matches!(b, b'%' | b'+')) {
        let spaced: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        Cow::Owned(percent_decode(&spaced))
    } else {
        Cow::Borrowed(text)
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";

    fn rules() -> Rules {
        Rules::new(&[Settings {
            endpoint: "POST /enter".parse().unwrap(),
            user_field: "who".to_owned(),
            failure_status: failure_status(),
            failure_body: Some("\"ok\":false".to_owned()),
            failure_redirect: Some("*/enter?again*".parse().unwrap()),
        }])
    }

    #[track_caller]
    fn check_user(login: Login, content_type: &str, body: &str, user: Option<&str>) {
        let mut said = Said::new(login);
        said.ask(body.as_bytes(), false);
        let request = Request {
            content_type: Some(content_type.into()),
            ..Request::default()
        };
        assert_eq!(rules().user(&said, &request).as_deref(), user, "{body}");
    }

    #[test]
    fn users_in_json_and_forms() {
        check_user(
            Login::Named(0),
            JSON,
            r#"{"who":"alice","username":"x"}"#,
            Some("alice"),
        );
        check_user(
            Login::Named(0),
            FORM,
            "password=p&who=alice%40example.com",
            Some("alice@example.com"),
        );
        check_user(Login::Named(0), JSON, r#"{"username":"x"}"#, None);
        check_user(
            Login::Recognized,
            JSON,
            r#"{"user":{"email":"a@b","password":"p"}}"#,
            Some("a@b"),
        );
        check_user(Login::Recognized, FORM, "email=a%2Bb%40c+d&password=p", Some("a+b@c d"));
        check_user(
            Login::Recognized,
            FORM,
            "grant_type=password&username=u&password=p",
            Some("u"),
        );
        check_user(Login::Recognized, FORM, "username=&password=p", None);
        check_user(Login::Recognized, "text/plain", "username=u", None);
    }

    #[track_caller]
    fn check(login: Login, status: u16, location: Option<&str>, body: &str, outcome: LoginOutcome) {
        let mut said = Said::new(login);
        said.answer(body.as_bytes(), false);
        said.location = location.map(Into::into);
        let request = Request {
            content_type: Some(FORM.into()),
            ..Request::default()
        };
        let response = Response {
            status,
            content_type: Some(if body.starts_with('<') { "text/html; x" } else { JSON }.into()),
            ..Response::default()
        };
        assert_eq!(
            rules().outcome(&said, &request, Some(&response)),
            outcome,
            "{status} {body}"
        );
    }

    #[test]
    fn outcomes_by_rule() {
        let named = Login::Named(0);
        check(named, 200, None, r#"{"ok":true}"#, LoginOutcome::Success);
        check(named, 200, None, r#"{"ok":false}"#, LoginOutcome::Failure);
        check(named, 401, None, "", LoginOutcome::Failure);
        check(named, 400, None, "", LoginOutcome::Unknown);
        check(named, 302, Some("/enter?again=1"), "", LoginOutcome::Failure);
        check(named, 302, Some("/home"), "", LoginOutcome::Success);
        check(named, 503, None, "", LoginOutcome::Unknown);
    }

    #[test]
    fn outcomes_without_one() {
        let seen = Login::Recognized;
        check(seen, 200, None, "{}", LoginOutcome::Success);
        check(seen, 200, None, "<html>", LoginOutcome::Unknown);
        check(seen, 400, None, "", LoginOutcome::Failure);
        check(seen, 422, None, "", LoginOutcome::Failure);
        check(seen, 429, None, "", LoginOutcome::Unknown);
        check(seen, 302, Some("/"), "", LoginOutcome::Success);
        check(seen, 302, Some("https://h/login"), "", LoginOutcome::Failure);
        check(seen, 302, Some("/start?error=1"), "", LoginOutcome::Failure);
        let said = Said::new(seen);
        assert_eq!(rules().outcome(&said, &Request::default(), None), LoginOutcome::Unknown);
    }
}
