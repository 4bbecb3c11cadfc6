//! What the detector says of itself, and what it tests.

use std::time::Duration;

use super::{LONG, MOST_OWN, SHORT};
use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Endpoints and askers that are remembered.
pub(super) const MOST_ENDPOINTS: usize = 1_024;
pub(super) const MOST_ASKERS: usize = 8_192;

const fn test(name: &'static str, subjects: usize, step: Duration) -> Test {
    Test {
        name,
        subjects: subjects as u32,
        step,
    }
}

pub(super) const HOST: Test = test("requests to the host in 5 minutes", 1, SHORT);
pub(super) const HOST_LONG: Test = test("requests to the host in an hour", 1, LONG);
pub(super) const ENDPOINT: Test = test("requests to an endpoint in 5 minutes", MOST_ENDPOINTS, SHORT);
pub(super) const ENDPOINT_LONG: Test = test("requests to an endpoint in an hour", MOST_ENDPOINTS, LONG);
/// The greatest of all is one number a window.
pub(super) const ASKER: Test = test("requests of the busiest client in 5 minutes", 1, SHORT);
pub(super) const ASKER_LONG: Test = test("requests of the busiest client in an hour", 1, LONG);
pub(super) const OWN: Test = test("requests of a client in an hour against its own", MOST_OWN, LONG);
pub(super) const DRIFT: Test = test("more requests than usual for hours", MOST_ENDPOINTS + 1, LONG);

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "request_rate",
    ioc: Some(1),
    pillar: Pillar::Behavior,
    quiet: Duration::from_mins(90),
    owasp_api: &["API4:2023", "API6:2023"],
    attack: &["T1499.002", "T1499.003"],
    tests: &[HOST, HOST_LONG, ENDPOINT, ENDPOINT_LONG, ASKER, ASKER_LONG, OWN, DRIFT],
    detects: "\
Far more requests than there usually are at this hour: to the host, to an endpoint, of a client (an identity, or an address \
without one); and somewhat more of them for hours.",
    why: "\
A thousand requests an hour that become ten thousand, with no event expected, are a flood (ATT&CK T1499), a run over \
accounts or objects, a scraper, or a client that has gone mad; all of them cost (OWASP API4:2023).",
    how: "\
Requests are counted in windows of 5 minutes and of an hour, by the clock (UTC). What is usual is learned for each endpoint, for \
the host, and for the busiest client of each window: by the hour of the week where it was seen twice, else by the hour of \
the last ten days (of Saturdays and Sundays, or of the others, once one of those was seen), else of all hours. The scatter (variance by mean) is measured by how far windows were off from what was \
expected of them. A window is told as soon as its count passes the smallest number whose tail P(X >= k) in a negative \
binomial distribution of that mean and scatter is at most alpha; and three times the mean and the most that is usual (ten \
times while learning, or where no day of the kind, or only all hours together, are known). Fewer than 60 requests in 5 minutes, or 200 in an hour, \
are never told of an endpoint or the host; of a client not fewer than a probe a second in 5 minutes, and one every ten \
seconds in an hour, allow by chance (Poisson).

A client that has sent 200 requests has a baseline of its own by hours (512 of them), and is told at its own line, from 200 \
requests an hour and three times its busiest hour of the latest days on, once that knows the hour. A client is not told below three times what it sent within the latest days. \
Without any baseline a client is told at 20 requests a second in 5 minutes, or 8 a second in an hour; endpoints and the host \
are not.

Requests beyond a client's line count to that client alone, those beyond an endpoint's to that endpoint: what is told of one \
is not told again of the host. An alert about the host names the endpoint behind half of what is beyond the usual, if there is one. Up to four clients that ask for one thing at an even pace (no pause twice another) count as \
probes, and from their tenth request in a window on to nobody but themselves. Where two thirds of a window are of one client, \
that one's line decides alone. Where most of a window's requests were asked for credentials or refused (401, 403), that is \
left to auth_failures, credential_stuffing and unknown_credential, up to 20 requests a second in 5 minutes or 8 in an hour.

For rises that no window shows, the deviations of hours are summed (Page's cumulative sum): what is beyond 1.5 standard \
deviations and half as much again as usual, 3 an hour at most. The line is that of Siegmund's approximation for alpha.

Refused requests (401, 403, 429) and those without an answer are counted and not learned; nor is what is beyond a client's \
line, nor a window in which an expected event was. A window is learned up to three times the most that is usual. Alpha is its part of the false-alarm budget, as \
`monitor status` shows.

Severity: medium; high at ten times what is usual. Confidence: 0.8 at ten times, 0.6 below; 0.5 while learning, and where the \
hour is not known.",
    limits: "\
What rises slowly over weeks becomes normal. Less than three times what is usual is told only if it lasts for hours. Many \
clients that each send little are told of the endpoint or the host, by no name. An endpoint is not judged before a day of it \
is known. 1,024 endpoints and 8,192 clients are remembered; beyond that those with the least history go, and are counted.",
    false_positives: "\
A promotion that nobody announced, a release that makes clients ask more often, a new partner, load tests.",
    references: &[
        "E. S. Page, Continuous inspection schemes, Biometrika 41 (1954)",
        "D. Siegmund, Sequential analysis: tests and confidence intervals, Springer (1985)",
        "https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/",
        "https://attack.mitre.org/techniques/T1499/",
        "https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/",
    ],
};
