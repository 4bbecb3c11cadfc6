//! Connections on which a request begins and does not end.

use std::time::Duration;

use rustc_hash::FxHashMap;

use super::doc::MOST_HELD;
use crate::baseline::pace::{Pace, Terms, knows_the_hour};
use crate::baseline::recent::Recent;
use crate::baseline::seasonal::{Seasonal, Usual};
use crate::baseline::source::Source;
use crate::baseline::ticks::Over;
use crate::event::FlowId;
use crate::finding::occurrence::Occurrence;
use crate::observation::FlowObservation;
use crate::time::Timestamp;

/// As a subject in the store.
pub(super) const SUBJECT: &str = "(held)";
const ALL: &str = "all";
const BUSIEST: &str = "one";
/// A request that is not whole after so long, while its bytes still come, is held. Requests of people on bad lines come within
/// it; servers wait a minute or so for a header (nginx `client_header_timeout`, Apache `RequestReadTimeout` 20 to 40 s).
const LATE: Duration = Duration::from_secs(20);
/// More bytes are an upload.
const UPLOAD: u64 = 64 * 1024;
/// A connection of which nothing was heard for so long is none of these any more.
const FORGOTTEN: Duration = Duration::from_mins(10);
/// Fewer of one client are not worth telling: a browser opens six to a host, and a few people may be behind an address; ...
const FLOOR_OF_ONE: u64 = 20;
/// ... and fewer of all: servers have some hundreds of workers, or thousands.
const FLOOR: u64 = 100;
/// Less than three times what is usual is not told, while learning ten times.
const TIMES: f64 = 3.0;
const TIMES_LEARNING: f64 = 10.0;
/// Clients with an occurrence that are remembered.
const MOST_CLIENTS: usize = 1_024;

/// Held connections, by client and in all.
#[derive(Debug)]
pub(super) struct Held {
    flows: FxHashMap<FlowId, (Source, Timestamp)>,
    clients: FxHashMap<Source, u64>,
    all: Pace,
    busiest: Pace,
    alphas: [f64; 2],
    occurrences: Recent<Option<Source>, Occurrence>,
    evicted: u64,
}

/// There are too many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Many {
    /// Of one client; else of all.
    pub(super) of: Option<Source>,
    pub(super) count: u64,
    pub(super) line: u64,
    pub(super) usual: f64,
}

impl Held {
    pub(super) fn new(all: f64, one: f64) -> Self {
        Self {
            flows: FxHashMap::default(),
            clients: FxHashMap::default(),
            all: Pace::default(),
            busiest: Pace::default(),
            alphas: [all, one],
            occurrences: Recent::new(MOST_CLIENTS, super::DOC.quiet),
            evicted: 0,
        }
    }

    /// A request on it was answered.
    #[inline]
    pub(super) fn answered(&mut self, flow: FlowId) {
        if !self.flows.is_empty() {
            self.closed(flow);
        }
    }

    #[inline]
    pub(super) fn closed(&mut self, flow: FlowId) {
        if self.flows.is_empty() {
            return;
        }
        if let Some((client, _)) = self.flows.remove(&flow)
            && let Some(count) = self.clients.get_mut(&client)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.clients.remove(&client);
            }
        }
    }

    /// Bytes came on a connection. Whether there are too many on which they come so slowly.
    pub(super) fn moved(&mut self, flow: &FlowObservation) -> Option<Many> {
        let (record, now) = (&flow.record, flow.time);
        let client = Source::from(record.tuple?.remote.ip());
        let counters = &record.counters;
        let last = counters.received_end.map(|(_, at)| at)?;
        let dribbles = counters.sent == 0
            && !record.joined_late
            && (1..=UPLOAD).contains(&counters.received)
            && last >= record.start + LATE;
        if !dribbles {
            self.closed(record.flow);
            return None;
        }
        if let Some((_, seen)) = self.flows.get_mut(&record.flow) {
            *seen = now;
        } else if self.flows.len() < MOST_HELD {
            self.flows.insert(record.flow, (client, now));
            *self.clients.entry(client).or_default() += 1;
        } else {
            self.evicted += 1;
        }
        let (all, one) = (self.flows.len() as u64, self.clients.get(&client).copied().unwrap_or(0));
        self.all.note(all);
        self.busiest.note(one);
        let lines = [FLOOR.max(line(&self.all)), FLOOR_OF_ONE.max(line(&self.busiest))];
        let many = |of, count, line, pace: &Pace| Many {
            of,
            count,
            line,
            usual: pace.usual().map_or(0.0, |usual| usual.mean),
        };
        if one >= lines[1] {
            return Some(many(Some(client), one, lines[1], &self.busiest));
        }
        (all >= lines[0]).then(|| many(None, all, lines[0], &self.all))
    }

    pub(super) fn occurrence(&mut self, now: Timestamp, of: Option<Source>) -> &mut Occurrence {
        self.occurrences.see_or_make(now, &of, || Occurrence::new(now), |_| 1)
    }

    pub(super) fn close(&mut self, over: Over) {
        // What is still held was held in this window, too.
        if !over.is_counted {
            self.all.note(self.flows.len() as u64);
        }
        self.all.close(over);
        self.busiest.close(over);
    }

    pub(super) fn draw(&mut self, begin: Timestamp, is_known: bool) {
        let terms = |usual: &Usual, alpha, floor| {
            let times = match (is_known, knows_the_hour(usual)) {
                (true, true) => TIMES,
                (true, false) | (false, _) => TIMES_LEARNING,
            };
            Some(Terms { alpha, times, floor })
        };
        let [all, one] = self.alphas;
        self.all.draw(begin, |usual| terms(usual, all, FLOOR));
        self.busiest.draw(begin, |usual| terms(usual, one, FLOOR_OF_ONE));
    }

    /// Lets go of what was not heard of.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let old = |seen: &Timestamp| *seen + FORGOTTEN <= now;
        let gone: Vec<FlowId> = self
            .flows
            .iter()
            .filter(|(_, (_, seen))| old(seen))
            .map(|(flow, _)| *flow)
            .collect();
        for flow in gone {
            self.closed(flow);
        }
        self.occurrences.expire(now);
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn export(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        let paces = [(ALL, &mut self.all), (BUSIEST, &mut self.busiest)];
        paces
            .into_iter()
            .filter_map(|(member, pace)| Some((member, pace.export()?)))
            .collect()
    }

    pub(super) fn restore(&mut self, member: &str, bytes: &[u8]) {
        let Some(pace) = Seasonal::decode(bytes).map(Pace::with) else {
            return;
        };
        match member {
            ALL => self.all = pace,
            BUSIEST => self.busiest = pace,
            _ => {}
        }
    }
}

/// Without a baseline the floor is the line.
fn line(pace: &Pace) -> u64 {
    if pace.line == u64::MAX { 0 } else { pace.line }
}
