//! Databases of addresses in `MaxMind`'s format, held in memory.

use std::net::IpAddr;

use maxminddb::Reader;
use serde::Deserialize;
use thiserror::Error;

/// A database.
#[derive(Debug)]
pub struct Database {
    reader: Reader<Vec<u8>>,
    kind: DatabaseKind,
}

/// What a database is of, by its own name for it: `GeoLite2-City`, `DBIP-ASN-Lite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// Countries, and perhaps cities.
    Place,
    /// Autonomous systems.
    System,
    /// Both in one.
    Both,
}

/// A database that is damaged, or none.
#[derive(Debug, Error)]
#[error("it is no database of addresses in MaxMind's format: {0}")]
pub struct DatabaseError(#[from] pub maxminddb::MaxMindDbError);

/// What a database says of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Found<'a> {
    pub country: Option<&'a str>,
    pub city: Option<&'a str>,
    pub position: Option<(f64, f64)>,
    pub asn: Option<u32>,
    pub org: Option<&'a str>,
}

/// The fields that are read; all others are passed over.
#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    #[serde(borrow)]
    registered_country: Option<Country<'a>>,
    #[serde(borrow)]
    city: Option<City<'a>>,
    location: Option<Location>,
}

#[derive(Deserialize)]
struct Country<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct City<'a> {
    #[serde(borrow)]
    names: Option<Names<'a>>,
}

#[derive(Deserialize)]
struct Names<'a> {
    en: Option<&'a str>,
}

#[derive(Deserialize)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(Deserialize)]
struct System<'a> {
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<&'a str>,
}

impl Database {
    /// Takes the bytes of a file.
    pub fn read(bytes: Vec<u8>) -> Result<Self, DatabaseError> {
        let reader = Reader::from_source(bytes)?;
        let name = reader.metadata().database_type.to_ascii_lowercase();
        let kind = if name.contains("enterprise") || name.contains("precision") {
            DatabaseKind::Both
        } else if name.contains("asn") || name.contains("isp") {
            DatabaseKind::System
        } else {
            DatabaseKind::Place
        };
        Ok(Self { reader, kind })
    }

    /// What it is of.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    pub(super) fn find(&self, address: IpAddr) -> Result<Option<Found<'_>>, DatabaseError> {
        // A database of IPv4 alone has nothing on IPv6.
        if address.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return Ok(None);
        }
        let entry = self.reader.lookup(address)?;
        if !entry.has_data() {
            return Ok(None);
        }
        let mut found = Found::default();
        if self.kind != DatabaseKind::System
            && let Some(place) = entry.decode::<Place<'_>>()?
        {
            // Where it is, else where it is registered.
            let countries = [place.country, place.registered_country];
            found.country = countries.into_iter().flatten().find_map(|country| country.iso_code);
            found.city = place.city.and_then(|city| city.names?.en);
            found.position = place.location.and_then(|at| Some((at.latitude?, at.longitude?)));
        }
        if self.kind != DatabaseKind::Place
            && let Some(system) = entry.decode::<System<'_>>()?
        {
            found.asn = system.autonomous_system_number;
            found.org = system.autonomous_system_organization;
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::mmdb;
    use super::*;

    #[test]
    fn what_is_no_database_is_refused() {
        let error = Database::read(b"no database".to_vec()).unwrap_err().to_string();
        assert!(
            error.starts_with("it is no database of addresses in MaxMind's format: "),
            "{error}"
        );
        assert!(Database::read(Vec::new()).is_err());
    }

    #[test]
    fn the_kind_is_by_the_name() {
        for (name, kind) in [
            ("GeoLite2-ASN", DatabaseKind::System),
            ("DBIP-ASN-Lite (compat=GeoLite2-ASN)", DatabaseKind::System),
            ("GeoLite2-City", DatabaseKind::Place),
            ("GeoIP2-Enterprise", DatabaseKind::Both),
        ] {
            assert_eq!(
                Database::read(mmdb::Writer::new(name).bytes()).unwrap().kind(),
                kind,
                "{name}"
            );
        }
    }

    // Where the folder of a user's choice has MaxMind's own test databases.
    #[test]
    fn reads_the_publishers_test_databases() {
        let Some(folder) = std::env::var_os("MONITOR_TEST_CORPORA") else {
            return;
        };
        let folder = Path::new(&folder).join("geo/maxmind-test-data");
        let open = |name: &str| Database::read(std::fs::read(folder.join(name)).unwrap()).unwrap();
        let city = open("GeoLite2-City-Test.mmdb");
        let found = city.find("89.160.20.128".parse().unwrap()).unwrap().unwrap();
        assert_eq!((found.country, found.city), (Some("SE"), Some("Linköping")));
        let asn = open("GeoLite2-ASN-Test.mmdb");
        let found = asn.find("1.128.0.0".parse().unwrap()).unwrap().unwrap();
        assert_eq!((found.asn, found.org), (Some(1221), Some("Telstra Pty Ltd")));
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let Ok(database) = Database::read(std::fs::read(&path).unwrap()) else {
                continue;
            };
            for address in ["1.2.3.4", "89.160.20.128", "2001:218::1", "::1.1.1.1"] {
                let _ = database.find(address.parse().unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn damage_is_survived(at in 0usize..2_000, value: u8, address: [u8; 4]) {
            let mut bytes = mmdb::Writer::new("Test-City")
                .add("198.51.100.0/24", &mmdb::city("NL", "Utrecht", (52.09, 5.12)))
                .bytes();
            let at = at % bytes.len();
            bytes[at] = value;
            if let Ok(database) = Database::read(bytes) {
                let _ = database.find(IpAddr::from(address));
                let _ = database.find("198.51.100.7".parse().unwrap());
            }
        }
    }
}
