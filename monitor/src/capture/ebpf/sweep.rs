//! What is looked at from time to time: deferred close records, UDP flows, ends of truncated turns, counters.

use anyhow::{Context, Result};
use aya::Ebpf;
use aya::maps::{HashMap, Map, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues};
use monitor_common as abi;
use rustc_hash::FxHashMap;

use super::plain::Plain;
use crate::event::decode::{self, Clock};
use crate::event::{CaptureCounts, Direction, Event, FlowCause, FlowId, Living, Tail};
use crate::flow::Transport;
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
    totals: PerCpuHashMap<MapData, Plain<abi::TotalKey>, Plain<abi::Total>>,
    /// Watched tails, with what they last said, by direction.
    watched: FxHashMap<FlowId, [u32; 2]>,
    /// Packets of each UDP flow at the last walk.
    udp_seen: FxHashMap<FlowId, u64>,
    /// UDP flows of the last walk, after closes were lost: handed on by the next one, when every record of those days has
    /// been read.
    udp_living: Option<Living>,
    /// Closes lost, as of the last walk that was kept so.
    closes_reconciled: u64,
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
            totals: totals(take("TOTALS")?)?,
            watched: FxHashMap::default(),
            udp_seen: FxHashMap::default(),
            udp_living: None,
            closes_reconciled: 0,
            latest: CaptureCounts::default(),
            swept: 0,
            udp_swept: 0,
            tails_swept: 0,
        })
    }

    pub(super) fn watch_tail(&mut self, flow: FlowId) {
        if self.watched.len() < MAX_TAILS {
            self.watched.insert(flow, [0; 2]);
        }
    }

    pub(super) fn forget_tail(&mut self, flow: FlowId) {
        if self.watched.remove(&flow).is_some() {
            for direction in [abi::RECEIVED, abi::SENT] {
                let _ = self.tails.remove(&Plain(key(flow, direction)));
            }
        }
    }

    /// The next sweep looks at everything.
    pub(super) fn soon(&mut self) {
        (self.swept, self.udp_swept, self.tails_swept) = (0, 0, 0);
    }

    /// Records lost so far, by any cause that the socket iterator can make good.
    pub(super) fn losses(&self) -> u64 {
        let of = |cause: u32| self.latest.by_cause[cause as usize];
        of(abi::loss::LIFECYCLE_RING_FULL) + of(abi::loss::CLOSE_LOST)
    }

    /// Close records lost so far.
    pub(super) fn closes_lost(&self) -> u64 {
        self.latest.by_cause[abi::loss::CLOSE_LOST as usize]
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
        if !self.watched.is_empty() && now_ns.saturating_sub(self.tails_swept) >= self.tails_period_ns() {
            self.tails_swept = now_ns;
            self.sweep_tails(clock, &mut give);
        }
        if now_ns.saturating_sub(self.swept) >= EVERY_NS {
            self.swept = now_ns;
            self.sweep_closed(clock, &mut give);
            let counts = self.read_counts(undecodable)?;
            if counts != self.latest {
                self.latest = counts;
                give(Event::Losses(Box::new(counts)));
            }
        }
        if now_ns.saturating_sub(self.udp_swept) >= UDP_EVERY_NS {
            self.udp_swept = now_ns;
            self.sweep_udp(clock, now_ns, &mut give);
        }
        Ok(events)
    }

    /// The more are watched, the seldomer: a look at one costs about a microsecond, and all of them a hundredth of a core.
    fn tails_period_ns(&self) -> u64 {
        TAILS_EVERY_NS.max(self.watched.len() as u64 * 200_000)
    }

    fn sweep_tails(&mut self, clock: Clock, give: &mut impl FnMut(Event)) {
        let Self { tails, watched, .. } = self;
        watched.retain(|&flow, seen| {
            let mut lives = false;
            for (direction, seen) in [abi::RECEIVED, abi::SENT].into_iter().zip(seen) {
                let Ok(Plain(tail)) = tails.get(&Plain(key(flow, direction)), 0) else {
                    continue;
                };
                lives = true;
                if tail.end_seq != *seen {
                    *seen = tail.end_seq;
                    give(Event::Tail(Tail {
                        flow,
                        direction: if direction == abi::SENT {
                            Direction::Sent
                        } else {
                            Direction::Received
                        },
                        end_seq: tail.end_seq,
                        time: clock.at(tail.last_ns),
                    }));
                }
            }
            // Gone: the turn is over, and what follows it tells its end.
            lives
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
        // Bytes of flows whose close was lost: looked at only when there are any.
        if counts.by_cause[abi::loss::CLOSE_LOST as usize] > 0 {
            for (_, values) in self.totals.iter().flatten() {
                for Plain(total) in values.iter() {
                    counts.untold_sent += total.sent;
                    counts.untold_received += total.received;
                }
            }
        }
        Ok(counts)
    }

    fn sweep_udp(&mut self, clock: Clock, now_ns: u64, give: &mut impl FnMut(Event)) {
        let entries: Vec<(Plain<abi::UdpKey>, UdpBytes)> = self.udp.iter().flatten().collect();
        let now = clock.at(now_ns);
        if let Some(living) = self.udp_living.take() {
            give(Event::Living(living));
        }
        let mut living = Living::new(Transport::Udp);
        living.began = now;
        let mut still = FxHashMap::default();
        for (key, bytes) in entries {
            let cookie = key.0.cookie;
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
            let name = flow.id;
            living.flows.insert(name);
            if idle >= UDP_IDLE_NS {
                flow.cause = FlowCause::Close;
                // Whoever takes it out tells its end: the kernel does when the socket is released.
                if self.udp.remove(&key).is_ok() {
                    give(Event::Flow(Box::new(flow)));
                }
                continue;
            }
            if self.udp_seen.get(&name).copied() != Some(packets) {
                give(Event::Flow(Box::new(flow)));
            }
            still.insert(name, packets);
        }
        self.udp_seen = still;
        if self.closes_lost() != self.closes_reconciled {
            self.closes_reconciled = self.closes_lost();
            self.udp_living = Some(living);
        }
    }
}

fn key(flow: FlowId, direction: u8) -> abi::FlowKey {
    abi::FlowKey {
        cookie: flow.cookie,
        generation: flow.generation,
        direction: u32::from(direction),
    }
}

/// The totals, with room for what no other entry takes.
fn totals(map: Map) -> Result<PerCpuHashMap<MapData, Plain<abi::TotalKey>, Plain<abi::Total>>> {
    let mut totals = PerCpuHashMap::try_from(map)?;
    let zero = vec![
        Plain(abi::Total::default());
        aya::util::nr_cpus().map_err(|(what, error)| anyhow::anyhow!("{what}: {error}"))?
    ];
    totals.insert(Plain(abi::TotalKey::default()), PerCpuValues::try_from(zero)?, 0)?;
    Ok(totals)
}
