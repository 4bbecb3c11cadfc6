//! The routes of `/v1`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query as Parameters, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use super::lines::lines;
use super::mailbox::{Ask, Mailbox, Recent};
use super::query::Query;
use super::reload::{self, Reload};
use super::rows;
use super::shape::{Explained, OutputStatus, Status, Story};
use super::{Refusal, allow, baseline, expect};
use crate::allow::allow_line;
use crate::confine::Confinement;
use crate::daemon::facility_shape;
use crate::expected::LISTED_AFTER;
use crate::record::{Body, Record};
use crate::sinks::OutputViews;
use crate::sinks::json::{Alert, Incident, Line, RecordType, Stats, Text, Time, append_line};
use crate::time::Timestamp;
use crate::views::View;
use crate::views::compare::By;

/// What the routes know of the daemon.
#[derive(Clone, Debug)]
pub struct Counter {
    /// The way to the engine.
    pub mailbox: Mailbox,
    /// Name of the host in records.
    pub host: Option<Arc<str>>,
    /// When the daemon started.
    pub started: Timestamp,
    /// Its outputs.
    pub outputs: OutputViews,
    /// What its threads gave up.
    pub confinement: Confinement,
    /// How it reads its configuration again.
    pub reload: Reload,
}

type Parsed = Result<Parameters<Query>, QueryRejection>;

/// All routes.
pub(super) fn router(counter: Counter) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/flows", get(flows))
        .route("/v1/requests", get(requests))
        .route("/v1/alerts", get(alerts))
        .route("/v1/alerts/{id}", get(alert))
        .route("/v1/incidents", get(incidents))
        .route("/v1/incidents/{id}", get(incident))
        .route("/v1/endpoints", get(endpoints))
        .route("/v1/identities", get(identities))
        .route("/v1/destinations", get(destinations))
        .route("/v1/coverage", get(coverage))
        .route("/v1/compare/{by}", get(compare))
        .route("/v1/allow", get(allow::list).post(allow::add))
        .route("/v1/allow/{id}", delete(allow::remove))
        .route("/v1/baseline", get(baseline::summaries))
        .route("/v1/baseline/known", get(baseline::known))
        .route("/v1/baseline/forget", post(baseline::forget))
        .route("/v1/baseline/learn", post(baseline::learn))
        .route(
            "/v1/baseline/{detector}",
            get(baseline::rows)
                .put(baseline::replace)
                .post(baseline::add)
                .layer(DefaultBodyLimit::max(baseline::BODY_BYTES)),
        )
        .route("/v1/reload", post(reload::reload))
        .route("/v1/expected", get(expect::list).post(expect::add))
        .route("/v1/expected/{id}", delete(expect::remove))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .with_state(counter)
}

async fn status(State(counter): State<Counter>) -> Result<Response, Refusal> {
    let answer = counter.mailbox.ask(Ask::Status).await?;
    let outputs = counter.outputs.get();
    let outputs = outputs.iter().map(|output| OutputStatus {
        place: Text::Owned(output.place.to_string()),
        records: Text::Owned(output.types.to_string()),
        written: output.tally.written(),
        lost: output.tally.lost(),
        waiting: output.tally.waiting(),
        failing: output.tally.is_failing(),
    });
    json(&Status {
        version: Text::Borrowed(env!("CARGO_PKG_VERSION")),
        pid: std::process::id(),
        host: counter.host.as_deref().map(Text::Borrowed),
        started: Time(counter.started),
        uptime_s: answer.now.since(counter.started).as_secs(),
        stats: Stats::from(&answer.stats),
        capture: answer.capture,
        confinement: counter.confinement.report().iter().map(facility_shape).collect(),
        budget: answer.budget.into_iter().map(Into::into).collect(),
        cpu_budget: Some(answer.cpu_budget),
        expected: answer
            .expected
            .into_iter()
            .filter(|listed| answer.now < listed.event.until.0 + LISTED_AFTER)
            .map(Into::into)
            .collect(),
        outputs: outputs.collect(),
    })
}

async fn flows(State(counter): State<Counter>, query: Parsed) -> Result<Response, Refusal> {
    let query = parsed(query)?;
    let follow = query.follow;
    let recent = counter.mailbox.ask(|reply| Ask::Flows { follow, reply }).await?;
    list(&counter, &query, recent)
}

async fn requests(State(counter): State<Counter>, query: Parsed) -> Result<Response, Refusal> {
    kept(&counter, RecordType::Http, query).await
}

async fn alerts(State(counter): State<Counter>, query: Parsed) -> Result<Response, Refusal> {
    kept(&counter, RecordType::Alert, query).await
}

async fn alert(State(counter): State<Counter>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let asked = id.clone();
    let (now, found) = counter.mailbox.ask(|reply| Ask::Alert { id: asked, reply }).await?;
    match found {
        Some(alert) => json(&Explained {
            alert: Line::new(RecordType::Alert, now, counter.host.as_deref(), Alert::from(&*alert)),
            allow: Text::Owned(allow_line(&alert)),
        }),
        None => Err(Refusal::not_found(
            format!("there is no alert {id}"),
            "`monitor alerts` lists those that are open and the last thousand that were resolved",
        )),
    }
}

async fn incidents(State(counter): State<Counter>, query: Parsed) -> Result<Response, Refusal> {
    kept(&counter, RecordType::Incident, query).await
}

