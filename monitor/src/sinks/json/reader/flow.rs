//! `flow`, back.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Unreadable, named, process, shared};
use crate::event::Counters;
use crate::flow::{FiveTuple, Transport};
use crate::record::{
    App, Coverage, CoverageReason, EndReason, FlowDirection, FlowEvent, FlowRecord, NameSource, Nat, ParentRef,
};
use crate::sinks::json::flow::{self, Direction, Event, Flow, Parent, Protocol};
use crate::sinks::json::value::End;

/// Reasons that have a name in records.
pub(super) const REASONS: [EndReason; 11] = [
    EndReason::FinLocal,
    EndReason::FinRemote,
    EndReason::ResetLocal,
    EndReason::ResetRemote,
    EndReason::Timeout,
    EndReason::Refused,
    EndReason::ConnectFailed,
    EndReason::Released,
    EndReason::Idle,
    EndReason::Evicted,
    EndReason::Vanished,
];

/// A flow. Where its remote end is is not taken from the line.
pub(super) fn record(told: Flow<'_>) -> Result<FlowRecord, Unreadable> {
    let transport = match told.protocol {
        Protocol::Tcp => Transport::Tcp,
        Protocol::Udp => Transport::Udp,
    };
    let event = match told.event {
        Event::Open => FlowEvent::Open,
        Event::Update => FlowEvent::Update,
        Event::Close => FlowEvent::Close,
    };
    let tuple = told.local.zip(told.remote.as_ref()).map(|(local, remote)| FiveTuple {
        transport,
        local: address(local),
        remote: SocketAddr::new(remote.ip, remote.port),
    });
    let named_remote = told
        .remote
        .and_then(|remote| Some((shared(remote.name?), remote.name_source?)));
    let reason = told
        .end_reason
        .map(|name| {
            let name_of = |reason| flow::end_reason(reason).unwrap_or_default();
            named(&REASONS, name_of, "the end", &name)
        })
        .transpose()?;
    Ok(FlowRecord {
        start: told.start.0,
        flow: told.flow.0,
        event,
        direction: told.direction.map(|direction| match direction {
            Direction::Inbound => FlowDirection::Inbound,
            Direction::Outbound => FlowDirection::Outbound,
            Direction::Local => FlowDirection::Local,
        }),
        transport,
        app: told
            .app
            .map(|name| named(&App::ALL, App::name, "the application protocol", &name))
            .transpose()?,
        tuple,
        remote_name: named_remote.map(|(name, source)| {
            let source = match source {
                flow::NameSource::Dns => NameSource::Dns,
                flow::NameSource::Sni => NameSource::Sni,
                flow::NameSource::Host => NameSource::Host,
            };
            (name, source)
        }),
        remote_whereabouts: None,
        process: told.process.map(process),
        last_process: told.last_process.map(process),
        peer_process: told.peer_process.map(process),
        nat: told.nat.then(|| Nat {
            named: told.requested.map(address),
            other: told.nat_flow.map(|flow| flow.0),
        }),
        counters: Counters {
            sent: told.bytes_sent,
            received: told.bytes_received,
            acked: told.bytes_acked.unwrap_or(0),
            unread: told.bytes_unread.unwrap_or(0),
            packets_sent: told.packets_sent,
            packets_received: told.packets_received,
            retransmits: told.retransmits.unwrap_or(0),
            rtt_us: told.rtt_us.unwrap_or(0),
            sent_end: None,
            // Where that was among all bytes of the flow is not told, and nobody asks.
            received_end: told.last_received.map(|at| (0, at.0)),
        },
        counted_remotely: transport == Transport::Tcp && told.bytes_acked.is_none(),
        duration: Duration::from_millis(told.duration_ms),
        end_reason: match event {
            FlowEvent::Close => Some(reason.unwrap_or(EndReason::StillOpen)),
            FlowEvent::Open | FlowEvent::Update => None,
        },
        tcp_state: flow::state_number(&told.state),
        joined_late: told.joined_late,
        parent: told.parent.map(parent),
        coverage: Coverage {
            understood_bytes: told.coverage.understood_bytes,
            reason: told
                .coverage
                .reason
                .map(|name| named(&CoverageReason::ALL, CoverageReason::name, "the reason", &name))
                .transpose()?,
        },
    })
}

fn parent(told: Parent<'_>) -> ParentRef {
    ParentRef {
        flow: told.flow.0,
        turn: told.turn,
        request: told.request.map(shared),
        client: told.client,
        in_flight: told.in_flight,
        confidence: told.confidence,
    }
}

fn address(end: End) -> SocketAddr {
    SocketAddr::new(end.ip, end.port)
}
