//! `/v1/allow`: the rules of what never raises an alert.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::mailbox::Ask;
use super::routes::{Counter, asked, json};
use super::shape::{Allowed, RuleOrigin};
use super::{Peer, Refusal};
use crate::allow::{AllowRule, RuleError};
use crate::sinks::json::{Text, append_line};

pub(super) async fn list(State(counter): State<Counter>) -> Result<Response, Refusal> {
    let rules = counter.mailbox.ask(Ask::AllowList).await?;
    let mut body = Vec::new();
    for (id, origin, rule) in rules {
        let line = Allowed {
            id: Text::Owned(id),
            origin: origin.into(),
            rule,
            resolved: None,
        };
        // At most a thousand short rules: no need to stream them. Nothing in them fails to be JSON.
        let _ = append_line(&mut body, &line);
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

pub(super) async fn add(
    State(counter): State<Counter>,
    Extension(peer): Extension<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    peer.may_change()?;
    let example = r#"{"detector":"unknown_destination","destination":"*.example.com","comment":"why"}"#;
    let rule: AllowRule = asked(body, "the rule", example)?;
    let boxed = Box::new(rule.clone());
    let (id, resolved) = counter
        .mailbox
        .ask(|reply| Ask::AllowAdd { rule: boxed, reply })
        .await??;
    tracing::info!("allow rule {id} added by uid {}", peer.uid);
    let answer = json(&Allowed {
        id: Text::Owned(id),
        origin: RuleOrigin::Command,
        rule,
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
    let rule = counter
        .mailbox
        .ask(|reply| Ask::AllowRemove { id: asked, reply })
        .await??;
    tracing::info!("allow rule {id} removed by uid {}", peer.uid);
    json(&Allowed {
        id: Text::Owned(id),
        origin: RuleOrigin::Command,
        rule,
        resolved: None,
    })
}

impl From<RuleError> for Refusal {
    fn from(error: RuleError) -> Self {
        let status = match error {
            RuleError::NamesNothing => StatusCode::BAD_REQUEST,
            RuleError::TooMany | RuleError::FromConfig(_) => StatusCode::CONFLICT,
            RuleError::Unknown(_) => StatusCode::NOT_FOUND,
        };
        Self::of_words(status, &error.to_string())
    }
}
