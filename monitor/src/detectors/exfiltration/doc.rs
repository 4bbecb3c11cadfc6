//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Pairs of program and destination that are remembered.
pub(super) const MOST_PAIRS: usize = 1_024;

/// What is tested: by hour, day and week, and all new destinations of a program.
pub(super) const TESTS: [Test; 4] = [
    Test {
        name: "bytes sent by program and destination in an hour",
        subjects: MOST_PAIRS as u32,
        step: Duration::from_hours(1),
    },
    Test {
        name: "bytes sent by program and destination in a day",
        subjects: MOST_PAIRS as u32,
        step: Duration::from_hours(1),
    },
    Test {
        name: "bytes sent by program and destination in a week",
        subjects: MOST_PAIRS as u32,
        step: Duration::from_hours(24),
    },
    Test {
        name: "bytes sent by a program to its new destinations in a day",
        subjects: 128,
        step: Duration::from_hours(1),
    },
];

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "exfiltration",
    ioc: Some(4),
    pillar: Pillar::Behavior,
    // An hourly part stays one occurrence.
    quiet: Duration::from_hours(2),
    owasp_api: &["API10:2023"],
    attack: &["T1041", "T1048", "T1567", "T1030", "T1029"],
    tests: &TESTS,
    detects: "\
Much more sent by a program of this host to a destination outside than it ever sends there: while it is being sent, in one \
connection or in many, in an hour, over days, to one destination or in parts to several new ones. What this host answers to \
those who ask it is not meant; see `response_volume`.",
    why: "\
What was stolen has to leave: over the channel that an intruder has anyway (ATT&CK T1041), over another protocol (T1048), to \
a web service (T1567); in parts below what somebody might notice (T1030) and at hours of his choice (T1029). An import or a \
webhook that is talked into sending elsewhere shows the same way (OWASP API10:2023). A database is gone within minutes, or \
within weeks.",
    how: "\
Counted are the bytes that programs hand to the kernel on flows opened here, TCP and UDP, by the flow's cumulative counter: \
with each update of a flow, so at most about a second late. Destinations in `[networks] internal`, link-local addresses and \
this host itself are not outside.

Subject: the program (executable's path with versions folded; in any container the same) and the destination: the domain \
that somebody registered or rented (`cumulus.example`, `bucket.s3.amazonaws.com`), at whatever address; without a name the \
network, /24 of IPv4 or /48 of IPv6. Captures know no programs: there it is the host.

Sums of this hour of the clock, of the latest 24 and of seven days are compared with their lines, as soon as one is reached. \
A line is the greatest of: `new_bytes` (20 MB; a week's line three times that); what chance does not exceed at the risk alpha, \
by a negative binomial distribution with mean and scatter of the hours alike (same hour of the week, else of the day, an hour \
earlier or later included) or of days, a week's days being taken as thrice as scattered; three times the greatest of those, \
these two up to ten times the greatest ever; and one and a half times the greatest ever learned, which fades by a quarter in \
four weeks: of an hour once weeks are known, of the same hour of the day and those beside it alone. So a backup may come an \
hour later, grow, fail and be repeated, or be made once a month.

A destination first seen when the host was known (`[learning] period`) is new for as long, and for a day at least: its lines \
are `new_bytes` a day and thrice that a week. What a program sends to all destinations that it first saw within 24 hours is \
summed, too, as its new destinations: from two on, with lines of twice `new_bytes` a day and six times a week, or what \
its own history says (a crawler's, a mail relay's), those left out that have an alert of their own.

While the host learns nothing is known, and the only line is `unlearned_bytes` (10 GB) a day to one destination: more than \
hosts send by night into a backup that has parts, and 13 minutes at 100 Mbit/s.

20 MB: what a new third party is sent in its first day (API calls, metrics, error reports) seldom comes to more than some \
megabytes; a dump of a table with 100,000 persons does.

Alpha is the test's part of the false-alarm budget: false_incidents_per_week / detectors that test / 4 tests / (1,024 pairs x \
hours or days of a week; 128 programs x hours).

What is told of is not learned. If nobody stopped or allowed it for `adopt_after` (1 day), as much counts as ordinary.

Who caused it: where the kernel recorded that the connection was opened while a request was served, the alert says which, and \
once that request is over also whose it was and from where. The share of the service that was seen is that of the bytes of its \
ended connections that were understood.

Severity: high for a destination that is new to the host and for many new ones; critical if it is on a threat list, or new and \
the program lies in a folder that anyone may write to; medium if other programs here know it, for known ones, and while \
learning; high for a known one beyond ten times its line; low where as much was sent there before, at other hours. Confidence \
0.7 for new ones, 0.6 for known ones, 0.5 and 0.4 for the milder cases; 0.3 while learning.",
    limits: "\
Who sends less than 20 MB a day and 60 MB a week to one place is not told; nor who stays within what a program sends to the \
same place anyway (a bucket named in the path of the same object store). A name is what DNS, else the client says: one who \
lies in his server name and asks no DNS hides behind a known domain. What was sent during learning is learned, spikes of it \
only in part. Programs in other containers share what the same path knows. Bytes of connections older than the monitor count \
from when it saw them first. 1,024 pairs, 512 programs and 65,536 flows are remembered; the least is given up first and \
counted, and flows beyond are counted at their end.",
    false_positives: "\
A first backup to a new place, a migration, a release that is published, a customer's import that is sent on, debug dumps \
to a vendor. `monitor allow` says so at once, for a destination, a pattern of names, or a program.",
    references: &[
        "https://attack.mitre.org/techniques/T1041/",
        "https://attack.mitre.org/techniques/T1030/",
        "https://attack.mitre.org/techniques/T1567/",
        "https://owasp.org/API-Security/editions/2023/en/0xaa-unsafe-consumption-of-apis/",
        "R. Hofstede et al., Flow monitoring explained, IEEE Communications Surveys & Tutorials 16 (2014)",
        "M. Marchetti, F. Pierazzi, M. Colajanni, A. Guido, Analysis of high volumes of network traffic for advanced persistent threat detection, Computer Networks 109 (2016)",
    ],
};
