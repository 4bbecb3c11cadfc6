//! The whole engine: kernel records or captured packets in, records out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use monitor::capture::pcap::Reader;
use monitor::config::Config;
use monitor::event::FlowId;
use monitor::event::decode::{self, Clock};
use monitor::packet::Tracker;
use monitor::packet::hosts::Hosts;
use monitor::pipeline::{Output, Pipeline};
use monitor::record::{Body, EndReason, FlowEvent, Record};
use monitor::time::Timestamp;

use super::Taker;

/// This host, where a capture is fuzzed.
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// One kernel record.
pub fn record(bytes: &[u8]) {
    let _ = decode::stamp(bytes);
    let _ = decode::record(bytes, Clock::default(), Bytes::copy_from_slice);
}

/// Kernel records, each behind two bytes of length, through the engine.
pub fn pipeline(bytes: &[u8]) {
    let mut taker = Taker(bytes);
    let mut engine = Engine::new();
    let mut now = Timestamp::from_secs(1);
    while !taker.is_empty() {
        let count = usize::from(taker.u16());
        let bytes = taker.take(count);
        // As the capture does: in order of time.
        if let Some(stamp) = decode::stamp(bytes) {
            now = now.max(Timestamp::from_nanos(stamp));
        }
        if let Ok(event) = decode::record(bytes, Clock::default(), Bytes::copy_from_slice) {
            engine.pipeline.handle(now, event, &mut engine.out);
        }
    }
    engine.finish(now);
}

/// A capture file through the engine.
pub fn pcap(bytes: &[u8]) {
    let Ok(mut reader) = Reader::new(bytes) else { return };
    let mut tracker = Tracker::new(Hosts::new([IpAddr::V4(HOST)]));
    let mut engine = Engine::new();
    let mut events = Vec::new();
    let mut now = Timestamp::ZERO;
    let mut damages = 0;
    loop {
        match reader.packet() {
            Ok(Some(packet)) => {
                now = tracker.packet(&packet, &mut events);
                for (time, event) in events.drain(..) {
                    engine.pipeline.handle(time, event, &mut engine.out);
                }
            }
            Ok(None) => break,
            Err(_) => {
                damages += 1;
                assert!(damages <= 1 + bytes.len(), "a file that does not end");
            }
        }
    }
    tracker.finish(&mut events);
    for (time, event) in events.drain(..) {
        engine.pipeline.handle(time, event, &mut engine.out);
    }
    engine.finish(now);
}

struct Engine {
    pipeline: Pipeline,
    out: Output,
}

impl Engine {
    fn new() -> Self {
        let mut config = Config::default();
        config.learning.period = "0s".parse().expect("a period");
        Self {
            pipeline: Pipeline::new(&config, [7; 32]),
            out: Output::default(),
        }
    }

    fn finish(mut self, now: Timestamp) {
        self.pipeline.finish(now, &mut self.out);
        let records = &self.out.records;
        assert!(records.is_sorted_by_key(|record| record.time), "time goes back");
        check_lives(records);
        assert!(self.pipeline.flows(now).is_empty(), "flows that nobody closed");
    }
}

/// Each flow is opened, goes on, is closed, in this order; one that was evicted may be opened again.
fn check_lives(records: &[Record]) {
    let mut open: BTreeMap<FlowId, bool> = BTreeMap::new();
    for record in records {
        let Body::Flow(flow) = &record.body else { continue };
        let state = open.get(&flow.flow).copied();
        match flow.event {
            FlowEvent::Open => assert_eq!(state, None, "opened twice: {flow:?}"),
            FlowEvent::Update | FlowEvent::Close => assert_eq!(state, Some(true), "not open: {flow:?}"),
        }
        match flow.end_reason {
            Some(EndReason::Evicted) => open.remove(&flow.flow),
            _ => open.insert(flow.flow, flow.event != FlowEvent::Close),
        };
    }
    assert!(open.values().all(|open| !open), "not closed: {open:?}");
}
