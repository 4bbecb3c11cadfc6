//! The monitor's own figures.

use std::sync::Arc;

use monitor_common::loss;

use super::{Output, Pipeline, telling::coverage};
use crate::flow::Flow;
use crate::protocol::tls::HelloError;
use crate::record::{Body, StatsRecord};
use crate::time::Timestamp;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) bytes_copied: u64,
    pub(super) flows: u64,
    pub(super) transactions: u64,
    pub(super) incomplete: u64,
    pub(super) stragglers: u64,
    /// Flows that a walk over the sockets found gone.
    pub(super) vanished: u64,
    pub(super) orphans_dropped: u64,
    pub(super) unreadable_dns: u64,
    /// By cause, in the order of [`HelloError::ALL`].
    pub(super) unreadable_hellos: [u64; HelloError::ALL.len()],
    pub(super) requests_evicted: u64,
    pub(super) headers_evicted: u64,
    pub(super) holes_evicted: u64,
    pub(super) waits_evicted: u64,
    /// Payload bytes of flows that ended.
    ended_counted: u64,
    /// Of which understood.
    ended_understood: u64,
}

impl Counts {
    /// A flow has ended.
    pub(super) fn end(&mut self, flow: &Flow) {
        self.ended_counted = self.ended_counted.saturating_add(flow.bytes());
        self.ended_understood = self.ended_understood.saturating_add(coverage(flow).understood_bytes);
    }
}

/// Causes that are no loss: left out by design.
const BY_DESIGN: [u32; 4] = [
    loss::TRUNCATED_TURN,
    loss::OTHER_PROTOCOL,
    loss::CLOSE_DEFERRED,
    loss::OVER_BUDGET,
];

impl Pipeline {
    pub(super) fn tell_stats(&self, out: &mut Output) {
        self.write(Body::Stats(Arc::new(self.stats_record(self.now))), out);
    }

    pub(super) fn stats_record(&self, now: Timestamp) -> StatsRecord {
        let mut lost = Vec::new();
        let mut left_out = Vec::new();
        for (cause, (&name, &count)) in (0u32..).zip(loss::NAMES.iter().zip(&self.capture.by_cause)) {
            if BY_DESIGN.contains(&cause) {
                left_out.push((name, count));
            } else {
                lost.push((name, count));
            }
        }
        lost.push(("undecodable", self.capture.undecodable));
        lost.push(("untold_bytes_sent", self.capture.untold_sent));
        lost.push(("untold_bytes_received", self.capture.untold_received));
        lost.extend(self.packets.lost());
        left_out.extend(self.packets.left_out());
        lost.push(("after_close", self.counts.stragglers));
        let doubts = self.clients.doubts();
        left_out.extend([
            ("forwarded_untrusted", doubts.untrusted),
            ("forwarded_unreadable", doubts.unreadable),
            ("forwarded_differing", doubts.differing),
            ("gateway_untrusted", self.identities.untrusted()),
            ("credentials_cut", self.identities.cut()),
            ("identities_evicted", self.identities.evicted()),
            ("network_data_unreadable", self.networks.unreadable()),
            ("endpoints_refused", self.endpoints.refused()),
            ("orphans_dropped", self.counts.orphans_dropped),
            ("unreadable_dns", self.counts.unreadable_dns),
            ("requests_evicted", self.counts.requests_evicted),
            ("headers_evicted", self.counts.headers_evicted),
            ("holes_evicted", self.counts.holes_evicted),
            ("waits_evicted", self.counts.waits_evicted),
            ("programs_evicted", self.programs.evicted()),
            ("names_evicted", self.names.evicted()),
            (
                "alerts_evicted",
                self.desk.counts().evicted + self.desk.counts().crowded_out,
            ),
            ("incidents_evicted", self.desk.incident_counts().evicted),
            ("incident_links", self.desk.incident_counts().links_left_out),
        ]);
        left_out.extend(HelloError::ALL.map(|cause| (cause.name(), self.counts.unreadable_hellos[cause as usize])));
        left_out.extend(
            self.registry
                .left_out()
                .into_iter()
                .map(|(_, cause, count)| (cause, count)),
        );
        left_out.extend(self.views.iter().flat_map(|views| views.left_out()));
        left_out.push(("view_services", self.services.evicted()));
        let live = self.flows.iter().filter(|flow| !flow.is_shadow);
        let (active, counted, understood) = live.fold((0, 0u64, 0u64), |(active, counted, understood), flow| {
            (
                active + 1,
                counted.saturating_add(flow.bytes()),
                understood.saturating_add(coverage(flow).understood_bytes),
            )
        });
        StatsRecord {
            events_received: self.counts.events,
            bytes_copied: self.counts.bytes_copied,
            lost,
            left_out,
            flows_active: active,
            flows_total: self.counts.flows,
            flows_evicted: self.flows.evicted(),
            transactions: self.counts.transactions,
            incomplete: self.counts.incomplete,
            bytes_counted: self.counts.ended_counted.saturating_add(counted),
            bytes_understood: self.counts.ended_understood.saturating_add(understood),
            alerts: self.desk.counts().raised,
            incidents: self.desk.incident_counts().raised,
            learning: self.registry.learning(now),
            cpu_ms: None,
            rss_bytes: None,
        }
    }
}
