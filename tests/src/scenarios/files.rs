//! What the user of a world's host has beside the monitor: a configuration, databases, a threat list, a document.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::calendar::{HOUR, SECOND};
use super::chance::Chance;
use super::places::{self, Use};
use super::service;
use super::world::World;

/// An address on the threat list.
pub const LISTED: &str = "89.33.66.6";
/// A network on it, and one of IPv6.
pub const LISTED_NETWORKS: [&str; 2] = ["23.95.200.16/28", "3fff:14:bad::/48"];
/// A domain on it.
pub const LISTED_DOMAIN: &str = "cdn-telemetry-update.example";
/// Entries that nobody in any world has.
const OTHERS: u64 = 2_000;

/// Writes them into a folder; gives the path of the configuration, with these detectors turned on.
pub fn write(world: &World, detectors: &[String], folder: &Path) -> Result<PathBuf> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    let [city, country, asn] = places::databases();
    put("city.mmdb", &city)?;
    put("country.mmdb", &country)?;
    put("asn.mmdb", &asn)?;
    put("bad.txt", list().as_bytes())?;
    put("openapi.json", service::document().to_string().as_bytes())?;
    put("monitor.toml", configuration(world, detectors).as_bytes())?;
    Ok(folder.join("monitor.toml"))
}

fn list() -> String {
    let mut chance = Chance::new(5);
    let mut text = String::from("# Addresses, networks and domains that others saw doing harm.\n");
    for entry in [LISTED, LISTED_NETWORKS[0], LISTED_NETWORKS[1], LISTED_DOMAIN] {
        let _ = writeln!(text, "{entry}");
    }
    for _ in 0..OTHERS {
        let [b, c, d] = [(); 3].map(|()| chance.below(256));
        // None of the networks of this model begins with 1 to 9.
        let _ = writeln!(text, "{}.{b}.{c}.{d}", chance.between(1, 9));
    }
    text
}

fn configuration(world: &World, detectors: &[String]) -> String {
    let host = World::host();
    let mut text = format!(
        "[host]\nname = \"shop-1\"\naddresses = [\"{}\", \"{}\", \"{}\"]\n\n",
        host.v4, host.v6, host.inside
    );
    let front = world.front();
    if !front.balancers.is_empty() {
        let proxies: Vec<String> = front.balancers.iter().map(|address| format!("\"{address}\"")).collect();
        let _ = writeln!(text, "[clients]\ntrusted_proxies = [{}]\n", proxies.join(", "));
    }
    let _ = writeln!(
        text,
        "[[login]]\nendpoint = \"{}\"\nuser_field = \"username\"\nfailure_status = [401, 403]\n",
        service::LOGIN.endpoint()
    );
    let hosting = places::used_for(Use::Hosting);
    let hosting: Vec<String> = hosting.iter().map(|network| network.asn.to_string()).collect();
    let place = if world.kind.cities {
        "city = \"city.mmdb\""
    } else {
        "country = \"country.mmdb\""
    };
    let _ = writeln!(
        text,
        "[networks]\n{place}\nasn = \"asn.mmdb\"\nthreat_lists = [\"bad.txt\"]\nhosting_asns = [{}]\n",
        hosting.join(", ")
    );
    if world.kind.documented {
        let _ = writeln!(text, "[openapi]\ndocuments = [\"openapi.json\"]\n");
    }
    for (from, until) in &world.expected {
        let [from, until] = [from, until].map(|at| moment(*at));
        let _ = writeln!(
            text,
            "[[expected]]\nfrom = \"{from}\"\nuntil = \"{until}\"\ncomment = \"promotion\"\n"
        );
    }
    let _ = writeln!(text, "[learning]\nperiod = \"{}h\"\n", world.learning() / HOUR);
    for detector in detectors {
        let _ = writeln!(text, "[detectors.{detector}]\nenabled = true\n");
    }
    text
}

/// As the configuration writes a time.
fn moment(at: u64) -> jiff::Timestamp {
    jiff::Timestamp::from_second((at / SECOND).cast_signed()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
