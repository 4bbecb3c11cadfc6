//! Paths of OpenAPI 3 documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use crate::template::{Endpoint, PathTemplate, TemplateError, split};

/// Paths of all documents; a large API has some hundreds.
const MAX_PATHS: usize = 20_000;

/// The endpoints that documents name.
#[derive(Clone, Debug, Default)]
pub struct Documented {
    /// By number of segments, those with the fewest places first.
    paths: FxHashMap<usize, Vec<Path>>,
    count: usize,
}

#[derive(Clone, Debug)]
struct Path {
    template: PathTemplate,
    /// `METHOD /path` by method.
    methods: Vec<(Box<str>, Arc<str>)>,
}

/// What is no OpenAPI document.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// Neither JSON nor YAML of this shape.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Another version, or something else.
    #[error("it is not an OpenAPI 3 document: `openapi` is {0:?}")]
    Version(String),
    /// A path that is none.
    #[error(transparent)]
    Path(#[from] TemplateError),
    /// More than is kept.
    #[error("there are more than {MAX_PATHS} paths")]
    TooMany,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    openapi: String,
    #[serde(default)]
    servers: Vec<Server>,
    #[serde(default)]
    paths: BTreeMap<String, PathItem>,
}

#[derive(Deserialize)]
struct Server {
    url: String,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
struct Variable {
    #[serde(default)]
    default: String,
}

#[derive(Deserialize)]
struct PathItem {
    #[serde(default)]
    servers: Vec<Server>,
    get: Option<IgnoredAny>,
    put: Option<IgnoredAny>,
    post: Option<IgnoredAny>,
    delete: Option<IgnoredAny>,
    options: Option<IgnoredAny>,
    head: Option<IgnoredAny>,
    patch: Option<IgnoredAny>,
    trace: Option<IgnoredAny>,
    query: Option<IgnoredAny>,
}

impl PathItem {
    fn methods(&self) -> impl Iterator<Item = &'static str> {
        [
            ("GET", &self.get),
            ("PUT", &self.put),
            ("POST", &self.post),
            ("DELETE", &self.delete),
            ("OPTIONS", &self.options),
            ("HEAD", &self.head),
            ("PATCH", &self.patch),
            ("TRACE", &self.trace),
            ("QUERY", &self.query),
        ]
        .into_iter()
        .filter_map(|(name, operation)| operation.is_some().then_some(name))
    }
}

impl Documented {
    /// Adds the paths of a document, JSON or YAML.
    pub fn add(&mut self, text: &str) -> Result<(), DocumentError> {
        let document: Document = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| DocumentError::Unreadable(error.to_string()))?
        } else {
            serde_saphyr::from_str(text).map_err(|error| DocumentError::Unreadable(first_line(&error.to_string())))?
        };
        if !document.openapi.starts_with("3.") {
            return Err(DocumentError::Version(document.openapi));
        }
        for (path, item) in &document.paths {
            let servers = if item.servers.is_empty() {
                &document.servers
            } else {
                &item.servers
            };
            let template: PathTemplate = path.parse()?;
            let mut prefixes: Vec<String> = servers.iter().map(prefix).collect();
            if prefixes.is_empty() {
                prefixes.push(String::new());
            }
            prefixes.sort_unstable();
            prefixes.dedup();
            for prefix in prefixes {
                for method in item.methods() {
                    self.add_endpoint(method, template.below(&prefix)?)?;
                }
            }
        }
        Ok(())
    }

    /// Adds an endpoint that the configuration names.
    pub fn add_named(&mut self, endpoint: &Endpoint) {
        // A few of them: the bound is not theirs.
        let _ = self.add_endpoint(&endpoint.method, endpoint.path.clone());
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The endpoint of a request, where it is named. `HEAD` is answered wherever `GET` is (RFC 9110 section 9.3.2).
    pub fn find(&self, method: &str, path: &str) -> Option<Arc<str>> {
        let paths = self.paths.get(&split(path).count())?;
        let of = |method: &str| {
            paths
                .iter()
                .filter(|known| known.template.matches(path))
                .find_map(|known| known.methods.iter().find(|(of, _)| **of == *method))
        };
        of(method)
            .map(|(_, endpoint)| Arc::clone(endpoint))
            .or_else(|| match method {
                "HEAD" => of("GET").map(|(_, get)| format!("HEAD {}", &get[4..]).into()),
                _ => None,
            })
    }

    fn add_endpoint(&mut self, method: &str, template: PathTemplate) -> Result<(), DocumentError> {
        if self.count >= MAX_PATHS {
            return Err(DocumentError::TooMany);
        }
        self.count += 1;
        let endpoint = Arc::from(format!("{method} {}", template.as_str()));
        let paths = self.paths.entry(template.len()).or_default();
        if let Some(path) = paths.iter_mut().find(|path| path.template == template) {
            path.methods.push((method.into(), endpoint));
            return Ok(());
        }
        let methods = vec![(method.into(), endpoint)];
        // What is concrete goes before what is not (OpenAPI 3.1 section 4.8.8.1), and earlier segments weigh more.
        let rank = |path: &PathTemplate| path.shape().collect::<Vec<bool>>();
        let at = paths.partition_point(|path| rank(&path.template) <= rank(&template));
        paths.insert(at, Path { template, methods });
        Ok(())
    }
}

