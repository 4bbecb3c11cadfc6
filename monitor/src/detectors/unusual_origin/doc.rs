//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Accounts and keys whose places are remembered.
pub(super) const MOST_ACCOUNTS: usize = 16_384;

const WEEK: Duration = Duration::from_hours(24 * 7);

pub(super) const MOVES: Test = Test {
    name: "accounts of a week where they never were",
    subjects: 1,
    step: WEEK,
};
pub(super) const CLIENTS: Test = Test {
    name: "clients of new countries, and of new networks, in a day",
    subjects: 2,
    step: Duration::from_hours(24),
};
pub(super) const SHARE: Test = Test {
    name: "share of rented machines among the clients of a day",
    subjects: 1,
    step: Duration::from_hours(1),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "unusual_origin",
    ioc: Some(3),
    pillar: Pillar::Infrastructure,
    quiet: Duration::from_hours(12),
    owasp_api: &["API2:2023"],
    attack: &["T1078", "T1090", "T1583.003"],
    tests: &[MOVES, CLIENTS, SHARE],
    detects: "\
An account or key that is used from a country or network (autonomous system) where it never was, and where hardly anybody \
else is; more clients than usual from countries or networks that were never here; and a day on which far more clients than \
usual come from hosting or residential-proxy networks.",
    why: "\
Whoever has stolen a credential uses it from where he is, or from machines that he rented (ATT&CK T1078, T1583.003), and who \
hides behind proxies (T1090) comes from networks that customers do not come from.",
    how: "\
Needs `[networks] country` or `city`, and `asn`; hosting networks are named in `hosting_asns`, proxies in \
`residential_proxy_asns`. Addresses in `internal` do not count, nor do refused requests.

The first question is how often new origins appear here anyway. Each client (an address of IPv4, a /64 of IPv6) counts once a \
day. The chance that the next one is the first of its country or network is the number of countries or networks that were \
seen once, and one, by the number of all clients' days (Good and Turing), with 0.02 believed for the weight of 50.

An account (named by a token or gateway, or let in by a login) or key has a history after `[learning] period` and 4 sights. \
The chance that it is somewhere new on a day is learned likewise, of people and machines each (believed for the weight of 200 \
days: 0.003 and 0.0005 for a country, 0.03 and 0.003 for a network). Times the chance of a new origin, where that is new \
here as well, times the accounts' days of a week, this is how many such moves a week brings by chance. It is told where \
that is at most alpha: false_incidents_per_week / detectors that test / 3 tests, at most 0.01. So a new country of an \
account is told where nobody comes from it, or where accounts hardly ever move: keys of few partners, say.

New origins of a day: the line is that of a negative binomial distribution of the clients of new countries (and of new \
networks) of past days, with three days believed of as many as the chance above gives, in groups of four. Told of are the \
origins with 5 clients or more while the sum is beyond the line, all in one alert, whose actor is the first of them.

Rented machines: their number k among n clients since midnight (UTC), against a beta-binomial distribution with the share of \
past days (0.02 believed for the weight of 50 clients) and a correlation of 0.02, or a tenth of the share.

What was told is not learned for three days. Nothing is told until `[learning] period` is over. Severity: high for an \
account at an origin that is new here too; else medium. Confidence: 0.7 and 0.6.",
    limits: "\
As good as the databases. Who comes through a proxy in the country, or the network, of the account's owner is not told. An \
account that is seldom here has no history. Tokens and sessions without an account are not followed.",
    false_positives: "\
Somebody who switches a VPN on, or travels to where no customer lives; a market that opens, a campaign abroad; a partner \
that moves to another cloud; a monitoring service that checks from everywhere. `monitor allow unusual_origin --actor ACCOUNT` \
says so, `monitor expect` beforehand.",
    references: &[
        "I. J. Good, The population frequencies of species and the estimation of population parameters, Biometrika 40 (1953)",
        "https://attack.mitre.org/techniques/T1078/",
        "https://attack.mitre.org/techniques/T1583/003/",
        "https://attack.mitre.org/techniques/T1090/",
    ],
};
