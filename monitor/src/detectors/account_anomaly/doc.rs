//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Accounts and keys whose habits are remembered.
pub(super) const MOST_ACCOUNTS: usize = 16_384;

pub(super) const VISITS: Test = Test {
    name: "visits of a week that are like none before",
    subjects: 1,
    step: Duration::from_hours(24 * 7),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "account_anomaly",
    ioc: Some(10),
    pillar: Pillar::Credentials,
    quiet: Duration::from_hours(6),
    owasp_api: &["API2:2023", "API5:2023"],
    attack: &["T1078", "T1550"],
    tests: &[VISITS],
    detects: "\
An account or key that asks for endpoints that it never asked for, at hours that it never kept, with a program that it never \
had, from a network that it never came from: three of these in one visit at least.",
    why: "\
Who has taken an account over (ATT&CK T1078) has its password, token or key, so the server lets him in. What he does not have \
is the owner's way: when, with what and from where the account is used, and for what.",
    how: "\
Accounts are those that tokens, Basic or gateways name, those of logins that succeed with the session that follows on the same \
connection, and keys. Requests that were accepted make visits, which end when nothing is asked for 45 minutes. Of each account \
are remembered: hours of the day (UTC; the hours beside count as kept), programs (the user agent without its numbers, so that \
a new release is the same), networks (autonomous system, else /16 of IPv4 or /32 of IPv6), and 48 endpoints.

An account has habits after `[learning] period` and 6 visits. Over all visits of such accounts it is counted how many are at a \
new hour, with a new program, in a new network, and have 1, 2, 4 or 8 new endpoints or more (believed for the weight of 100 \
visits: 0.03, 0.02, 0.04; 0.10, 0.04, 0.01, 0.002). The chance of a visit is the product of the shares of what is new in it; hour, \
program and network go together at times (a new telephone, a journey), so only the rarest of them counts whole and the others \
with their root. Times the visits of a week this is how many such visits a week brings by chance. One with three new things or \
more is told, while it goes on, where that is at most alpha: false_incidents_per_week / detectors that test, at most 0.01.

After three days without a visit all four must be new. A visit that was told teaches nothing, another at most 8 endpoints. \
Severity: high. Confidence: 0.6.",
    limits: "\
Who comes at the owner's hours from his network is told only by program and endpoints, which are two. An account that is \
seldom here has no habits. Accounts of sessions are found only where login and session share a connection. What goes beyond \
the bounds is given up, accounts with the fewest visits first, and counted.",
    false_positives: "\
Somebody on a journey with a new telephone who does something for the first time; a program that takes an account over from a \
person; a key that moves to another program and place. `monitor allow account_anomaly --actor ACCOUNT` says so.",
    references: &[
        "https://attack.mitre.org/techniques/T1078/",
        "https://owasp.org/API-Security/editions/2023/en/0xa2-broken-authentication/",
        "D. E. Denning, An intrusion-detection model, IEEE Transactions on Software Engineering 13 (1987)",
    ],
};