/// The path of a server's URL, its variables at their defaults.
fn prefix(server: &Server) -> String {
    let mut url = server.url.clone();
    for (name, variable) in &server.variables {
        url = url.replace(&format!("{{{name}}}"), &variable.default);
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => &url,
    };
    let path = path.trim_end_matches('/');
    if path.is_empty() || path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YAML: &str = "
openapi: 3.1.0
info: { title: Shop, version: '1' }
servers:
  - url: https://{region}.example.com/{base}
    variables:
      region: { default: eu }
      base: { default: v1 }
paths:
  /orders/{orderId}:
    parameters: []
    get: { responses: {} }
    delete: { responses: {} }
  /orders/latest:
    get: { responses: {} }
  /{any}/latest:
    get: { responses: {} }
  /health:
    servers: [ { url: / } ]
    get: { responses: {} }
";

    #[track_caller]
    fn check(documented: &Documented, method: &str, path: &str, endpoint: Option<&str>) {
        assert_eq!(documented.find(method, path).as_deref(), endpoint, "{method} {path}");
    }

    #[test]
    fn finds_what_is_documented() {
        let mut documented = Documented::default();
        documented.add(YAML).unwrap();
        check(&documented, "GET", "/v1/orders/42", Some("GET /v1/orders/{orderId}"));
        check(
            &documented,
            "DELETE",
            "/v1/orders/42",
            Some("DELETE /v1/orders/{orderId}"),
        );
        check(&documented, "HEAD", "/v1/orders/42", Some("HEAD /v1/orders/{orderId}"));
        check(&documented, "GET", "/v1/orders/latest", Some("GET /v1/orders/latest"));
        check(
            &documented,
            "DELETE",
            "/v1/orders/latest",
            Some("DELETE /v1/orders/{orderId}"),
        );
        check(&documented, "GET", "/v1/bills/latest", Some("GET /v1/{any}/latest"));
        check(&documented, "GET", "/health", Some("GET /health"));
        for (method, path) in [
            ("PUT", "/v1/orders/42"),
            ("GET", "/orders/42"),
            ("GET", "/v1/orders"),
            ("GET", ""),
        ] {
            check(&documented, method, path, None);
        }
    }

    #[test]
    fn json_says_the_same() {
        let mut documented = Documented::default();
        let json = r#"{"openapi":"3.0.3","paths":{"/a/{b}.json":{"get":{}}},"servers":[{"url":"/v2/"},{"url":"v3"}]}"#;
        documented.add(json).unwrap();
        check(&documented, "GET", "/v2/a/x.json", Some("GET /v2/a/{b}.json"));
        check(&documented, "GET", "/v3/a/x.json", Some("GET /v3/a/{b}.json"));
    }

    #[test]
    fn other_things_are_refused() {
        for (text, says) in [
            (
                "swagger: '2.0'\npaths: {}",
                "it is not an OpenAPI 3 document: `openapi` is \"\"",
            ),
            (
                "{\"openapi\":\"3.0.0\",\"paths\":{\"a\":{}}}",
                "the path `a` does not begin with /",
            ),
            (
                "{\"openapi\":",
                "it cannot be read: EOF while parsing a value at line 1 column 11",
            ),
        ] {
            assert_eq!(Documented::default().add(text).unwrap_err().to_string(), says);
        }
        assert!(Documented::default().add("[1, 2").is_err());
    }

    proptest! {
        #[test]
        fn reads_anything(text in "[ -~\n]{0,200}") {
            let _ = Documented::default().add(&text);
        }
    }
}
