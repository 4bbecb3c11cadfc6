//! What a client is told when it does not get what it asked for.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::shape::ErrorBody;
use crate::sinks::json::{Text, append_line};

/// A request that was refused: why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status of the response.
    pub status: StatusCode,
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub mend: String,
}

impl Refusal {
    /// From words that hold the remedy: "what is wrong: what to do" or "…; what to do".
    pub fn of_words(status: StatusCode, words: &str) -> Self {
        let (error, mend) = words
            .split_once(": ")
            .or_else(|| words.split_once("; "))
            .unwrap_or((words, "see the manual"));
        Self::new(status, error, mend)
    }

    /// The request makes no sense.
    pub fn bad(error: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, mend)
    }

    /// The peer may not.
    pub fn forbidden(mend: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not allowed for your user", mend)
    }

    /// There is no such thing.
    pub fn not_found(error: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, mend)
    }

    /// The engine is stopping, or too busy to answer.
    pub fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the engine does not answer",
            "try again; if it stays so, look at the daemon's log",
        )
    }

    /// Every seat is taken.
    pub fn full(seats: usize) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{seats} connections are open already"),
            "close some, or try again",
        )
    }

    /// Any other.
    pub fn new(status: StatusCode, error: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            mend: mend.into(),
        }
    }

    /// The JSON of it, one line.
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let shape = ErrorBody {
            error: Text::Borrowed(&self.error),
            mend: Text::Borrowed(&self.mend),
        };
        // Two strings: the only error that serialization knows, a failing writer, is not there.
        let _ = append_line(&mut body, &shape);
        body
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "application/json")], self.body()).into_response()
    }
}
