//! Where clients and destinations are: networks, their organizations, and cities that exist.
//!
//! The networks are made up. Their IPv4 blocks are far apart, as those of real providers are, and their IPv6 blocks are
//! from the documentation prefix `3fff::/20` (RFC 9637).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::mmdb::{Database, Value};

/// What a network is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Lines of homes.
    Home,
    /// Phones, many behind one address.
    Mobile,
    /// The office of a company.
    Office,
    /// Rented machines.
    Hosting,
    /// Where our destinations are.
    Cloud,
}

/// A city: name, country, latitude, longitude.
type City = (&'static str, &'static str, f64, f64);

const BERLIN: City = ("Berlin", "DE", 52.52, 13.41);
const MUNICH: City = ("Munich", "DE", 48.14, 11.58);
const PARIS: City = ("Paris", "FR", 48.86, 2.35);
const LONDON: City = ("London", "GB", 51.51, -0.13);
const AMSTERDAM: City = ("Amsterdam", "NL", 52.37, 4.90);
const WARSAW: City = ("Warsaw", "PL", 52.23, 21.01);
const NEW_YORK: City = ("New York", "US", 40.71, -74.01);
const ASHBURN: City = ("Ashburn", "US", 39.04, -77.49);
const SEATTLE: City = ("Seattle", "US", 47.61, -122.33);
const SAO_PAULO: City = ("São Paulo", "BR", -23.55, -46.63);
const TOKYO: City = ("Tokyo", "JP", 35.68, 139.69);
const SINGAPORE: City = ("Singapore", "SG", 1.35, 103.82);
const MUMBAI: City = ("Mumbai", "IN", 19.08, 72.88);
const SYDNEY: City = ("Sydney", "AU", -33.87, 151.21);
const BUCHAREST: City = ("Bucharest", "RO", 44.43, 26.10);
const JOHANNESBURG: City = ("Johannesburg", "ZA", -26.20, 28.05);
const HANOI: City = ("Hanoi", "VN", 21.03, 105.85);
const ISTANBUL: City = ("Istanbul", "TR", 41.01, 28.98);

/// A network of one organization in one city: an IPv4 block of 2^16 addresses and an IPv6 block of 2^96.
#[derive(Debug, PartialEq)]
pub struct Network {
    /// Short name in this model.
    pub name: &'static str,
    /// Number of its autonomous system, of those for documentation (RFC 5398) or private use (RFC 6996).
    pub asn: u32,
    /// Who runs it.
    pub org: &'static str,
    /// What for.
    pub usage: Use,
    /// First two bytes of its IPv4 addresses.
    v4: [u8; 2],
    city: City,
}

const fn network(name: &'static str, asn: u32, org: &'static str, usage: Use, v4: [u8; 2], city: City) -> Network {
    Network {
        name,
        asn,
        org,
        usage,
        v4,
        city,
    }
}

/// All networks.
pub const NETWORKS: [Network; 30] = [
    network("home-berlin", 64_496, "Spree Kabel GmbH", Use::Home, [91, 40], BERLIN),
    network("home-munich", 64_496, "Spree Kabel GmbH", Use::Home, [91, 41], MUNICH),
    network("home-munich-2", 64_497, "Isar DSL AG", Use::Home, [84, 112], MUNICH),
    network("mobile-de", 64_498, "Funknetz Mobil", Use::Mobile, [109, 33], BERLIN),
    network("mobile-de-2", 64_499, "Zweite Mobilfunk", Use::Mobile, [46, 99], BERLIN),
    network("home-paris", 64_500, "Seine Telecom", Use::Home, [82, 64], PARIS),
    network("mobile-fr", 64_500, "Seine Telecom", Use::Mobile, [82, 65], PARIS),
    network(
        "home-london",
        64_501,
        "Thames Broadband Ltd",
        Use::Home,
        [81, 97],
        LONDON,
    ),
    network("home-warsaw", 64_502, "Wisla Net", Use::Home, [83, 21], WARSAW),
    network("home-new-york", 64_503, "Hudson Cable", Use::Home, [73, 150], NEW_YORK),
    network(
        "mobile-us",
        64_504,
        "Prairie Wireless",
        Use::Mobile,
        [172, 56],
        NEW_YORK,
    ),
    network(
        "office-acme",
        64_505,
        "Acme Industrie AG",
        Use::Office,
        [193, 22],
        BERLIN,
    ),
    network(
        "office-borealis",
        64_506,
        "Borealis Trading BV",
        Use::Office,
        [194, 88],
        AMSTERDAM,
    ),
    network("office-ours", 64_507, "Example Shop SE", Use::Office, [195, 12], MUNICH),
    network(
        "cloud-west",
        64_508,
        "Cumulus Web Services",
        Use::Cloud,
        [52, 94],
        ASHBURN,
    ),
    network(
        "cloud-eu",
        64_508,
        "Cumulus Web Services",
        Use::Cloud,
        [52, 95],
        AMSTERDAM,
    ),
    network("cdn", 64_509, "Edgeline CDN Inc", Use::Cloud, [151, 101], AMSTERDAM),
    network("saas", 64_510, "Ledger Payments plc", Use::Cloud, [185, 60], LONDON),
    network("mirror", 64_511, "University Mirror", Use::Cloud, [141, 76], BERLIN),
    network(
        "hosting-nl",
        65_536,
        "Polder Hosting BV",
        Use::Hosting,
        [45, 83],
        AMSTERDAM,
    ),
    network(
        "hosting-ro",
        65_537,
        "Carpat Servers SRL",
        Use::Hosting,
        [89, 33],
        BUCHAREST,
    ),
    network("hosting-us", 65_538, "Cascade VPS LLC", Use::Hosting, [23, 95], SEATTLE),
    network(
        "hosting-sg",
        65_539,
        "Straits Compute Pte",
        Use::Hosting,
        [128, 199],
        SINGAPORE,
    ),
    network("home-br", 65_540, "Paulista Fibra", Use::Home, [177, 32], SAO_PAULO),
    network("home-in", 65_541, "Konkan Broadband", Use::Home, [103, 42], MUMBAI),
    network("home-vn", 65_542, "Song Hong Telecom", Use::Home, [113, 160], HANOI),
    network(
        "home-za",
        65_543,
        "Highveld Online",
        Use::Home,
        [105, 184],
        JOHANNESBURG,
    ),
    network("home-tr", 65_544, "Bogazici Net", Use::Home, [78, 160], ISTANBUL),
    network("home-jp", 65_545, "Musashi Hikari", Use::Home, [126, 15], TOKYO),
    network("home-au", 65_546, "Harbour NBN", Use::Home, [120, 17], SYDNEY),
];

