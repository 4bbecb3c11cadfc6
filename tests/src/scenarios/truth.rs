//! What a scenario holds: attacks with who, what and when, and what only looks like one.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::wire::Counts;

/// Written beside a capture as `truth.json`. Times are nanoseconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Truth {
    /// Name of the scenario.
    pub scenario: String,
    /// Kind of its world.
    pub world: String,
    /// Seed it was made from.
    pub seed: u64,
    /// Its first midnight.
    pub start: u64,
    /// Its last.
    pub end: u64,
    /// From here on what the first days teach is known.
    pub learned: u64,
    /// What is on the wire.
    pub counts: Counts,
    /// Attacks. A benign world has none.
    pub attacks: Vec<Attack>,
    /// What looks like an attack and is none.
    pub look_alikes: Vec<LookAlike>,
}

/// An attack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attack {
    /// Name of the variant.
    pub name: String,
    /// Detectors that should speak: recall is counted for each.
    pub detectors: Vec<String>,
    /// Detectors that may speak of its targets without naming an actor.
    pub may: Vec<String>,
    /// Who does it, or with whose credentials.
    pub actors: Actors,
    /// Endpoints (`METHOD /path`) that it is done to.
    pub endpoints: Vec<String>,
    /// Names and addresses that the host is made to reach.
    pub destinations: Vec<String>,
    /// Its first packet.
    pub from: u64,
    /// Its last.
    pub until: u64,
}

/// By what somebody can be named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actors {
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Names of accounts.
    pub accounts: Vec<String>,
    /// Keys, tokens and sessions in clear; alerts show fingerprints of them.
    pub secrets: Vec<String>,
    /// User agents that nobody else has.
    pub agents: Vec<String>,
}

/// What looks like an attack and is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LookAlike {
    /// What it is.
    pub name: String,
    /// The detector that could be fooled by it.
    pub of: String,
    /// Who does it.
    pub actors: Actors,
    /// Its first packet.
    pub from: u64,
    /// Its last.
    pub until: u64,
}
