//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Recipients that are remembered.
pub(super) const MOST_RECIPIENTS: usize = 4_096;
/// Endpoints that are.
pub(super) const MOST_ENDPOINTS: usize = 1_024;

/// What is tested: single responses, and what one recipient is sent in an hour, a day and a week.
pub(super) const TESTS: [Test; 4] = [
    Test {
        name: "size of a response of an endpoint",
        subjects: MOST_ENDPOINTS as u32,
        // A busy endpoint has more responses, and is known better.
        step: Duration::from_secs(10),
    },
    Test {
        name: "bytes sent to one recipient in an hour",
        subjects: MOST_RECIPIENTS as u32,
        step: Duration::from_hours(1),
    },
    Test {
        name: "bytes sent to one recipient in a day",
        subjects: MOST_RECIPIENTS as u32,
        step: Duration::from_hours(1),
    },
    Test {
        name: "bytes sent to one recipient in a week",
        subjects: MOST_RECIPIENTS as u32,
        step: Duration::from_hours(24),
    },
];

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "response_volume",
    ioc: Some(4),
    pillar: Pillar::Behavior,
    quiet: Duration::from_hours(2),
    owasp_api: &["API4:2023", "API6:2023", "API1:2023"],
    attack: &["T1567", "T1030", "T1048", "T1213"],
    tests: &TESTS,
    detects: "\
A response of this host far larger than its endpoint ever gives: at its header where it announces a gibibyte or more, so while \
it begins, else when it is over. And an identity, or a client without one, that is sent far more within an hour, a day or a week \
than it takes otherwise, or than others do.",
    why: "\
Data leaves through the API itself: an export that was never meant to be whole, an endpoint without a limit (OWASP \
API4:2023), a filter that was talked away, someone who fetches everything there is (ATT&CK T1213, T1567), in parts (T1030). A \
response of many gigabytes takes minutes: there is time to stop it, if it is told at its beginning.",
    how: "\
One response: of each endpoint the sizes of bodies that were not refused are kept in a quantile sketch (good to a sixteenth), of \
which after each week the past counts half. From 20 sizes on the line is the greatest of: `least_bytes` (5 MB); the point at \
which a Pareto tail through the 90th and the 99th percentile has fallen to the risk alpha, ten times the 99th percentile at \
least (sizes that hardly differ have a short tail, those that differ much a long one); and twice the greatest that was \
ordinary. An endpoint with fewer sizes has the line of all endpoints together, four times its own greatest, or twenty times \
`least_bytes` (100 MB), whichever is most.

What is beyond the line is not learned, unless 3 other recipients were given half as much or more there within a day: then that \
is what is to be had there (a release, a data set). A response that is over waits five minutes for that before it is told; one \
that is announced (`Content-Length`, HTTP/1 and HTTP/2) is told at once. While the host learns (`[learning] period`), sizes \
beyond the line of a well-known endpoint are learned only if they come again on another day or from others; nothing is told \
but what announces `announced_bytes` (1 TB: of all that an API answers nothing is near; at 10 Gbit/s it takes 13 minutes).

Sums: body bytes of responses of 8 KiB and more to one recipient (account, else key, token, session that this host accepted; \
else the client's address), in this hour of the clock, the latest 24 and seven days. A recipient with a history (known for the \
learning period, with a MiB or more in some hour) is judged by it: lines as those of `exfiltration`, by the hours alike, by \
days, and by one and a half times the greatest ever. All others are judged by what those without a history are sent in an hour \
and in a day: the same Pareto tail over all of them (one recipient is one value an hour), from ten to twenty times the 99th \
percentile. No line is below `least_bytes_a_day` (50 MB; \
a week's three times that); where fewer than 20 recipients' hours are known it is ten times that. Not told if 3 others were sent \
half as much or more in the same time. While the host learns the line is `bytes_a_day` (1 TB).

5 MB is 10,000 records of half a kilobyte, and more than a page of an API has; 50 MB in a day are 100,000.

Alpha is the test's part of the false-alarm budget: false_incidents_per_week / detectors that test / 4 tests / (1,024 endpoints \
x ten seconds, or 4,096 recipients x hours or days of a week).

What is told of is not learned. If nobody stopped or allowed it for `adopt_after` (1 day), as much counts as ordinary for this \
recipient.

Severity: high for what is announced, since it can still be stopped, for 100 MB and more in one response, and for sums ten \
times their line; else medium. Confidence: 0.8 and 0.7 for an endpoint that is known, 0.6 for a recipient that is, 0.5 and 0.6 \
for others; at most 0.5 while learning, 0.3 for sums.",
    limits: "\
Chunked responses and those of unknown length announce nothing and are told at their end. What stays below 5 MB a response and \
50 MB a day is told elsewhere (`scraping`, `enumeration`), if at all; likewise what many identities take together. An \
endpoint that gives anything from kilobytes to gigabytes has a line far out. 4,096 recipients and 1,024 endpoints are \
remembered, and histories of 512 recipients; more are given up (those with the least first) and counted.",
    false_positives: "\
The first download of something new and large, by fewer than four clients; a migration; a report that has grown tenfold; a \
server that announces a wrong length. Raise `least_bytes` or `least_bytes_a_day` where everything is large.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/",
        "https://attack.mitre.org/techniques/T1567/",
        "https://attack.mitre.org/techniques/T1213/",
        "https://www.rfc-editor.org/rfc/rfc9110#section-8.6",
        "C. Masson, J. Rim, H. Lee, DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees, PVLDB 12 (2019)",
        "M. Crovella, A. Bestavros, Self-similarity in World Wide Web traffic, IEEE/ACM Transactions on Networking 5 (1997): sizes of responses have Pareto tails",
        "https://docs.aws.amazon.com/general/latest/gr/s3.html (largest object)",
    ],
};
