//! What is looked at from time to time: deferred close records, UDP flows, ends of truncated turns, counters.

use anyhow::{Context, Result};
use aya::Ebpf;
use aya::maps::{HashMap, MapData, PerCpuArray};
use monitor_common as abi;
use rustc_hash::FxHashMap;

use super::plain::Plain;
use crate::event::decode::{self, Clock};
use crate::event::{CaptureCounts, Direction, Event, FlowCause, FlowId, Tail};
use crate::time::Timestamp;

/// Deferred close records and counters are looked at this often.
const EVERY_NS: u64 = 1_000_000_000;
/// UDP flows are walked this often.
const UDP_EVERY_NS: u64 = 5_000_000_000;
/// A UDP flow without a datagram for this long is over (as conntrack's unreplied timeout, `nf_conntrack_udp_timeout`).
const UDP_IDLE_NS: u64 = 30_000_000_000;
/// Watched tails are looked at this often.
const TAILS_EVERY_NS: u64 = 10_000_000;
/// Tails watched at most; a transaction beyond is told by its next turn or close.
const MAX_TAILS: usize = 4_096;

type RecordBytes = [u8; size_of::<abi::FlowRecord>()];
type UdpBytes = [u8; size_of::<abi::UdpFlow>()];

/// The maps that are swept.
pub(super) struct Sweeper {
    closed: HashMap<MapData, Plain<abi::FlowKey>, RecordBytes>,
    udp: HashMap<MapData, Plain<abi::UdpKey>, UdpBytes>,
    tails: HashMap<MapData, Plain<abi::FlowKey>, Plain<abi::Tail>>,
    counts: PerCpuArray<MapData, u64>,
    /// Watched tails, with what they last said.
    watched: FxHashMap<FlowId, u32>,
    /// Packets of each UDP flow at the last walk.
    udp_seen: FxHashMap<(u64, u32), u64>,
    latest: CaptureCounts,
    swept: u64,
    udp_swept: u64,
    tails_swept: u64,
}

impl Sweeper {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self> {
        let mut take = |name: &str| ebpf.take_map(name).with_context(|| format!("no map {name}"));
        Ok(Self {
            closed: HashMap::try_from(take("CLOSED")?)?,
            udp: HashMap::try_from(take("UDP_FLOWS")?)?,
            tails: HashMap::try_from(take("TAILS")?)?,
            counts: PerCpuArray::try_from(take("COUNTS")?)?,
            watched: FxHashMap::default(),
            udp_seen: FxHashMap::default(),
            latest: CaptureCounts::default(),
            swept: 0,
            udp_swept: 0,
            tails_swept: 0,
        })
    }

    pub(super) fn watch_tail(&mut self, flow: FlowId) {
        if self.watched.len() < MAX_TAILS {
            self.watched.insert(flow, 0);
        }
    }

    pub(super) fn forget_tail(&mut self, flow: FlowId) {
        if self.watched.remove(&flow).is_some() {
            let _ = self.tails.remove(&Plain(key(flow)));
        }
    }

    /// Records lost so far, by any cause that the socket iterator can make good.
    pub(super) fn losses(&self) -> u64 {
        let of = |cause: u32| self.latest.by_cause[cause as usize];
        of(abi::loss::LIFECYCLE_RING_FULL) + of(abi::loss::CLOSE_LOST)
    }

    pub(super) fn sweep(
        &mut self,
        clock: Clock,
        now_ns: u64,
        undecodable: u64,
        each: &mut impl FnMut(Timestamp, Event),
    ) -> Result<usize> {
        let now = clock.at(now_ns);
        let mut events = 0;
        let mut give = |event: Event| {
            events += 1;
            each(now, event);
        };
        if !self.watched.is_empty() && now_ns.saturating_sub(self.tails_swept) >= TAILS_EVERY_NS {
            self.tails_swept = now_ns;
            self.sweep_tails(clock, &mut give);
        }
        if now_ns.saturating_sub(self.swept) >= EVERY_NS {
            self.swept = now_ns;
            self.sweep_closed(clock, &mut give);
            let counts = self.read_counts(undecodable)?;
            if counts != self.latest {
                self.latest = counts;
                give(Event::Losses(counts));
            }
        }
        if now_ns.saturating_sub(self.udp_swept) >= UDP_EVERY_NS {
            self.udp_swept = now_ns;
            self.sweep_udp(clock, now_ns, &mut give);
        }
        Ok(events)
    }

