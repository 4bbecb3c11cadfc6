//! What the detector says of itself, and what it tests.

use std::time::Duration;

use super::STEP;
use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::baseline::failing::{LATEST_STEP, STEPS};
use crate::detectors::DetectorDoc;

/// Endpoints that are remembered, and held connections.
pub(super) const MOST_ENDPOINTS: usize = 1_024;
pub(super) const MOST_HELD: usize = 16_384;

pub(super) const SILENT: Test = Test {
    name: "requests of an endpoint without an answer in 15 minutes",
    subjects: MOST_ENDPOINTS as u32,
    step: STEPS[0],
};
pub(super) const SILENT_LONG: Test = Test {
    name: "requests of an endpoint without an answer in 6 hours",
    subjects: MOST_ENDPOINTS as u32,
    step: STEPS[1],
};
pub(super) const SILENT_LATEST: Test = Test {
    name: "no answer to the latest requests of an endpoint",
    subjects: MOST_ENDPOINTS as u32,
    step: LATEST_STEP,
};
/// The greatest of a window is one number.
pub(super) const HELD: Test = Test {
    name: "connections held with half a request",
    subjects: 1,
    step: STEP,
};
pub(super) const HELD_BY_ONE: Test = Test {
    name: "connections held with half a request by the busiest client",
    subjects: 1,
    step: STEP,
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "timeouts",
    ioc: Some(6),
    pillar: Pillar::Behavior,
    quiet: Duration::from_mins(30),
    owasp_api: &["API4:2023"],
    attack: &["T1499.001", "T1499.002", "T1499.003"],
    tests: &[SILENT, SILENT_LONG, SILENT_LATEST, HELD, HELD_BY_ONE],
    detects: "\
Requests of an endpoint that get no answer, because the server or the client gave up; and connections that are held open, many \
at a time, with requests that come byte by byte and do not end (slow loris).",
    why: "\
A server has a number of connections or workers. Who holds them all with half a request each takes it away from everybody, with \
hardly any traffic (ATT&CK T1499). And requests without answers are how it looks when something behind the API no longer works.",
    how: "\
Without an answer is a request whose connection ended, or whose stream was reset, before its response began. Their share of \
an endpoint's requests is counted over 15 minutes and 6 hours, without the three minutes (the half hour) that have most: a \
restart. The line is the smallest number whose tail in a beta-binomial distribution, of the share and correlation learned \
hour by hour, is at most alpha; and 6 in 15 minutes, 12 in 6 hours, and a tenth of all \
requests, or three of a hundred in 6 hours. The worst three minutes of an \
hour are not learned either. Where few ask, the latest 12, 24 and 48 requests of three hours are looked at as well, from 5 \
without an answer on and a quarter of all, if three clients or more wait and none of them half. At first 0.5 % are supposed, \
while learning four times what was learned. Where two thirds are of one client, that is named, and told from 50 on.

A connection counts as held if it was made from outside, nothing was sent back on it, up to 64 KiB came, and the latest of \
them came more than 20 seconds after it was opened; until it ends, something is answered, or nothing is heard of it for 10 \
minutes. How many are held at a time, in all and by the busiest client, is learned for windows of 5 minutes by the hour of \
week or day. The line is the tail of a negative binomial distribution at alpha, and three times what is usual (ten times \
while learning); and 100 in all, 20 of a client. It is told while they are held.

Severity: medium for requests without an answer, high for held connections. Confidence: 0.7 and 0.8; 0.5 while learning.",
    limits: "\
Within TLS the server has answered the handshake: what is held there does not show. Connections on which nothing at all comes, \
and those that were answered once and then held, are not counted. Bytes on a connection show when its counters move, up to \
a minute late. 16,384 held connections and 1,024 endpoints are remembered, more are counted.",
    false_positives: "\
A proxy with many slow uploads behind one address; a bad mobile network behind one gateway; clients that give up on a slow \
endpoint all day (which is learned).",
    references: &[
        "https://www.cloudflare.com/learning/ddos/ddos-attack-tools/slowloris/",
        "https://nginx.org/en/docs/http/ngx_http_core_module.html#client_header_timeout",
        "https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html",
        "https://attack.mitre.org/techniques/T1499/",
    ],
};
