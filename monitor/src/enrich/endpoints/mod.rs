//! Which endpoint a request is for: `GET /orders/{id}`.
//!
//! By the documents that are given, else learned. Nothing may count paths before this: whoever asks chooses them.

mod learned;
mod openapi;
mod shape;

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::openapi::{DocumentError, Documented};

use self::learned::Learned;

/// Documents that describe this host's APIs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// OpenAPI 3 documents, JSON or YAML. Their path templates name endpoints; requests outside them are told as such, and
    /// their paths are learned like those of a host without documents. Without `servers` in it a document begins at `/`.
    pub documents: Vec<PathBuf>,
}

/// Finds endpoints.
#[derive(Debug, Default)]
pub struct Endpoints {
    documented: Arc<Documented>,
    /// A document was given, so that what it does not name can be told.
    has_documents: bool,
    learned: Learned,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `METHOD /path/{id}`.
    pub endpoint: Arc<str>,
    /// Whether a document names it; absent where none is given.
    pub documented: Option<bool>,
}

impl Endpoints {
    /// With what is named, by documents if `has_documents`.
    pub fn new(documented: Arc<Documented>, has_documents: bool) -> Self {
        Self {
            documented,
            has_documents,
            learned: Learned::default(),
        }
    }

    /// Other documents, from now on.
    pub fn replace(&mut self, documented: Arc<Documented>, has_documents: bool) {
        (self.documented, self.has_documents) = (documented, has_documents);
    }

    /// The endpoint of a request whose answer has this status.
    pub fn find(&mut self, method: &str, path: &str, status: Option<u16>) -> Found {
        let named = if self.documented.is_empty() {
            None
        } else {
            self.documented.find(method, path)
        };
        let documented = self.has_documents.then_some(named.is_some());
        let succeeded = status.is_some_and(|status| matches!(status, 101 | 200..400));
        Found {
            endpoint: named.unwrap_or_else(|| self.learned.endpoint(method, path, succeeded)),
            documented,
        }
    }

    /// The same of a request that was told before, with the endpoint it had then, which holds where no document names it.
    pub fn find_again(&mut self, method: &str, path: &str, status: Option<u16>, told: Option<Arc<str>>) -> Found {
        let Some(told) = told else {
            return self.find(method, path, status);
        };
        let named = self.documented.find(method, path);
        Found {
            documented: self.has_documents.then_some(named.is_some()),
            endpoint: named.unwrap_or(told),
        }
    }

    /// Paths that would have made the tree of learned ones larger than it may be.
    pub fn refused(&self) -> u64 {
        self.learned.refused()
    }
}
