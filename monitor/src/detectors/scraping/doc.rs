//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Clients that are counted at a time.
pub(super) const MOST_SUBJECTS: usize = 16_384;

pub(super) const HOUR: Test = Test {
    name: "paths that a client reads in an hour",
    subjects: MOST_SUBJECTS as u32,
    step: Duration::from_hours(1),
};
pub(super) const DAY: Test = Test {
    name: "paths that a client reads in a day",
    subjects: MOST_SUBJECTS as u32,
    step: Duration::from_hours(24),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "scraping",
    ioc: Some(1),
    pillar: Pillar::Behavior,
    quiet: Duration::from_hours(2),
    owasp_api: &["API6:2023", "API4:2023"],
    attack: &["T1119", "T1593"],
    tests: &[HOUR, DAY],
    detects: "\
One client that reads, with GET or HEAD and next to nothing else, far more different paths within an hour or a day than \
clients do here and than it did before.",
    why: "\
A catalogue, prices, profiles or texts are copied as a whole by reading them one by one (ATT&CK T1119): for a competitor, to be \
sold, or to be searched for what should not be there. It costs capacity, and it is what a use of an API beyond its business \
looks like (API6:2023).",
    how: "\
Different paths (without query, so that turning pages is one) are counted by identity (account, else session, else key, else \
token; one that this host has accepted) and by source (an address of IPv4, a /64 of IPv6) with all who are behind it, in the \
hours and days of the clock (UTC), by linear counting (Whang and others, 1990; a few percent off). Who changes something with \
more than one of 20 requests of the window does not only read.

Expected is what one client reads in such a window. The spread over all clients and windows is kept in bins; what lies \
beyond four times its 90th percentile, or twelve times its median, counts as there; it learns from what was accepted, and from no window of which an \
alert told, nor what a client with a habit does far beyond all others. What is believed of any API counts as 10 clients (3 paths, variance 30). The line is the smallest count whose tail \
in a negative binomial distribution with that mean and variance (at least that of rates which differ by 1.2 times the mean) is at most alpha. Those behind an \
address (different identities, else different agents) may read as much each; their variance is taken as that of crowds \
which differ by a third.

Who reads more than 8 paths in a day, on two days at least and since `[learning] period`, has a habit; a program that says that it is a crawler also has that of its agent in its \
autonomous system. Its line is that of a negative binomial with the mean (one standard error more) and variance of its days, \
and at least half as much again as the most that it ever did. The higher line counts.

A source is told only where no identity behind it read two thirds. Alpha is the part of the false-alarm budget: \
false_incidents_per_week / detectors that test / 2 tests / (16,384 clients x 168 hours, or x 7 days). With 20 detectors and a \
budget of 1: 9e-9 and 2e-7.

No line is below 100, which somebody may look at by hand. Until \
`[learning] period` is over no line is below 400 paths, and confidence is 0.5 at most; then it is 0.7, or 0.8 beyond a \
habit. Severity: medium.",
    limits: "\
What is read by parameters of a query, or by the body of a search, is one path. Who comes from many addresses without an \
identity is many clients that read little each; what they have in common is their program (client_fingerprint). What is \
encrypted is not seen. What goes beyond the bounds is given up, least paths first, and counted.",
    false_positives: "\
A search engine that comes for the first time; a new partner that copies what it may; a company behind one address that has \
just become a customer; a monitor of links. `monitor allow scraping --actor ADDRESS` says so.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa6-unrestricted-access-to-sensitive-business-flows/",
        "https://attack.mitre.org/techniques/T1119/",
        "https://owasp.org/www-project-automated-threats-to-web-applications/assets/oats/EN/OAT-011_Scraping",
        "K.-Y. Whang, B. T. Vander-Zanden, H. M. Taylor, A linear-time probabilistic counting algorithm for database applications, ACM TODS 15 (1990)",
    ],
};
