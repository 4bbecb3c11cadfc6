//! Paths with places in them: `/orders/{id}`, and a method before them: `GET /orders/{id}`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A path whose segments are words or places that any one segment fills. The query has no part in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathTemplate {
    text: Box<str>,
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    Word(Box<str>),
    /// What stands before and after the place in its segment: `{name}.json`, `v{n}`; both are empty mostly.
    Place(Box<str>, Box<str>),
}

/// A method and a path template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Method, in upper case.
    pub method: Box<str>,
    /// Where.
    pub path: PathTemplate,
}

/// What is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// No method, or no path.
    #[error("`{0}` is not a method and a path, such as \"POST /login\" or \"GET /orders/{{id}}\"")]
    NotAnEndpoint(String),
    /// A path that does not begin with `/`.
    #[error("the path `{0}` does not begin with /")]
    Relative(String),
}

impl PathTemplate {
    /// Whether `path` is of this form. A final `/` counts: servers tell them apart.
    pub fn matches(&self, path: &str) -> bool {
        let mut given = split(path);
        self.segments.iter().all(|segment| {
            given.next().is_some_and(|text| match segment {
                Segment::Word(word) => **word == *text,
                Segment::Place(before, after) => {
                    text.len() > before.len() + after.len() && text.starts_with(&**before) && text.ends_with(&**after)
                }
            })
        }) && given.next().is_none()
    }

    /// The template as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Segments that are no words. Of two templates that a path is of, the one with fewer says more.
    pub fn places(&self) -> usize {
        let is_place = |segment: &&Segment| match segment {
            Segment::Word(_) => false,
            Segment::Place(..) => true,
        };
        self.segments.iter().filter(is_place).count()
    }

    /// For each segment whether it is a place.
    pub fn shape(&self) -> impl Iterator<Item = bool> {
        self.segments.iter().map(|segment| match segment {
            Segment::Word(_) => false,
            Segment::Place(..) => true,
        })
    }

    /// Number of segments.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether it is the root's.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// This template below `prefix`, which has no places.
    pub fn below(&self, prefix: &str) -> Result<Self, TemplateError> {
        format!("{}{}", prefix.trim_end_matches('/'), self.text).parse()
    }
}

/// Segments of a path, without the first `/`.
pub fn split(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(path.strip_prefix('/').unwrap_or(path));
    // By hand, as segments are short: `str::split` looks for each one's end with the means for long texts.
    std::iter::from_fn(move || {
        let path = rest?;
        let (segment, after) = match path.bytes().position(|b| b == b'/') {
            Some(at) => (&path[..at], Some(&path[at + 1..])),
            None => (path, None),
        };
        rest = after;
        Some(segment)
    })
}

impl FromStr for PathTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if !text.starts_with('/') {
            return Err(TemplateError::Relative(text.to_owned()));
        }
        let segments = split(text).map(|segment| {
            let place = segment
                .split_once('{')
                .and_then(|(before, rest)| Some((before, rest.rsplit_once('}')?.1)));
            match place {
                Some((before, after)) => Segment::Place(before.into(), after.into()),
                None => Segment::Word(segment.into()),
            }
        });
        Ok(Self {
            segments: segments.collect(),
            text: text.into(),
        })
    }
}

impl Endpoint {
    /// Whether a request is for it.
    pub fn matches(&self, method: &str, path: &str) -> bool {
        *self.method == *method && self.path.matches(path)
    }
}

impl FromStr for Endpoint {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let (method, path) = text
            .trim()
            .split_once(' ')
            .ok_or_else(|| TemplateError::NotAnEndpoint(text.to_owned()))?;
        if method.is_empty() || !method.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(TemplateError::NotAnEndpoint(text.to_owned()));
        }
        Ok(Self {
            method: method.to_ascii_uppercase().into(),
            path: path.trim().parse()?,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path.as_str())
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Endpoint {
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9-]+ /" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(template: &str, path: &str, matches: bool) {
        let template: PathTemplate = template.parse().unwrap();
        assert_eq!(template.matches(path), matches, "{template:?} {path}");
    }

    #[test]
    fn paths_of_a_template() {
        check("/orders/{id}", "/orders/42", true);
        check("/orders/{id}", "/orders/42/items", false);
        check("/orders/{id}", "/orders", false);
        check("/orders/{id}", "/orders/", false);
        check("/orders", "/orders/", false);
        check("/", "/", true);
        check("/files/{name}.json", "/files/a.json", true);
        check("/files/{name}.json", "/files/.json", false);
        check("/v{n}/a", "/v1/a", true);
        check("/Orders", "/orders", false);
    }

    #[test]
    fn endpoints_are_read_and_written() {
        let endpoint: Endpoint = "post /login".parse().unwrap();
        assert_eq!(endpoint.to_string(), "POST /login");
        assert!(endpoint.matches("POST", "/login") && !endpoint.matches("GET", "/login"));
        for wrong in ["/login", "POST", "POST login", "P@ST /x", " /x"] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_path_is_of_its_own_template(path in "(/[a-zA-Z0-9._-]{0,8}){1,6}") {
            let template: PathTemplate = path.parse().unwrap();
            prop_assert!(template.matches(&path));
            prop_assert_eq!(template.places(), 0);
        }
    }
}