async fn incident(State(counter): State<Counter>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let asked = id.clone();
    let (now, found) = counter.mailbox.ask(|reply| Ask::Incident { id: asked, reply }).await?;
    let Some(told) = found else {
        return Err(Refusal::not_found(
            format!("there is no incident {id}"),
            "`monitor incidents` lists those that are open and the last hundreds that were resolved",
        ));
    };
    let host = counter.host.as_deref();
    let line = |alert| Line::new(RecordType::Alert, now, host, Alert::from(alert));
    let mut allow: Vec<String> = told.alerts.iter().map(|alert| allow_line(alert)).collect();
    let mut known = BTreeSet::new();
    allow.retain(|line| known.insert(line.clone()));
    json(&Story {
        incident: Line::new(RecordType::Incident, now, host, Incident::from(&*told.incident)),
        alerts: told.alerts.iter().map(|alert| line(&**alert)).collect(),
        allow: allow.into_iter().map(Text::Owned).collect(),
    })
}

async fn endpoints(State(counter): State<Counter>, query: Parsed) -> Result<Response, Refusal> {
    view(&counter, View::Endpoints, query).await
}

async fn identities(State(counter): State<Counter>, query: Parsed) -> Result<Response, Refusal> {
    view(&counter, View::Identities, query).await
}

async fn destinations(State(counter): State<Counter>, query: Parsed) -> Result<Response, Refusal> {
    view(&counter, View::Destinations, query).await
}

async fn coverage(State(counter): State<Counter>, query: Parsed) -> Result<Response, Refusal> {
    view(&counter, View::Coverage, query).await
}

async fn compare(State(counter): State<Counter>, Path(by): Path<String>, query: Parsed) -> Result<Response, Refusal> {
    let by = match by.as_str() {
        "agents" => By::Agents,
        "organizations" => By::Organizations,
        "fingerprints" => By::Fingerprints,
        _ => {
            return Err(Refusal::not_found(
                format!("nothing is compared by {by}"),
                "there are agents, organizations and fingerprints",
            ));
        }
    };
    view(&counter, View::Compare(by), query).await
}

/// Rows are sums since the start: neither a time nor what follows has a meaning for them.
async fn view(counter: &Counter, view: View, query: Parsed) -> Result<Response, Refusal> {
    let query = parsed(query)?;
    if query.since.is_some() || query.follow {
        return Err(Refusal::bad(
            "a view has neither since nor follow",
            "it holds sums since the daemon started, and takes limit=100",
        ));
    }
    let rows = counter.mailbox.ask(|reply| Ask::View { view, reply }).await?;
    let mut body = Vec::new();
    rows::append(&mut body, rows.as_ref(), query.limit.unwrap_or(usize::MAX)).map_err(|error| unwritable(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

async fn no_such_route(uri: Uri) -> Refusal {
    Refusal::not_found(
        format!("there is nothing at {}", uri.path()),
        "the routes are /v1/status, /v1/flows, /v1/requests, /v1/alerts, /v1/incidents, /v1/endpoints, /v1/identities, /v1/destinations, \
         /v1/coverage, /v1/compare, /v1/allow, /v1/expected, /v1/baseline and /v1/reload",
    )
}

async fn no_such_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not possible at {}", uri.path()),
        "docs/control-socket.md lists what is",
    )
}

async fn kept(counter: &Counter, kind: RecordType, query: Parsed) -> Result<Response, Refusal> {
    let query = parsed(query)?;
    let follow = query.follow;
    let recent = counter.mailbox.ask(|reply| Ask::Recent { kind, follow, reply }).await?;
    list(counter, &query, recent)
}

fn list(counter: &Counter, query: &Query, recent: Recent) -> Result<Response, Refusal> {
    let since = query.since(recent.now)?;
    let mut records = recent.records;
    records.retain(|record| began(record) >= since);
    Ok(lines(query.latest(records), recent.live, counter.host.clone()))
}

/// What `since` is held against: a flow that lives is as old as its start, an alert as what supported it last.
fn began(record: &Record) -> Timestamp {
    match &record.body {
        Body::Flow(flow) => flow.start,
        Body::Alert(alert) => alert.last_seen,
        Body::Incident(incident) => incident.last_seen,
        Body::Http(_) | Body::Dns(_) | Body::Tls(_) | Body::Stats(_) => record.time,
    }
}

fn parsed(query: Parsed) -> Result<Query, Refusal> {
    match query {
        Ok(Parameters(query)) => Ok(query),
        Err(rejection) => Err(Refusal::bad(
            rejection.body_text(),
            "a list takes since=1h, limit=100 and follow=true",
        )),
    }
}

/// What a body asks for. `what` it is, with its article; `example` is one of it.
pub(super) fn asked<T: serde::de::DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
    what: &str,
    example: &str,
) -> Result<T, Refusal> {
    let body =
        body.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text(), "send a smaller request"))?;
    serde_json::from_slice(&body).map_err(|error| {
        Refusal::bad(
            format!("{what} cannot be read: {error}"),
            format!("send JSON such as {example}"),
        )
    })
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<Response, Refusal> {
    let mut body = Vec::new();
    match append_line(&mut body, value) {
        Ok(()) => Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response()),
        Err(error) => Err(unwritable(&error)),
    }
}

fn unwritable(error: &serde_json::Error) -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("the answer cannot be written as JSON: {error}"),
        "this is a bug of the monitor: please report it",
    )
}
