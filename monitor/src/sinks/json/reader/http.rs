//! `http`, back.

use std::net::SocketAddr;

use compact_str::CompactString;

use super::{Unreadable, named, process, shared, unknown};
use crate::enrich::fingerprint::Fingerprint;
use crate::enrich::identity::login::LoginOutcome;
use crate::enrich::identity::{Identity, IdentityKind, IdentitySource};
use crate::protocol::anomaly;
use crate::protocol::taps::{Host, Link, Where};
use crate::record::{Client, GrpcCall, HttpRecord, HttpRole, HttpVersion, Incomplete, Request, Response};
use crate::sinks::json::http::{self, Http, Part, Role, Version};
use crate::sinks::json::value::Text;

/// A transaction. Where its client is, what its agent is and whether it was expected are not taken from the line.
pub(super) fn record(told: Http<'_>) -> Result<HttpRecord, Unreadable> {
    let (server, server_name) = told
        .server
        .map(|server| (SocketAddr::new(server.end.ip, server.end.port), server.name.map(shared)))
        .unzip();
    let anomalies = told
        .anomalies
        .iter()
        .map(|name| anomaly(name).ok_or_else(|| unknown("the anomaly", name)))
        .collect::<Result<Vec<_>, _>>()?;
    let all = u8::try_from(anomalies.len()).unwrap_or(u8::MAX);
    Ok(HttpRecord {
        start: told.start.0,
        flow: told.flow.0,
        turn: told.turn,
        role: match told.role {
            Role::Server => HttpRole::Server,
            Role::Client => HttpRole::Client,
        },
        version: match told.version {
            Version::Http10 => HttpVersion::Http10,
            Version::Http11 => HttpVersion::Http11,
            Version::Http2 => HttpVersion::Http2,
        },
        client: told.client.map(|client| Client {
            ip: client.ip,
            port: client.port,
            via: client.via,
            whereabouts: None,
        }),
        server,
        server_name: server_name.flatten(),
        process: told.process.map(process),
        request: told.request.map(request).map(Box::new),
        response: told.response.map(response),
        grpc: told.grpc.map(|call| {
            Box::new(GrpcCall {
                service: call.service.into_owned(),
                method: call.method.into_owned(),
                status: call.status,
            })
        }),
        latency_us: told.latency_us,
        duration_us: told.duration_us,
        identity: told.identity.into_iter().map(identity).collect::<Result<_, _>>()?,
        login: told
            .login
            .map(|name| named(&LoginOutcome::ALL, LoginOutcome::name, "the outcome of a login", &name))
            .transpose()?,
        fingerprint: told
            .fingerprint
            .map(|text| Fingerprint::parse(&text).ok_or_else(|| unknown("the fingerprint", &text)))
            .transpose()?,
        anomalies,
        request_anomalies: told.request_anomalies.map_or(all, |count| count.min(all)),
        links: told.links.into_iter().map(link).collect(),
        expected: false,
        relayed: told.relayed,
        incomplete: told
            .incomplete
            .map(|name| named(&Incomplete::ALL, Incomplete::name, "the reason", &name))
            .transpose()?,
    })
}

fn identity(told: http::Identity<'_>) -> Result<Identity, Unreadable> {
    Ok(Identity {
        kind: named(
            &IdentityKind::ALL,
            IdentityKind::name,
            "the kind of identity",
            &told.kind,
        )?,
        source: named(
            &IdentitySource::ALL,
            IdentitySource::name,
            "the source of an identity",
            &told.source,
        )?,
        id: shared(told.id),
        unproven: told.unproven,
    })
}

fn link(told: http::Link<'_>) -> Link {
    Link {
        host: match told.host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(told.host.into_owned().into()),
        },
        port: told.port,
        named: match told.named {
            Part::Target => Where::Target,
            Part::Header => Where::Header,
            Part::Referer => Where::Referer,
            Part::Body => Where::Body,
        },
    }
}

fn request(told: http::Request<'_>) -> Request {
    let known = |text: Option<Text<'_>>| text.map(compact).unwrap_or_default();
    Request {
        method: known(told.method),
        target: known(told.target),
        path: known(told.path),
        endpoint: told.endpoint.map(shared),
        documented: told.documented,
        host: told.host.map(compact),
        user_agent: told.user_agent.map(compact),
        agent_class: None,
        content_type: told.content_type.map(compact),
        protocol: told.protocol.map(compact),
        header_bytes: told.header_bytes,
        body_bytes: told.body_bytes,
        decoded_bytes: told.decoded_bytes,
    }
}

fn response(told: http::Response<'_>) -> Response {
    Response {
        status: told.status,
        content_type: told.content_type.map(compact),
        header_bytes: told.header_bytes,
        body_bytes: told.body_bytes,
        decoded_bytes: told.decoded_bytes,
        announced_bytes: told.announced_bytes,
    }
}

fn compact(text: Text<'_>) -> CompactString {
    text.into()
}
