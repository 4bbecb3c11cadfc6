//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Credentials that are remembered: those used within the last hour.
pub(super) const MOST_CREDENTIALS: usize = 65_536;

const WEEK: Duration = Duration::from_hours(24 * 7);

pub(super) const NETWORKS: Test = Test {
    name: "networks of a credential in an hour",
    subjects: MOST_CREDENTIALS as u32,
    step: Duration::from_mins(10),
};
pub(super) const TRAVEL: Test = Test {
    name: "journeys of a credential in an hour",
    subjects: MOST_CREDENTIALS as u32,
    step: Duration::from_mins(10),
};

pub(super) const TRAVEL_DAY: Test = Test {
    name: "journeys of a credential in a day",
    subjects: MOST_CREDENTIALS as u32,
    step: Duration::from_hours(1),
};

pub(super) const LONE: Test = Test {
    name: "journeys of a week to or from a country that nobody comes from",
    subjects: 1,
    step: WEEK,
};
pub(super) const LONE_TURNS: Test = Test {
    name: "credentials of a week to and fro on a way that hardly any other takes",
    subjects: 1,
    step: WEEK,
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "credential_sharing",
    ioc: Some(5),
    pillar: Pillar::Credentials,
    quiet: Duration::from_hours(2),
    owasp_api: &["API2:2023"],
    attack: &["T1528", "T1550.001", "T1539"],
    tests: &[NETWORKS, TRAVEL, TRAVEL_DAY, LONE, LONE_TURNS],
    detects: "\
One API key, token or session that is accepted from many networks within an hour, or from places between which nobody travels \
so fast, again and again.",
    why: "\
A key that was published, or a token or cookie that was stolen (ATT&CK T1528, T1550.001, T1539), is used by someone else while \
its owner goes on using it: then one credential is in two places.",
    how: "\
Counted are requests that this host accepted, by credential (key, else token, else session). A network is the autonomous \
system, else the organization behind it, else /16 of IPv4 or /32 of IPv6 (the greater number of the two, since a client with \
both has one of each). Addresses in `[networks] internal` do not count.

Networks: how many more than one there were within an hour. Who moves is in one or two more; each further one is taken to \
follow with 0.2 (token, session: people) or 0.02 (key: machines, which stay). The line is the smallest k with \
0.2^k or 0.02^k at most alpha.

Journeys: each time that a credential is used from another network than the time before, and the way between was too \
far: more than 500 km (what databases of cities are off by) and 1,000 km/h (an airliner) allow for the time since it was \
last used there; where the databases have no positions, another country that shares no border within an hour. Networks of \
the same organization are not compared. One such journey is a VPN that was switched on, or a phone abroad whose carrier \
has its addresses at home; that it happens once more within the hour is taken to follow with 0.3 (people) or 0.02 (keys). \
The line is the smallest k with 0.3^k or 0.02^k at most alpha; the same for a day, while the credential is used at \
least once an hour. So two users at the same time are told after some turns, \
and one who takes over when the other has stopped is not.

Ways: a traveller's phone goes home through its carrier and comes from the hotel's network a minute later, and a VPN is \
turned on and off all day. Where that is usual, more than one credential does it: the way between two countries is known \
when 3 credentials went it faster than anybody travels (in any network of these countries). Journeys on other ways are \
rarer. Counted are the credentials that begin one in a week (once ways are learned), and how often one more journey follows (believed: 1 a week, \
and 0.5 for tokens and sessions, 0.1 for keys, with the weight of 20 journeys). Told is a credential with k such journeys \
in a day, where credentials a week x share^(k - 1) is at most alpha: 8 for sessions, 3 for keys, before anything is \
learned. And told is a single one, if no credential ever came from the country of one of its ends, and credentials a \
week x the chance that a credential is the first of its country is at most alpha; that chance is the number of countries that \
were seen once, and one, by the number of credentials, and 50 (Good and Turing). Both begin after `[learning] period`. \
Journeys of tokens and sessions from or to `[networks] hosting_asns` are not judged so, since VPNs end there. What is \
told teaches nothing.

The first four shares are assumptions on the quiet side. Alpha is the part of the false-alarm \
budget: false_incidents_per_week / detectors that test / 5 tests / tests a week (65,536 credentials x 1,008 steps of 10 \
minutes, or 168 of an hour; 1 for ways), at most 0.01. \
With 5 detectors and a budget of 1 that is 6.1e-10: keys are told at 6 networks more, or 6 journeys; tokens and sessions at \
14 networks more, or 18 journeys.

A key that comes with 3 or more accounts, tokens or sessions is that of an application and not of a person or machine: it \
is not judged (counted as `application_keys`).

Severity: high for journeys, medium for networks. Confidence: 0.5 for journeys by position, 0.1 less for a single one; 0.1 \
less by country; and for networks by autonomous system; 0.3 for networks without the databases.",
    limits: "\
Without `[networks] asn`, `city` or `country` only address ranges can be told apart. Someone who uses a stolen credential \
from its owner's own country and a few networks, or after him, is not told. Credentials that were never accepted are left to \
other detectors.",
    false_positives: "\
A key that is meant for everyone (in a web page or app that has no accounts); a service that runs at two providers far \
apart and shares one key; privacy relays that change networks by the request. `monitor allow credential_sharing --actor \
KEY` says so.",
    references: &[
        "https://attack.mitre.org/techniques/T1528/",
        "https://attack.mitre.org/techniques/T1550/001/",
        "https://owasp.org/API-Security/editions/2023/en/0xa2-broken-authentication/",
        "R. W. Sinnott, Virtues of the haversine, Sky and Telescope 68 (1984)",
    ],
};
