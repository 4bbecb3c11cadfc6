//! Where an address is: country, city, autonomous system, what kind of network, and whether a threat list has it.
//!
//! From files that the user gives, read by the shell and handed over whole ([`NetworkData`]); nothing is ever asked of the
//! network. What was found for an address is kept, since the same clients come again and again.

mod databases;
mod lists;
#[cfg(test)]
mod mmdb;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::databases::{Database, DatabaseError, DatabaseKind};
pub use self::lists::{ListReport, ThreatLists};

use self::databases::Found;

/// Addresses of a generation that are kept with what was found; two are 65,536, within 10 MB.
const GENERATION: usize = 32_768;

/// Where addresses are, and which are ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Database of countries in `MaxMind`'s format (`GeoLite2-Country`, DB-IP, …); it is read into memory.
    #[schemars(example = &"country.mmdb")]
    pub country: Option<PathBuf>,
    /// Database of cities; it has countries as well, and goes before the other.
    #[schemars(example = &"city.mmdb")]
    pub city: Option<PathBuf>,
    /// Database of autonomous systems and the organizations behind them.
    #[schemars(example = &"asn.mmdb")]
    pub asn: Option<PathBuf>,
    /// Threat lists: an address, network or domain a line (plain, netset, hosts file) or in a column (CSV); `#` and `;`
    /// begin comments. These and the databases are read again when they are replaced.
    pub threat_lists: Vec<PathBuf>,
    /// Numbers of autonomous systems that rent out machines: where people do not browse from.
    pub hosting_asns: Vec<u32>,
    /// Numbers of autonomous systems whose lines are sold as proxies.
    pub residential_proxy_asns: Vec<u32>,
    /// Networks that are ours: what goes there stays inside, and weighs less.
    #[serde(with = "crate::config::networks")]
    #[schemars(with = "Vec<String>")]
    pub internal: Vec<IpNet>,
}

impl Settings {
    /// Whether `address` is in one of our own networks.
    pub fn is_internal(&self, address: IpAddr) -> bool {
        self.internal.iter().any(|network| network.contains(&address))
    }

    /// All files that are named.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let databases = [&mut self.country, &mut self.city, &mut self.asn];
        databases.into_iter().flatten().chain(&mut self.threat_lists)
    }
}

/// Private use (RFC 1918), shared between a provider's customers (RFC 6598), unique local (RFC 4193).
const PRIVATE: [&str; 5] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
];

impl Default for Settings {
    fn default() -> Self {
        Self {
            country: None,
            city: None,
            asn: None,
            threat_lists: Vec::new(),
            hosting_asns: Vec::new(),
            residential_proxy_asns: Vec::new(),
            internal: PRIVATE.iter().filter_map(|text| text.parse().ok()).collect(),
        }
    }
}

/// What files say of networks.
#[derive(Debug, Default)]
pub struct NetworkData {
    /// Databases, those that say more first.
    pub databases: Vec<Database>,
    /// Threat lists.
    pub lists: ThreatLists,
}

/// What kind of network an address is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// Our own.
    Internal,
    /// Rented machines.
    Hosting,
    /// Lines sold as proxies.
    ResidentialProxy,
}

impl NetworkKind {
    /// Name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Hosting => "hosting",
            Self::ResidentialProxy => "residential_proxy",
        }
    }
}

/// Where an address is, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whereabouts {
    /// ISO 3166-1 code of the country.
    pub country: Option<Arc<str>>,
    /// English name of the city.
    pub city: Option<Arc<str>>,
    /// Latitude and longitude, degrees; what the database has for the place.
    pub position: Option<(f64, f64)>,
    /// Number of the autonomous system.
    pub asn: Option<u32>,
    /// Organization behind it.
    pub org: Option<Arc<str>>,
    /// Kind of network.
    pub kind: Option<NetworkKind>,
    /// Name of the first threat list that has the address.
    pub listed: Option<Arc<str>>,
}

/// Finds where addresses are.
#[derive(Debug)]
pub struct Networks {
    data: Arc<NetworkData>,
    internal: Vec<IpNet>,
    hosting: Vec<u32>,
    residential: Vec<u32>,
    /// Found before, or lately: the older ones go.
    young: FxHashMap<IpAddr, Option<Arc<Whereabouts>>>,
    old: FxHashMap<IpAddr, Option<Arc<Whereabouts>>>,
    unreadable: u64,
}

