//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Subjects (an identity or source at an endpoint) and things that are counted at a time.
pub(super) const MOST_SUBJECTS: usize = 16_384;
pub(super) const MOST_OBJECTS: usize = 16_384;

pub(super) const HOUR: Test = Test {
    name: "things of an endpoint that a client asks for in an hour",
    subjects: MOST_SUBJECTS as u32,
    step: Duration::from_hours(1),
};
pub(super) const DAY: Test = Test {
    name: "things of an endpoint that a client asks for in a day",
    subjects: MOST_SUBJECTS as u32,
    step: Duration::from_hours(24),
};
pub(super) const CLIENTS: Test = Test {
    name: "clients of a thing in a day",
    subjects: MOST_OBJECTS as u32,
    step: Duration::from_hours(24),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "enumeration",
    ioc: Some(1),
    pillar: Pillar::Behavior,
    quiet: Duration::from_hours(2),
    owasp_api: &["API1:2023", "API3:2023"],
    attack: &["T1213", "T1119"],
    tests: &[HOUR, DAY, CLIENTS],
    detects: "\
One identity, or one address, that asks for far more different things of one endpoint (`/orders/{id}`) than clients do here \
and than it did before, within an hour or a day, answered or refused; and one thing that many clients ask for, where each \
is usually asked for by its owner alone.",
    why: "\
Where a server looks at who asks and not at whose it is (broken object level authorization, API1:2023), whoever counts up \
the numbers reads what belongs to all others. It is the commonest weakness of APIs, every single request of it is well \
formed, and only their number tells.",
    how: "\
Different things are paths of an endpoint whose template has a place; turning pages (`?page=2`) asks for one thing. They are \
counted by identity (account, else session, else key, else token; one that this host has accepted) and by source (an address \
of IPv4, a /64 of IPv6) with all who are behind it, in the hours and days of the clock (UTC), by linear counting \
(Whang and others, 1990; a few percent off).

Expected is what one client does at that endpoint in such a window. The spread over all clients and windows is kept in bins; \
what lies beyond four times its 90th percentile, or twelve times its median, counts as there, so that attackers among them do not move it; it learns \
from what was accepted, and from no window of which an alert told, nor what a client with a habit does far beyond all others. Where an endpoint has little of its own, the other \
endpoints count as 30 clients, and what is believed of any API as 10 (3 things, variance 30). The line is the smallest \
count whose tail in a negative binomial distribution with that mean and variance (at least that of rates which differ by 1.2 times the mean) is at most \
alpha. Those behind an address (different identities, else different agents) may do as much each; their variance is taken \
as that of crowds which differ by a third.

Who does more than 8 things in a day, on two days at least and since `[learning] period`, has a habit, by endpoint: a partner's batch, an office's address, a crawler in its \
autonomous system. Its line is that of a negative binomial with the mean (one standard error more) and variance of its \
days, and at least half as much again as the most that it ever did. The higher line counts.

A source is told only where no identity behind it asked for two thirds.

One thing: where all but 2, and all but 1 of 100, things of an endpoint have at most 2 clients in a day (account, key, else source), the number \
beyond the first is taken as negative binomial likewise; until 300 things are known no line is below 30.

Alpha is the part of the false-alarm budget: false_incidents_per_week / detectors that test / 3 tests / (16,384 subjects x \
168 hours, or x 7 days). With 20 detectors and a budget of 1: 6e-9 and 1.5e-7.

No line is below 100, which somebody may look at by hand. Until \
`[learning] period` is over no line is below 400 things (50 clients of one thing), and confidence is 0.5 at most; then \
it is 0.7, or 0.8 beyond a habit. Severity: high where at least half of the requests were answered, medium where most were \
refused, and for one thing.",
    limits: "\
Ids in the query or body are not counted, nor is what is encrypted. Who asks for a few things a day is below the line. Many \
stolen accounts from as many addresses are each one client that does little. A habit that grows slowly is learned, by half as \
much again a day at most. What goes beyond the bounds is given up, least things first, and counted.",
    false_positives: "\
A new partner or importer, on its first days; a crawler that was never here; a company behind one address that has just \
become a customer; a document that is meant for many, at an endpoint for private ones. `monitor allow enumeration --actor KEY` \
says so.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/",
        "https://attack.mitre.org/techniques/T1213/",
        "K.-Y. Whang, B. T. Vander-Zanden, H. M. Taylor, A linear-time probabilistic counting algorithm for database applications, ACM TODS 15 (1990)",
        "J. W. Tukey, The future of data analysis, Annals of Mathematical Statistics 33 (1962)",
    ],
};
