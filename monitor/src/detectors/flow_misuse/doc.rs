//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Visits, and subjects that were odd at an endpoint, that are remembered.
pub(super) const MOST_VISITS: usize = 16_384;
pub(super) const MOST_TALLIES: usize = 4_096;

/// The window slides by each request; what changes in it within an hour counts as one test.
const STEP: Duration = Duration::from_hours(1);

pub(super) const ORDER: Test = Test {
    name: "requests of a subject that lack the step before",
    subjects: MOST_TALLIES as u32,
    step: STEP,
};
pub(super) const PACE: Test = Test {
    name: "requests of a subject at a machine's pace",
    subjects: MOST_TALLIES as u32,
    step: STEP,
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "flow_misuse",
    ioc: None,
    pillar: Pillar::Behavior,
    quiet: Duration::from_hours(6),
    owasp_api: &["API6:2023", "API5:2023"],
    attack: &["T1190"],
    tests: &[ORDER, PACE],
    detects: "\
One account, session or address that is given an endpoint again and again without the step that comes before it in nearly all \
visits (a payment without the till, an order without the login), or that goes from step to step as fast as hardly anybody does.",
    why: "\
A flow of business has its checks on the way: prices, stock, who asks. Where a step can be left out, so can its check; and \
where a program runs the flow, it buys what is rare, books what it does not need, or tries cards (API6:2023). Each request is \
valid by itself: only the order is not.",
    how: "\
Requests that this host accepted make visits, by identity (account, key, token, session), else by address and program; a login belongs to the \
address, and the session that follows within ten minutes takes up what it had. A visit ends when nothing was asked for 30 minutes; 32 \
requests of it are remembered. Of each endpoint (255 of them; those asked for by keys stand apart) are counted the visits, and in how many \
of these each other endpoint had come before it: before the first time, and between two times. What comes before in at least 85 % of 40 visits by ten askers \
is a usual step: of several the one that is missing least counts, and beside it the one of the same flow that is, which is one \
of whose visits at least 40 % go on to the endpoint. What comes between two times is believed from five of \
them on where it is a flow of which 60 % go on, else of 40; until then such a step is wanted once in the visit. Learned are of an asker and day 64 visits with an endpoint at most, each endpoint that is asked for again \
once, and none from the third odd one on.

Out of order is a request that lacks one of the two (but a login, of whoever shows a credential that this host took: it may have \
been days ago); the shares of visits that lack them are the expectation (two more visits supposed). At a machine's \
pace is one of a flow that follows the request before it faster than the power of two in milliseconds below which at most 2 % of \
all such intervals are (16 to 1,024 ms). How many of the requests of a subject within a day are so is compared with the upper tail of a beta-binomial \
distribution with that mean and a correlation of 0.05; what made us look, the first of them, does not count. Alpha is the part of the \
budget: false_incidents_per_week / detectors that test / 2 tests / (4,096 subjects x 168 hours). With a budget of 1 and a step that \
2 % of visits lack, a subject that always leaves it out is told at about the twelfth request.

Told is the identity, else the address behind which many are odd. Nothing is told in the first `[learning] period`, nor of an endpoint in its first half of one. Severity: medium, high from twice the \
line on. Confidence: 0.6.",
    limits: "\
Steps in the page or the app, of which the server hears nothing, are not seen. Who does each step, and slowly, follows the flow. Many addresses \
with few requests each stay below the line of each. Clients whose identity changes between two steps look as if they began in the \
middle, and the share of those that do is learned. What goes beyond the bounds is given up, and counted.",
    false_positives: "\
An app whose new release leaves a step out, until it is learned; a program of a partner that shows no key; tests of the flow by \
its makers. `monitor allow flow_misuse --endpoint ENDPOINT` says so.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa6-unrestricted-access-to-sensitive-business-flows/",
        "https://cheatsheetseries.owasp.org/cheatsheets/Abuse_Case_Cheat_Sheet.html",
        "S. Forrest and others, A sense of self for Unix processes, IEEE Symposium on Security and Privacy (1996)",
    ],
};
