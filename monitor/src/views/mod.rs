//! What queries show of the traffic by subject: sums since the daemon started, in bounded memory.
//!
//! A view sees observations like a detector and judges nothing. Connections that live are added when one asks, so that
//! nothing is kept of each of them here.

pub mod compare;
pub mod coverage;
pub mod destinations;
pub mod endpoints;
pub mod identities;
pub mod latencies;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Alert;
use crate::enrich::identity::IdentityKind;
use crate::observation::{FlowObservation, Observation};
use crate::record::HttpRole;
use crate::time::Timestamp;

use compare::{By, Compare, Count};
use coverage::{Service, Services};
use destinations::{Destination, Destinations, Pair};
use endpoints::{Endpoint, Endpoints};
use identities::{Identities, Identity};

/// Which view is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// By endpoint.
    Endpoints,
    /// By identity.
    Identities,
    /// By program and destination.
    Destinations,
    /// By service: how much was understood.
    Coverage,
    /// Flagged traffic beside the rest.
    Compare(By),
}

/// A view's rows, the largest first.
#[derive(Clone, Debug)]
pub enum Rows {
    /// By endpoint.
    Endpoints(Vec<(Arc<str>, Endpoint)>),
    /// By identity.
    Identities(Vec<((IdentityKind, Arc<str>), Identity)>),
    /// By program and destination.
    Destinations(Vec<(Pair, Destination)>),
    /// By service.
    Coverage(Vec<Service>),
    /// By what is compared.
    Compare(Vec<(Box<str>, Count)>),
}

/// All views.
#[derive(Debug, Default)]
pub struct Views {
    endpoints: Endpoints,
    identities: Identities,
    destinations: Destinations,
    compare: Compare,
}

impl Views {
    /// Looks at an observation.
    pub fn observe(&mut self, observation: &Observation) {
        match observation {
            Observation::Transaction(record) => {
                if record.role == HttpRole::Server
                    && let Some(request) = &record.request
                {
                    let now = record.start + Duration::from_micros(record.duration_us);
                    self.endpoints.see(now, request, record);
                    self.identities.see(now, record);
                    self.compare.see(now, record);
                }
            }
            Observation::Flow(flow) => {
                self.destinations.see(flow);
            }
            // It comes again when it is over.
            Observation::Announced(_) | Observation::Lookup(_) => {}
        }
    }

    /// An alert was raised: what its actor does from now on is told apart.
    pub fn flag(&mut self, alert: &Alert) {
        self.compare.flag(alert);
    }

    /// A view's rows; `live` are the flows that live, and `services` those of flows that have ended.
    pub fn rows(&self, now: Timestamp, view: View, live: &[FlowObservation], services: &Services) -> Rows {
        match view {
            View::Endpoints => Rows::Endpoints(self.endpoints.rows()),
            View::Identities => Rows::Identities(self.identities.rows(now)),
            View::Destinations => Rows::Destinations(self.destinations.rows(live)),
            View::Coverage => Rows::Coverage(services.rows(live.iter().map(|flow| &*flow.record))),
            View::Compare(by) => Rows::Compare(self.compare.rows(by)),
        }
    }

    /// Subjects given up to stay within bounds, by view.
    pub fn left_out(&self) -> [(&'static str, u64); 4] {
        [
            ("view_endpoints", self.endpoints.evicted()),
            ("view_identities", self.identities.evicted()),
            ("view_destinations", self.destinations.evicted()),
            ("view_compared", self.compare.evicted()),
        ]
    }
}
