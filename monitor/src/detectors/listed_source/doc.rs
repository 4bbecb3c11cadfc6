//! What the detector says of itself.

use std::time::Duration;

use crate::alert::Pillar;
use crate::detectors::DetectorDoc;

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "listed_source",
    ioc: Some(3),
    pillar: Pillar::Infrastructure,
    // Who comes by daily stays one occurrence.
    quiet: Duration::from_hours(26),
    owasp_api: &["API2:2023", "API10:2023"],
    attack: &["T1595", "T1071", "T1090"],
    // A list has an address or has it not.
    tests: &[],
    detects: "\
A client whose address is on a threat list, behind trusted proxies too; and a connection from this host to an address or \
name on one.",
    why: "\
Lists name addresses that others saw scanning, guessing passwords or directing infected machines. One that comes here may do \
the same (ATT&CK T1595); a program of this host that calls one may be under its command (T1071).",
    how: "\
An address is listed if a network or address of one of the files in `[networks] threat_lists` holds it, a name if it or a \
name above it is there; files that are replaced hold at once. Networks in `[networks] internal` never count, nor do \
connections within this host.

One alert for each client address, and one for each program of this host with the destination that it called. There is no \
window and no threshold: the first connection or request is told, what follows within 26 hours counts in the same alert.

Severity, inbound: low while everything is refused (4xx) or nothing is asked; medium where something was answered; high \
where a login succeeded or a credential was accepted. Outbound: medium where the connection failed, else high. \
Confidence: 0.5: addresses change hands and are shared by many, and lists are as old as their files.",
    limits: "\
What is on no list is not told. Without `[clients] trusted_proxies` the address of a proxy in front of this host hides those \
of its clients. Lists are never fetched or looked up by the monitor. 16,384 actors are remembered; more are given up (those \
with the fewest observations first), counted, and told anew when they come back.",
    false_positives: "\
An address that was given to someone else since; an exit of an anonymizer or a carrier's gateway that good users share; a \
search engine or a scanner that is welcome. `monitor allow listed_source --actor ADDRESS` says so.",
    references: &[
        "https://attack.mitre.org/techniques/T1595/",
        "https://attack.mitre.org/techniques/T1071/",
        "https://iplists.firehol.org/",
    ],
};
