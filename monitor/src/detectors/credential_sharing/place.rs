//! Where a credential was used, and whether one can get from there to here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::enrich::borders::share_border;
use crate::enrich::networks::{NetworkKind, Whereabouts};
use crate::record::Client;
use crate::time::Timestamp;

/// Radius of the earth (IUGG mean), km.
const EARTH_KM: f64 = 6_371.0;
/// What databases of cities are off by, in all but rare cases, km.
const OFF_KM: f64 = 500.0;
/// An airliner with the wind behind it, km/h.
const FASTEST_KMH: f64 = 1_000.0;
/// Within so long another country that is no neighbour is too far.
const BY_COUNTRY: Duration = Duration::from_hours(1);

/// What counts as one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// Autonomous system.
    Asn(u32),
    /// Organization.
    Organization(Arc<str>),
    /// /16 of IPv4.
    V4(u16),
    /// /32 of IPv6.
    V6(u32),
}

/// A network that a credential was used from.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) network: Network,
    pub(super) whereabouts: Option<Arc<Whereabouts>>,
    /// Used from there last.
    pub(super) last: Timestamp,
}

impl Place {
    pub(super) fn of(client: &Client, now: Timestamp) -> Self {
        let known = client.whereabouts.as_deref();
        let network = if let Some(asn) = known.and_then(|known| known.asn) {
            Network::Asn(asn)
        } else if let Some(org) = known.and_then(|known| known.org.as_ref()) {
            Network::Organization(Arc::clone(org))
        } else {
            match client.ip.to_canonical() {
                IpAddr::V4(address) => Network::V4((address.to_bits() >> 16) as u16),
                IpAddr::V6(address) => Network::V6((address.to_bits() >> 96) as u32),
            }
        };
        Self {
            network,
            whereabouts: client.whereabouts.clone(),
            last: now,
        }
    }

    pub(super) fn country(&self) -> Option<&str> {
        self.whereabouts.as_deref()?.country.as_deref()
    }

    /// Whether it is a network of rented machines.
    pub(super) fn is_rented(&self) -> bool {
        self.whereabouts.as_deref().and_then(|known| known.kind) == Some(NetworkKind::Hosting)
    }

    /// How it is called.
    pub(super) fn name(&self) -> String {
        let known = self.whereabouts.as_deref();
        let network = match &self.network {
            Network::Asn(asn) => format!("AS{asn}"),
            Network::Organization(name) => name.to_string(),
            Network::V4(upper) => format!("{}.{}.0.0/16", upper >> 8, upper & 0xff),
            Network::V6(upper) => format!("{:x}:{:x}::/32", upper >> 16, upper & 0xffff),
        };
        match known.and_then(|known| known.city.as_ref().or(known.country.as_ref())) {
            Some(place) => format!("{network} ({place})"),
            None => network,
        }
    }

    /// Whether nobody gets from here to `there`, used at `now`, in the time since; and whether positions say so.
    pub(super) fn is_too_far(&self, there: &Self, now: Timestamp) -> Option<ByWhat> {
        let (a, b) = (self.whereabouts.as_deref()?, there.whereabouts.as_deref()?);
        if a.org.is_some() && a.org == b.org {
            return None;
        }
        let time = now.since(self.last);
        if let (Some(from), Some(to)) = (a.position, b.position) {
            let reach = OFF_KM + FASTEST_KMH * time.as_secs_f64() / 3_600.0;
            return (distance_km(from, to) > reach).then_some(ByWhat::Position);
        }
        let (from, to) = (a.country.as_deref()?, b.country.as_deref()?);
        (time < BY_COUNTRY && from != to && !share_border(from, to)).then_some(ByWhat::Country)
    }
}

/// What says that it is too far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByWhat {
    Position,
    Country,
}

/// Along a great circle.
fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let h = half(a.0, b.0) + a.0.to_radians().cos() * b.0.to_radians().cos() * half(a.1, b.1);
    2.0 * EARTH_KM * h.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_globe() {
        let (amsterdam, new_york, utrecht) = ((52.37, 4.90), (40.71, -74.01), (52.09, 5.12));
        assert!((distance_km(amsterdam, new_york) - 5_860.0).abs() < 30.0);
        assert!(distance_km(amsterdam, utrecht) < 50.0);
        assert!(distance_km(amsterdam, amsterdam) < 1e-6);
        assert!((distance_km((0.0, 0.0), (0.0, 180.0)) - 20_015.0).abs() < 10.0);
    }
}
