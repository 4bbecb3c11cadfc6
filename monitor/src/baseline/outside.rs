//! What this host reaches outside, as subjects: a program and whose place it is.

use std::net::IpAddr;
use std::sync::Arc;

use super::names::registered;
use super::program::Subject;
use crate::enrich::networks::Settings as Networks;
use crate::observation::Destination;
use crate::record::FlowRecord;

/// A program and a destination.
pub type Key = (Arc<str>, Arc<str>);

/// Whether an address is neither this host, nor on its link, nor in one of our networks, nor many.
pub fn is_outside(networks: &Networks, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_near = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let is_nobody = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    !(is_near || is_nobody || networks.is_internal(address))
}

/// The program in any container, and the domain that somebody registered or rented; without a name the network.
pub fn key_of(record: &FlowRecord, to: &Destination) -> Key {
    let subject = Subject::of(record.process.as_ref());
    let place = match &to.name {
        Some(name) => Arc::from(registered(name)),
        None => to.network.to_string().into(),
    };
    (subject.kin.unwrap_or(subject.own), place)
}

/// A destination as it is shown: its name, else its address.
pub fn shown(to: &Destination) -> Arc<str> {
    to.name.clone().unwrap_or_else(|| to.address.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::made::outbound;
    use crate::time::Timestamp;

    #[test]
    fn what_is_outside() {
        let networks = Networks::default();
        for (address, expected) in [
            ("198.51.100.7", true),
            ("2001:db8::7", true),
            ("10.1.2.3", false),
            ("::ffff:10.1.2.3", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("fe80::1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
        ] {
            assert_eq!(is_outside(&networks, address.parse().unwrap()), expected, "{address}");
        }
    }

    #[track_caller]
    fn check(name: Option<&str>, place: &str) {
        let flow = outbound(Timestamp::ZERO, 1, name, "198.51.100.7:443");
        let key = key_of(&flow.record, flow.destination.as_ref().unwrap());
        assert_eq!((&*key.0, &*key.1), ("/usr/bin/app", place));
    }

    #[test]
    fn a_place_is_whose_it_is() {
        // Made flows count their address alone as their network.
        check(Some("r17.media.example.net"), "example.net");
        check(Some("ours.s3.amazonaws.com"), "ours.s3.amazonaws.com");
        check(None, "198.51.100.7/32");
    }
}
