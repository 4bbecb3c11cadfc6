//! Packets through tracker and engine.

mod connections;
mod properties;
mod wire;

use std::time::Duration;

use super::hosts::Hosts;
use super::{Packet, PacketCounts, Tracker};
use crate::config::Config;
use crate::pipeline::{Output, Pipeline};
use crate::record::{Body, FlowEvent, FlowRecord, HttpRecord};

use wire::{START, STEP, captured};

/// What came of a capture.
struct Replayed {
    bodies: Vec<Body>,
    counts: PacketCounts,
}

impl Replayed {
    fn http(&self) -> Vec<&HttpRecord> {
        let mut found = Vec::new();
        for body in &self.bodies {
            if let Body::Http(record) = body {
                found.push(&**record);
            }
        }
        found
    }

    fn closes(&self) -> Vec<&FlowRecord> {
        let mut found = Vec::new();
        for body in &self.bodies {
            if let Body::Flow(record) = body
                && record.event == FlowEvent::Close
            {
                found.push(&**record);
            }
        }
        found
    }

    /// A line a transaction, a line a flow.
    fn told(&self) -> String {
        let mut lines = Vec::new();
        for http in self.http() {
            let request = http.request.as_ref().map_or("-".to_owned(), |r| {
                format!("{} {} {}", r.method, r.target, r.body_bytes)
            });
            let response = http
                .response
                .as_ref()
                .map_or("-".to_owned(), |r| format!("{} {}", r.status, r.body_bytes));
            lines.push(format!(
                "{request} -> {response} {:?} {:?}",
                http.incomplete, http.anomalies
            ));
        }
        for flow in self.closes() {
            lines.push(format!(
                "{:?} {:?} sent {} received {} acked {} late {} {:?}",
                flow.direction.unwrap(),
                flow.app,
                flow.counters.sent,
                flow.counters.received,
                flow.counters.acked,
                flow.joined_late,
                flow.end_reason.unwrap()
            ));
        }
        lines.join("\n")
    }
}

/// Replays packets on the host 192.0.2.1.
fn replay(packets: impl IntoIterator<Item = Packet>) -> Replayed {
    let mut tracker = Tracker::new(Hosts::new(["192.0.2.1".parse().unwrap()]));
    let mut pipeline = Pipeline::new(&Config::default(), [7; 32]);
    pipeline.tell_stats_at_the_end_only();
    let (mut events, mut out, mut now) = (Vec::new(), Output::default(), START);
    for packet in packets {
        now = tracker.packet(&packet, &mut events);
        for (time, event) in events.drain(..) {
            pipeline.handle(time, event, &mut out);
        }
    }
    tracker.finish(&mut events);
    for (time, event) in events.drain(..) {
        pipeline.handle(time, event, &mut out);
    }
    pipeline.finish(now, &mut out);
    assert!(out.records.is_sorted_by_key(|record| record.time));
    Replayed {
        bodies: out.records.into_iter().map(|record| record.body).collect(),
        counts: tracker.counts(),
    }
}

/// In order, a step apart.
fn in_order(packets: &[Vec<u8>]) -> Vec<Packet> {
    let timed = packets.iter().zip(0u32..);
    timed
        .map(|(packet, n)| captured(START + STEP * n, packet.clone()))
        .collect()
}

/// After so long without a packet.
fn later(packets: &mut [Packet], by: Duration) {
    for packet in packets {
        packet.time = packet.time + by;
    }
}