    fn sweep_tails(&mut self, clock: Clock, give: &mut impl FnMut(Event)) {
        let Self { tails, watched, .. } = self;
        watched.retain(|&flow, seen| {
            // Gone: the turn is over, and what follows it tells its end.
            let Ok(Plain(tail)) = tails.get(&Plain(key(flow)), 0) else {
                return false;
            };
            if tail.end_seq != *seen {
                *seen = tail.end_seq;
                let direction = if tail.direction == u32::from(abi::SENT) {
                    Direction::Sent
                } else {
                    Direction::Received
                };
                give(Event::Tail(Tail {
                    flow,
                    direction,
                    end_seq: tail.end_seq,
                    time: clock.at(tail.last_ns),
                }));
            }
            true
        });
    }

    fn sweep_closed(&mut self, clock: Clock, give: &mut impl FnMut(Event)) {
        let entries: Vec<(Plain<abi::FlowKey>, RecordBytes)> = self.closed.iter().flatten().collect();
        for (key, bytes) in entries {
            // Not yet filled in: a hook is at it this very moment; the next sweep takes it.
            if bytes.first() != Some(&abi::KIND_FLOW) {
                continue;
            }
            if let Ok(event) = decode::record(&bytes, clock, bytes::Bytes::copy_from_slice) {
                give(event);
            }
            let _ = self.closed.remove(&key);
        }
    }

    fn read_counts(&self, undecodable: u64) -> Result<CaptureCounts> {
        let mut counts = CaptureCounts {
            undecodable,
            ..CaptureCounts::default()
        };
        for (cause, total) in (0..abi::loss::COUNTS).zip(&mut counts.by_cause) {
            *total = self
                .counts
                .get(&cause, 0)
                .context("reading the loss counters")?
                .iter()
                .sum();
        }
        Ok(counts)
    }

    fn sweep_udp(&mut self, clock: Clock, now_ns: u64, give: &mut impl FnMut(Event)) {
        let entries: Vec<(Plain<abi::UdpKey>, UdpBytes)> = self.udp.iter().flatten().collect();
        let mut still = FxHashMap::default();
        for (key, bytes) in entries {
            let cookie = key.0.cookie;
            let now = clock.at(now_ns);
            let Ok(mut flow) = decode::udp_flow(cookie, &bytes, FlowCause::Progress, now, clock) else {
                continue;
            };
            // Being filled in.
            if flow.id.generation == 0 {
                continue;
            }
            let last = [flow.counters.sent_end, flow.counters.received_end]
                .into_iter()
                .flatten()
                .map(|(_, t)| t)
                .max();
            let idle = last.map_or(0, |t| u64::try_from(now.since(t).as_nanos()).unwrap_or(u64::MAX));
            let packets = flow.counters.packets_sent + flow.counters.packets_received;
            let name = (cookie, flow.id.generation);
            if idle >= UDP_IDLE_NS {
                flow.cause = FlowCause::Close;
                let _ = self.udp.remove(&key);
                give(Event::Flow(flow));
                continue;
            }
            if self.udp_seen.get(&name).copied() != Some(packets) {
                give(Event::Flow(flow));
            }
            still.insert(name, packets);
        }
        self.udp_seen = still;
    }
}

fn key(flow: FlowId) -> abi::FlowKey {
    abi::FlowKey {
        cookie: flow.cookie,
        generation: flow.generation,
        reserved: 0,
    }
}
