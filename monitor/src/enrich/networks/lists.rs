//! Threat lists: addresses, networks and domains that others saw doing harm.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;
use rustc_hash::FxHashMap;

use crate::pattern::parse_network;

/// Entries of all lists; large ones have some hundred thousand. About 100 bytes each.
const MAX_ENTRIES: usize = 2_000_000;
/// Longest domain name (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;

/// All lists, in the order in which they were given: the first that has something says so.
#[derive(Default)]
pub struct ThreatLists {
    names: Vec<Arc<str>>,
    v4: PrefixMap<Ipv4Net, u16>,
    v6: PrefixMap<Ipv6Net, u16>,
    domains: FxHashMap<Box<str>, u16>,
}

/// What a list held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListReport {
    /// Addresses and networks.
    pub networks: usize,
    /// Domains.
    pub domains: usize,
    /// Lines that are neither, and no comment.
    pub unreadable: usize,
    /// Entries for which there was no room.
    pub left_out: usize,
}

impl std::fmt::Debug for ThreatLists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreatLists")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

enum Entry<'a> {
    Network(IpNet),
    Domain(&'a str),
}

impl ThreatLists {
    /// Adds a list under this name.
    pub fn add(&mut self, name: &str, text: &str) -> ListReport {
        let mut report = ListReport::default();
        let Ok(number) = u16::try_from(self.names.len()) else {
            report.left_out = text.lines().count();
            return report;
        };
        self.names.push(name.into());
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with("//") {
                continue;
            }
            match entry(line) {
                _ if self.len() >= MAX_ENTRIES => report.left_out += 1,
                Some(Entry::Network(network)) => {
                    report.networks += 1;
                    match network {
                        IpNet::V4(net) => {
                            self.v4.entry(net).or_insert(number);
                        }
                        IpNet::V6(net) => {
                            self.v6.entry(net).or_insert(number);
                        }
                    }
                }
                Some(Entry::Domain(domain)) => {
                    report.domains += 1;
                    self.domains.entry(domain.to_ascii_lowercase().into()).or_insert(number);
                }
                None => report.unreadable += 1,
            }
        }
        report
    }

    /// Entries in all.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len() + self.domains.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list that has this address, by its narrowest network.
    pub fn address(&self, address: IpAddr) -> Option<Arc<str>> {
        let number = match address.to_canonical() {
            IpAddr::V4(address) => self.v4.get_lpm(&address.into()).map(|(_, number)| *number),
            IpAddr::V6(address) => self.v6.get_lpm(&address.into()).map(|(_, number)| *number),
        };
        self.names.get(usize::from(number?)).cloned()
    }

    /// The list that has this name, or one above it: a list of `evil.example` means `www.evil.example` too.
    pub fn name(&self, name: &str) -> Option<Arc<str>> {
        if self.domains.is_empty() || name.len() > MAX_NAME {
            return None;
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let mut rest = Some(&*name);
        while let Some(part) = rest {
            if let Some(number) = self.domains.get(part) {
                return self.names.get(usize::from(*number)).cloned();
            }
            rest = part.split_once('.').map(|(_, above)| above);
        }
        None
    }
}

/// The entry of a line: its first word or column that is one.
fn entry(line: &str) -> Option<Entry<'_>> {
    let columns = line
        .split([',', '\t', ' '])
        .map(|column| column.trim().trim_matches('"'))
        .filter(|column| !column.is_empty());
    let mut domain = None;
    for column in columns {
        match parse_network(column) {
            // A hosts file: what is sent nowhere is the name.
            Some(network) if is_nowhere(network) => {}
            // Everybody: a mistake of whoever made the list.
            Some(network) if network.prefix_len() == 0 => return None,
            Some(network) => return Some(Entry::Network(network)),
            None => domain = domain.or_else(|| host(column)),
        }
    }
    domain.map(Entry::Domain)
}