impl Networks {
    /// As configured, with no data yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            data: Arc::default(),
            internal: settings.internal.clone(),
            hosting: settings.hosting_asns.clone(),
            residential: settings.residential_proxy_asns.clone(),
            young: FxHashMap::default(),
            old: FxHashMap::default(),
            unreadable: 0,
        }
    }

    /// Other data, from now on.
    pub fn replace(&mut self, data: Arc<NetworkData>) {
        self.data = data;
        self.young.clear();
        self.old.clear();
    }

    /// Where `address` is; nothing where nothing is known of it.
    pub fn find(&mut self, address: IpAddr) -> Option<Arc<Whereabouts>> {
        if let Some(known) = self.young.get(&address) {
            return known.clone();
        }
        let found = match self.old.remove(&address) {
            Some(known) => known,
            None => self.look_up(address),
        };
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(address, found.clone());
        found
    }

    /// The threat list that has this name or a name above it.
    pub fn listed_name(&self, name: &str) -> Option<Arc<str>> {
        self.data.lists.name(name)
    }

    /// Lookups that met a damaged place in a database.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    fn look_up(&mut self, address: IpAddr) -> Option<Arc<Whereabouts>> {
        let mut all = Whereabouts::default();
        for database in &self.data.databases {
            match database.find(address) {
                Ok(Some(found)) => all.add(found),
                Ok(None) => {}
                Err(DatabaseError(_)) => self.unreadable += 1,
            }
        }
        let of = |asns: &[u32]| all.asn.is_some_and(|asn| asns.contains(&asn));
        all.kind = if self.internal.iter().any(|network| network.contains(&address)) {
            Some(NetworkKind::Internal)
        } else if of(&self.residential) {
            Some(NetworkKind::ResidentialProxy)
        } else if of(&self.hosting) {
            Some(NetworkKind::Hosting)
        } else {
            None
        };
        all.listed = self.data.lists.address(address);
        (all != Whereabouts::default()).then(|| Arc::new(all))
    }
}

impl Whereabouts {
    fn add(&mut self, found: Found<'_>) {
        let text =
            |text: Option<&str>| text.map(|text| Arc::from(crate::protocol::text::printable(text.as_bytes(), 128)));
        self.country = self.country.take().or_else(|| text(found.country));
        self.city = self.city.take().or_else(|| text(found.city));
        self.position = self.position.or(found.position);
        self.asn = self.asn.or(found.asn);
        self.org = self.org.take().or_else(|| text(found.org));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(databases: Vec<Database>, lists: ThreatLists) -> Networks {
        let mut networks = Networks::new(&Settings {
            hosting_asns: vec![64_501],
            residential_proxy_asns: vec![64_502],
            ..Settings::default()
        });
        networks.replace(Arc::new(NetworkData { databases, lists }));
        networks
    }

    fn database(bytes: Vec<u8>) -> Database {
        Database::read(bytes).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn private_ranges_are_internal_by_default() {
        let settings = Settings::default();
        for (address, internal) in [
            ("10.1.2.3", true),
            ("192.168.0.1", true),
            ("fd00::1", true),
            ("198.51.100.7", false),
            ("169.254.169.254", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(settings.is_internal(ip(address)), internal, "{address}");
        }
    }

    #[test]
    fn databases_and_lists_come_together() {
        let city = mmdb::Writer::new("Test-City")
            .add("198.51.100.0/24", &mmdb::city("NL", "Utrecht", (52.09, 5.12)))
            .add("2001:db8::/32", &mmdb::city("JP", "Kyoto", (35.0, 135.75)))
            .bytes();
        let asn = mmdb::Writer::new("Test-ASN")
            .add("198.51.100.0/25", &mmdb::asn(64_501, "Example Hosting"))
            .add("203.0.113.0/24", &mmdb::asn(64_502, "Example Lines"))
            .bytes();
        let mut lists = ThreatLists::default();
        lists.add("bad.txt", "198.51.100.7\n");
        let mut networks = networks(vec![database(city), database(asn)], lists);
        for _ in 0..2 {
            let found = networks.find(ip("198.51.100.7")).unwrap();
            assert_eq!(
                (found.country.as_deref(), found.city.as_deref()),
                (Some("NL"), Some("Utrecht"))
            );
            assert_eq!(
                (found.asn, found.org.as_deref()),
                (Some(64_501), Some("Example Hosting"))
            );
            assert_eq!(
                (found.kind, found.listed.as_deref()),
                (Some(NetworkKind::Hosting), Some("bad.txt"))
            );
            assert_eq!(found.position, Some((52.09, 5.12)));
        }
        let found = networks.find(ip("198.51.100.200")).unwrap();
        assert_eq!((found.asn, found.kind, found.listed.as_deref()), (None, None, None));
        assert_eq!(networks.find(ip("2001:db8::7")).unwrap().city.as_deref(), Some("Kyoto"));
        let lines = networks.find(ip("203.0.113.1")).unwrap();
        assert_eq!(lines.kind, Some(NetworkKind::ResidentialProxy));
        assert_eq!(networks.find(ip("10.0.0.1")).unwrap().kind, Some(NetworkKind::Internal));
        assert_eq!(networks.find(ip("192.0.2.1")), None);
    }

    #[test]
    fn what_is_replaced_holds_at_once() {
        let mut lists = ThreatLists::default();
        lists.add("a", "192.0.2.1");
        let mut networks = networks(Vec::new(), lists);
        assert!(networks.find(ip("192.0.2.1")).is_some());
        networks.replace(Arc::default());
        assert_eq!(networks.find(ip("192.0.2.1")), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut networks = networks(Vec::new(), ThreatLists::default());
        for n in 0..GENERATION as u32 * 3 {
            networks.find(IpAddr::from(n.to_be_bytes()));
        }
        assert!(networks.young.len() + networks.old.len() <= 2 * GENERATION);
    }
}
