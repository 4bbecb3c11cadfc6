//! Attacks: one file a detector, variants loud and quiet.

mod account_anomaly;
mod account_takeover;
mod agents;
mod attacker_response;
mod auth_failures;
mod client_fingerprint;
mod credential_sharing;
mod credential_stuffing;
mod destinations;
mod dns_tunnel;
mod enumeration;
mod exfiltration;
mod flow_misuse;
mod health;
mod listed_source;
mod patterns;
mod rates;
mod request_anomaly;
mod request_forgery;
mod response_volume;
mod scraping;
mod shadow_endpoint;
mod timing;
mod unknown_credential;
mod unusual_origin;

use std::net::IpAddr;

use super::calendar::HOUR;
use super::chance::Chance;
use super::truth::{Actors, Attack};
use super::wire::outbound::What;
use super::world::World;

/// An attack that can be done to a world.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// What happens, in a few words.
    pub what: &'static str,
    /// Detectors that should speak.
    pub detectors: &'static [&'static str],
    /// Detectors that may speak of its targets without naming an actor.
    pub may: &'static [&'static str],
    /// Worlds it is done to; in any, where there is none.
    pub worlds: &'static [&'static str],
    /// Hours it takes.
    pub hours: u64,
    /// Does it, from this moment on.
    pub act: fn(&mut World, u64, &mut Chance) -> Marks,
}

/// By what an attack can be told, besides its addresses.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// Names of accounts.
    pub accounts: Vec<String>,
    /// Keys, tokens and sessions in clear.
    pub secrets: Vec<String>,
    /// User agents.
    pub agents: Vec<String>,
    /// Endpoints that it is done to.
    pub endpoints: Vec<String>,
    /// Names and addresses that the host is made to reach.
    pub destinations: Vec<String>,
    /// Addresses of those whose requests were changed: what is done to them is done to the service.
    pub addresses: Vec<IpAddr>,
    /// From when until when, where that is not told by new requests.
    pub span: Option<(u64, u64)>,
}

/// All of them.
pub fn all() -> Vec<Variant> {
    [
        &listed_source::VARIANTS[..],
        &auth_failures::VARIANTS,
        &credential_stuffing::VARIANTS,
        &account_takeover::VARIANTS,
        &response_volume::VARIANTS,
        &exfiltration::VARIANTS,
        &request_anomaly::VARIANTS,
        &agents::VARIANTS,
        &client_fingerprint::VARIANTS,
        &credential_sharing::VARIANTS,
        &request_forgery::VARIANTS,
        &shadow_endpoint::VARIANTS,
        &dns_tunnel::VARIANTS,
        &destinations::VARIANTS,
        &patterns::VARIANTS,
        &enumeration::VARIANTS,
        &scraping::VARIANTS,
        &rates::VARIANTS,
        &health::ERRORS,
        &health::SHIFTS,
        &health::SILENCES,
        &unknown_credential::VARIANTS,
        &unusual_origin::VARIANTS,
        &account_anomaly::VARIANTS,
        &attacker_response::VARIANTS,
        &flow_misuse::VARIANTS,
        &timing::VARIANTS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}

/// Worlds without a balancer, which would put hand-written requests in order.
const DIRECT: &[&str] = &["storefront", "offices", "phones", "partners", "quiet"];
/// Worlds with a document.
const DOCUMENTED: &[&str] = &["storefront", "offices", "partners", "balanced", "quiet"];
/// Worlds with a database of cities.
const CITIES: &[&str] = &["storefront", "phones", "partners", "balanced", "quiet"];

impl Variant {
    /// Does it to a world, after the first days, and says what was done.
    pub fn strike(&self, world: &mut World, chance: &mut Chance) -> Attack {
        let first = world.learned() + HOUR;
        let room = world.calendar.end().saturating_sub(first + (self.hours + 1) * HOUR);
        let at = first + chance.below(room.max(HOUR));
        let (exchanges, outbound) = (world.exchanges.len(), world.outbound.len());
        let marks = (self.act)(world, at, chance);
        let exchanges = &world.exchanges[exchanges..];
        let outbound = &world.outbound[outbound..];
        let mut addresses: Vec<_> = exchanges.iter().map(|exchange| exchange.from).collect();
        addresses.extend(marks.addresses);
        addresses.sort_unstable();
        addresses.dedup();
        let times = || {
            exchanges
                .iter()
                .map(|exchange| exchange.at)
                .chain(outbound.iter().map(|outbound| outbound.at))
        };
        let mut destinations = marks.destinations;
        for reached in outbound {
            if let What::Tls { to, .. }
            | What::Upload { to, .. }
            | What::Http { to, .. }
            | What::Other { to, .. }
            | What::Time { to }
            | What::Refused { to } = reached.what
            {
                destinations.push(to.ip().to_string());
            }
        }
        destinations.sort_unstable();
        destinations.dedup();
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Attack {
            name: self.name.to_owned(),
            detectors: names(self.detectors),
            may: names(self.may),
            actors: Actors {
                addresses,
                accounts: marks.accounts,
                secrets: marks.secrets,
                agents: marks.agents,
            },
            endpoints: marks.endpoints,
            destinations,
            from: marks.span.map_or_else(|| times().min().unwrap_or(at), |(from, _)| from),
            until: marks
                .span
                .map_or_else(|| times().max().unwrap_or(at), |(_, until)| until),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;
    use crate::scenarios::world::kind_named;

    #[test]
    fn every_detector_has_two_variants() {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut names = HashSet::new();
        for variant in all() {
            assert!(names.insert(variant.name), "{} is there twice", variant.name);
            assert!(
                variant.worlds.iter().all(|world| kind_named(world).is_some()),
                "{}",
                variant.name
            );
            for detector in variant.detectors {
                *counts.entry(detector).or_default() += 1;
            }
        }
        for (detector, count) in counts {
            assert!(count >= 2, "{detector} has {count} variant");
        }
    }
}