fn is_nowhere(network: IpNet) -> bool {
    let address = network.addr();
    network.prefix_len() == network.max_prefix_len()
        && (address == IpAddr::V4(Ipv4Addr::UNSPECIFIED) || address == IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// A domain, or the host of a URL; no word without a dot, and no date or number.
fn host(text: &str) -> Option<&str> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.split(['/', ':', '?']).next()?;
    let text = text.strip_prefix("*.").unwrap_or(text).trim_matches('.');
    let top = text.rsplit_once('.')?.1;
    let is_name = text.len() <= MAX_NAME
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        && !text.contains("..")
        && top.len() >= 2
        && top.bytes().any(|b| b.is_ascii_alphabetic());
    is_name.then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lists(texts: &[&str]) -> ThreatLists {
        let mut lists = ThreatLists::default();
        for (number, text) in texts.iter().enumerate() {
            lists.add(&number.to_string(), text);
        }
        lists
    }

    #[track_caller]
    fn check(lists: &ThreatLists, what: &str, list: Option<&str>) {
        let found = match what.parse() {
            Ok(address) => lists.address(address),
            Err(_) => lists.name(what),
        };
        assert_eq!(found.as_deref(), list, "{what}");
    }

    #[test]
    fn plain_lists_and_netsets() {
        let lists = lists(&[
            "# a netset\n#\n192.0.2.1\n198.51.100.0/24 ; with a remark\n2001:db8::/32\n\n  evil.example  # a domain\n",
            "198.51.100.7\n*.bad.example\n203.0.113.9\t7\n",
        ]);
        check(&lists, "192.0.2.1", Some("0"));
        check(&lists, "::ffff:192.0.2.1", Some("0"));
        check(&lists, "192.0.2.2", None);
        check(&lists, "198.51.100.8", Some("0"));
        check(&lists, "198.51.100.7", Some("1"));
        check(&lists, "2001:db8:1::", Some("0"));
        check(&lists, "203.0.113.9", Some("1"));
        check(&lists, "evil.example", Some("0"));
        check(&lists, "WWW.Evil.example.", Some("0"));
        check(&lists, "notevil.example", None);
        check(&lists, "a.bad.example", Some("1"));
        check(&lists, "example", None);
    }

    #[test]
    fn columns_urls_and_hosts_files() {
        let lists = lists(&[
            "first_seen,ip,port\n\"2026-11-27 10:00:00\",\"192.0.2.1\",443,malware\n3,http://evil.example:8080/x.exe,online\n",
            "0.0.0.0 ads.example\n127.0.0.1\ttrack.example\n",
        ]);
        check(&lists, "192.0.2.1", Some("0"));
        check(&lists, "evil.example", Some("0"));
        check(&lists, "ads.example", Some("1"));
        check(&lists, "track.example", Some("1"));
        check(&lists, "127.0.0.1", None);
    }

    #[test]
    fn what_is_no_entry_is_counted() {
        let mut lists = ThreatLists::default();
        let report = lists.add(
            "x",
            "192.0.2.1\nnonsense\n0.0.0.0/0\n2026-11-27\n1.2.3.4.5\nevil.example\n",
        );
        let expected = ListReport {
            networks: 1,
            domains: 1,
            unreadable: 4,
            left_out: 0,
        };
        assert_eq!(report, expected);
    }

    #[test]
    fn large_lists_fit() {
        use std::fmt::Write as _;
        let mut text = String::new();
        for n in 0..130_000u32 {
            let [_, b, c, d] = (n * 3).to_be_bytes();
            let _ = writeln!(text, "198.{b}.{c}.{d}");
        }
        let mut lists = ThreatLists::default();
        assert_eq!(lists.add("big", &text).networks, 130_000);
        check(&lists, "198.0.0.3", Some("big"));
        check(&lists, "198.0.0.4", None);
    }

    proptest! {
        #[test]
        fn reads_anything(text: String, address: [u8; 4]) {
            let mut lists = ThreatLists::default();
            lists.add("x", &text);
            let _ = lists.address(IpAddr::from(address));
            let _ = lists.name(&text);
        }

        #[test]
        fn agrees_with_a_search_through_all(
            nets in prop::collection::vec((any::<u32>(), 1u8..=32), 0..40),
            addresses in prop::collection::vec(any::<u32>(), 0..20),
        ) {
            let nets: Vec<Ipv4Net> = nets.iter().map(|(bits, len)| Ipv4Net::new((*bits).into(), *len).unwrap().trunc()).collect();
            let text = nets.iter().map(Ipv4Net::to_string).collect::<Vec<_>>().join("\n");
            let lists = lists(&[&text]);
            for bits in addresses.into_iter().chain(nets.iter().map(|net| u32::from(net.network()))) {
                let address = Ipv4Addr::from(bits);
                let expected = nets.iter().any(|net| net.contains(&address) && !is_nowhere((*net).into()));
                prop_assert_eq!(lists.address(address.into()).is_some(), expected);
            }
        }
    }
}
