//! `/v1/expected`: the events during which the unusual is no news.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::mailbox::Ask;
use super::routes::{Counter, asked, json};
use super::shape::{Expected, RuleOrigin};
use super::{Peer, Refusal};
use crate::expected::{EventError, ExpectedEvent};
use crate::sinks::json::{Text, append_line};

pub(super) async fn list(State(counter): State<Counter>) -> Result<Response, Refusal> {
    let events = counter.mailbox.ask(Ask::ExpectList).await?;
    let mut body = Vec::new();
    for event in events {
        // At most a thousand short events; nothing in them fails to be JSON.
        let _ = append_line(&mut body, &Expected::from(event));
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

pub(super) async fn add(
    State(counter): State<Counter>,
    Extension(peer): Extension<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    peer.may_change()?;
    let example = r#"{"from":"2026-11-27","until":"2026-11-28","endpoint":"POST /orders","comment":"promotion"}"#;
    let event: ExpectedEvent = asked(body, "the event", example)?;
    let boxed = Box::new(event.clone());
    let (id, resolved) = counter
        .mailbox
        .ask(|reply| Ask::ExpectAdd { event: boxed, reply })
        .await??;
    tracing::info!("expected event {id} added by uid {}", peer.uid);
    let answer = json(&Expected {
        id: Text::Owned(id),
        origin: RuleOrigin::Command,
        event,
        covered: 0,
        resolved: Some(resolved as u64),
    })?;
    Ok((StatusCode::CREATED, answer).into_response())
}

pub(super) async fn remove(
    State(counter): State<Counter>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    peer.may_change()?;
    let asked = id.clone();
    let event = counter
        .mailbox
        .ask(|reply| Ask::ExpectRemove { id: asked, reply })
        .await??;
    tracing::info!("expected event {id} removed by uid {}", peer.uid);
    json(&Expected {
        id: Text::Owned(id),
        origin: RuleOrigin::Command,
        event,
        covered: 0,
        resolved: None,
    })
}

impl From<EventError> for Refusal {
    fn from(error: EventError) -> Self {
        let status = match error {
            EventError::NeverIs => StatusCode::BAD_REQUEST,
            EventError::TooMany | EventError::FromConfig(_) => StatusCode::CONFLICT,
            EventError::Unknown(_) => StatusCode::NOT_FOUND,
        };
        Self::of_words(status, &error.to_string())
    }
}
