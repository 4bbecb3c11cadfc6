//! `/v1/baseline`: what the detectors hold for normal.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query as Parameters, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::mailbox::Ask;
use super::routes::{Counter, asked, json};
use super::shape::{BaselineChanged, BaselineOf, BaselineRow, Forget, Known, Learn, Learned, LearnedBy};
use super::{Peer, Refusal};
use crate::baseline::Row;
use crate::baseline::knowledge::Sought;
use crate::detectors::DetectorName;
use crate::sinks::json::{Text, Time, append_line};

/// Bytes of a baseline that is given: some hundred thousand rows.
pub(super) const BODY_BYTES: usize = 64 * 1024 * 1024;

pub(super) async fn summaries(State(counter): State<Counter>) -> Result<Response, Refusal> {
    let summaries = counter.mailbox.ask(Ask::BaselineSummaries).await?.map_err(failed)?;
    lines(summaries.iter().map(|summary| BaselineOf {
        detector: Text::Borrowed(&summary.detector),
        subjects: summary.subjects,
        rows: summary.rows,
        first: Time(summary.first),
        last: Time(summary.last),
    }))
}

/// Of whom or what is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    subject: String,
}

/// Longest name of a subject, bytes: longer than any path that is an endpoint's.
const MAX_SUBJECT: usize = 4_096;

pub(super) async fn known(
    State(counter): State<Counter>,
    query: Result<Parameters<Of>, QueryRejection>,
) -> Result<Response, Refusal> {
    let mend = "ask with subject=, such as ?subject=POST%20/orders";
    let Parameters(Of { subject }) = query.map_err(|rejection| Refusal::bad(rejection.body_text(), mend))?;
    if subject.is_empty() || subject.len() > MAX_SUBJECT {
        return Err(Refusal::bad("the subject is empty, or too long".to_owned(), mend));
    }
    let subject = Sought::new(&subject);
    let known = counter.mailbox.ask(|reply| Ask::Known { subject, reply }).await?;
    lines(known.iter().map(|(detector, known)| Known::of(detector, known)))
}

pub(super) async fn rows(State(counter): State<Counter>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let detector = named(&name)?;
    let rows = counter
        .mailbox
        .ask(|reply| Ask::Baseline { detector, reply })
        .await?
        .map_err(failed)?;
    lines(rows.iter().map(|row| shown(detector, row)))
}

pub(super) async fn replace(
    State(counter): State<Counter>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    peer.may_change()?;
    let (detector, rows) = given(&name, body)?;
    let count = rows.len() as u64;
    counter
        .mailbox
        .ask(|reply| Ask::BaselineReplace { detector, rows, reply })
        .await?
        .map_err(failed)?;
    tracing::info!("baseline of {name} replaced by uid {}", peer.uid);
    json(&BaselineChanged { rows: count })
}

pub(super) async fn add(
    State(counter): State<Counter>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    peer.may_change()?;
    let (detector, rows) = given(&name, body)?;
    let count = rows.len() as u64;
    counter
        .mailbox
        .ask(|reply| Ask::BaselineMerge { detector, rows, reply })
        .await?
        .map_err(failed)?;
    tracing::info!("{count} rows added to the baseline of {name} by uid {}", peer.uid);
    json(&BaselineChanged { rows: count })
}

pub(super) async fn learn(
    State(counter): State<Counter>,
    Extension(peer): Extension<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    peer.may_change()?;
    let example = r#"{"from":"2026-11-27","until":"2026-11-28"}"#;
    let learn: Learn = asked(body, "the time that is to be learned from", example)?;
    let (from, until) = (learn.from.0, learn.until.0);
    let adopted = counter
        .mailbox
        .ask(|reply| Ask::BaselineAdopt { from, until, reply })
        .await?
        .map_err(failed)?;
    tracing::info!("{from} to {until} is known good, says uid {}", peer.uid);
    json(&Learned {
        detectors: adopted
            .detectors
            .iter()
            .map(|(detector, count)| LearnedBy {
                detector: Text::Borrowed(*detector),
                count: *count,
            })
            .collect(),
        alerts: adopted.alerts as u64,
    })
}

pub(super) async fn forget(
    State(counter): State<Counter>,
    Extension(peer): Extension<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    peer.may_change()?;
    let example = r#"{"detector":"unknown_destination","from":"2026-11-27","until":"2026-11-28"}"#;
    let forget: Forget = asked(body, "what is to be forgotten", example)?;
    let removed = counter
        .mailbox
        .ask(|reply| Ask::BaselineForget {
            detector: forget.detector,
            from: forget.from.map(|moment| moment.0),
            until: forget.until.map(|moment| moment.0),
            reply,
        })
        .await?
        .map_err(failed)?;
    tracing::info!("{removed} rows of baselines forgotten for uid {}", peer.uid);
    json(&BaselineChanged { rows: removed as u64 })
}

fn given(name: &str, body: Result<Bytes, BytesRejection>) -> Result<(DetectorName, Vec<Row>), Refusal> {
    let detector = named(name)?;
    let body = body.map_err(|rejection| {
        Refusal::new(
            rejection.status(),
            rejection.body_text(),
            "send fewer rows of a detector",
        )
    })?;
    Ok((detector, read(detector, &body)?))
}

fn named(name: &str) -> Result<DetectorName, Refusal> {
    name.parse()
        .map_err(|error| Refusal::not_found(format!("{error}"), "`monitor baseline show` lists what is known"))
}

fn shown(detector: DetectorName, row: &Row) -> BaselineRow<'_> {
    BaselineRow::of(detector.as_str(), row)
}

fn read(detector: DetectorName, body: &[u8]) -> Result<Vec<Row>, Refusal> {
    let mut rows = Vec::new();
    for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let wrong = |what: &str| {
            Refusal::bad(
                format!("line {}: {what}", number + 1),
                "nothing was changed; send rows as `monitor baseline export` gives them",
            )
        };
        let row: BaselineRow<'_> = serde_json::from_slice(line).map_err(|error| wrong(&error.to_string()))?;
        if row.detector != detector.as_str() {
            return Err(wrong("the row is another detector's"));
        }
        rows.push(row.row().map_err(|error| wrong(&format!("detail: {error}")))?);
    }
    Ok(rows)
}

fn lines(all: impl Iterator<Item = impl serde::Serialize>) -> Result<Response, Refusal> {
    let mut body = Vec::new();
    for line in all {
        append_line(&mut body, &line).map_err(|error| failed(error.to_string()))?;
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn failed(error: String) -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        error,
        "see the daemon's log, and whether its disk is full",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn rows_read_back_as_they_were_shown() {
        let detector: DetectorName = "unknown_destination".parse().unwrap();
        let row = |detail: Option<&[u8]>| Row {
            subject: "/usr/bin/curl".into(),
            member: "a\"b\n".into(),
            first: Timestamp::from_secs(1_800_000_000),
            last: Timestamp::from_secs(1_800_000_100),
            count: 7,
            marks: 3,
            detail: detail.map(Arc::from),
        };
        let all = [row(None), row(Some(&[0, 255, 7]))];
        let mut body = Vec::new();
        for row in &all {
            append_line(&mut body, &shown(detector, row)).unwrap();
        }
        assert_eq!(read(detector, &body).unwrap(), all);
        let other: DetectorName = "dns_tunnel".parse().unwrap();
        for (detector, body) in [(other, &body[..]), (detector, b"{}"), (detector, b"nonsense")] {
            let refusal = read(detector, body).unwrap_err();
            assert!(refusal.error.starts_with("line 1: "), "{refusal:?}");
        }
    }
}
