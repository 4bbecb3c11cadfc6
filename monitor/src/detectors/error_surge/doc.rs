//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::baseline::failing::LATEST_STEP;
use crate::detectors::DetectorDoc;

/// Endpoints that are remembered.
pub(super) const MOST_ENDPOINTS: usize = 1_024;

pub(super) const SERVER: Test = Test {
    name: "errors of the server at an endpoint in 15 minutes",
    subjects: MOST_ENDPOINTS as u32,
    step: Duration::from_mins(1),
};
pub(super) const SERVER_LONG: Test = Test {
    name: "errors of the server at an endpoint in 6 hours",
    subjects: MOST_ENDPOINTS as u32,
    step: Duration::from_mins(15),
};
pub(super) const SERVER_LATEST: Test = Test {
    name: "errors of the server among the latest requests of an endpoint",
    subjects: MOST_ENDPOINTS as u32,
    step: LATEST_STEP,
};
pub(super) const CLIENT: Test = Test {
    name: "errors of clients at an endpoint in 15 minutes",
    subjects: MOST_ENDPOINTS as u32,
    step: Duration::from_mins(1),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "error_surge",
    ioc: Some(7),
    pillar: Pillar::Behavior,
    quiet: Duration::from_mins(30),
    owasp_api: &["API4:2023", "API8:2023"],
    attack: &["T1499.003", "T1499.004", "T1595.002"],
    tests: &[SERVER, SERVER_LONG, SERVER_LATEST, CLIENT],
    detects: "\
A rise of errors: of the server (5xx) at an endpoint or everywhere, of clients (4xx) at an endpoint.",
    why: "\
Whoever looks for a weakness makes errors first: input that nobody thought of, or a flood that something behind cannot bear \
(ATT&CK T1499). And where nobody attacks, an outage is to be known.",
    how: "\
Errors of the server are 500 to 599; of clients 400 to 499 without 401, 403 and 407, which auth_failures looks at, and 429. \
Errors k among requests n are counted over 15 minutes by minutes, those of the server over 6 hours by quarters as well. The \
three minutes that follow each other and have most errors (of the long window its worst half hour) are left out, requests and \
errors: a deploy or a restart, and what clients repeat after it, is over within them. So nothing is told within the first \
three minutes. Where few ask, a quarter of an hour says little: then the latest 12, 24 and 48 requests of three hours are \
looked at as well, likewise without their worst three minutes, if three clients or more meet the errors and none of them half.

The share that is usual and its correlation within an hour are learned for each endpoint and for the host by moments, hour \
by hour; a day counts nine tenths of the next, and an hour up to three times what is usual; what comes during an expected event is not \
learned. At first 0.5 % are supposed for \
the server, 5 % for clients, as if learned of 200 and 100 requests; while learning four times what was learned. The line is \
the smallest k whose tail P(X >= k) in the beta-binomial distribution is at most alpha; and 5 errors of the server, 8 in \
the long window, 20 of clients.

Where one client makes two thirds of the errors, it is named, and told from 100 in the window on: a crawler finds a few pages \
gone, a program tries again what cannot be done. The same holds for errors of fewer than three clients (4xx).

Where the host is beyond its line and no endpoint has two thirds of its errors, the host is told of and no endpoint. Alpha is \
its part of the false-alarm budget, as `monitor status` shows.

Severity: high where half of all requests fail by the server and no client is behind it, else medium; low for errors of \
clients. Confidence: 0.8 for the server, 0.6 for clients, 0.5 while learning.",
    limits: "\
An outage of less than four minutes is not told, whatever its cause, nor one that comes for two minutes every quarter of an \
hour until six hours show it. Requests without an answer are no errors here, see timeouts. Errors that are answered with 200 \
are not seen; of gRPC its own status is not looked at. 1,024 endpoints are remembered; those with the fewest requests are \
given up, and counted.",
    false_positives: "\
A deploy that takes longer, a release with a broken endpoint, a partner with a broken program; a scan that was ordered.",
    references: &[
        "J. C. Kleinman, Proportions with extraneous variance: single and independent samples, JASA 68 (1973)",
        "https://www.rfc-editor.org/rfc/rfc9110#section-15.6",
        "https://attack.mitre.org/techniques/T1499/",
        "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",
    ],
};