/// Where everybody's crawler comes from.
pub const CRAWLER: &str = "cloud-west";

/// The network of this name; there is one.
pub fn named(name: &str) -> &'static Network {
    NETWORKS
        .iter()
        .find(|network| network.name == name)
        .expect("a network of this name")
}

/// Those that are used so.
pub fn used_for(usage: Use) -> Vec<&'static Network> {
    NETWORKS.iter().filter(|network| network.usage == usage).collect()
}

/// The network that an address is in.
pub fn of(address: IpAddr) -> Option<&'static Network> {
    NETWORKS.iter().enumerate().find_map(|(number, network)| {
        let inside = match address {
            IpAddr::V4(address) => address.octets()[..2] == network.v4,
            IpAddr::V6(address) => address.segments()[..2] == [0x3fff, number as u16],
        };
        inside.then_some(network)
    })
}

impl Network {
    /// An IPv4 address: no two numbers below 60,000 have the same, and neighbours are spread over the block.
    pub fn v4(&self, number: u64) -> IpAddr {
        let [a, b] = self.v4;
        // Odd, so that it is a permutation of 2^16; .0 and .255 are avoided.
        let spread = (number.wrapping_mul(40_503) & 0xffff) as u16;
        let [c, d] = spread.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d.clamp(1, 254)))
    }

    /// An address of a host in the customer's IPv6 network of this number (a /56).
    pub fn v6(&self, number: u64, host: u64) -> IpAddr {
        let index = NETWORKS.iter().position(|network| network == self).unwrap_or(0) as u16;
        let customer = u128::from(number & 0xff_ffff) << 72;
        let network = u128::from(0x3fff_u16) << 112 | u128::from(index) << 96;
        IpAddr::V6(Ipv6Addr::from(network | customer | u128::from(host)))
    }

    /// ISO code of its country.
    pub fn country(&self) -> &'static str {
        self.city.1
    }

    fn blocks(&self) -> [(IpAddr, u8); 2] {
        let [a, b] = self.v4;
        let index = NETWORKS.iter().position(|network| network == self).unwrap_or(0) as u16;
        [
            (Ipv4Addr::new(a, b, 0, 0).into(), 16),
            (Ipv6Addr::new(0x3fff, index, 0, 0, 0, 0, 0, 0).into(), 32),
        ]
    }
}

/// Databases of all networks: cities, countries, autonomous systems.
pub fn databases() -> [Vec<u8>; 3] {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut city = Database::new("GeoLite2-City");
    let mut country = Database::new("GeoLite2-Country");
    let mut asn = Database::new("GeoLite2-ASN");
    for network in &NETWORKS {
        let (name, code, latitude, longitude) = network.city;
        let of_country = ("country", Value::Map(vec![("iso_code", text(code))]));
        let names = Value::Map(vec![("en", text(name))]);
        let location = vec![
            ("latitude", Value::Fraction(latitude)),
            ("longitude", Value::Fraction(longitude)),
        ];
        let of_city = Value::Map(vec![
            of_country.clone(),
            ("city", Value::Map(vec![("names", names)])),
            ("location", Value::Map(location)),
        ]);
        let system = Value::Map(vec![
            ("autonomous_system_number", Value::Number(network.asn)),
            ("autonomous_system_organization", text(network.org)),
        ]);
        for (address, prefix) in network.blocks() {
            city.add(address, prefix, &of_city);
            country.add(address, prefix, &Value::Map(vec![of_country.clone()]));
            asn.add(address, prefix, &system);
        }
    }
    [city.bytes(), country.bytes(), asn.bytes()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn addresses_are_in_their_networks() {
        for network in &NETWORKS {
            for address in [network.v4(77), network.v6(77, 5)] {
                assert_eq!(of(address), Some(network), "{address}");
            }
        }
        let addresses: HashSet<_> = (0..10_000).map(|number| NETWORKS[0].v4(number)).collect();
        assert!(addresses.len() > 9_800);
        assert_eq!(of("203.0.113.10".parse().expect("an address")), None);
    }
}
