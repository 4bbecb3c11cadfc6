//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Sources, networks and endpoints that are remembered.
pub(super) const MOST_SOURCES: usize = 8_192;
pub(super) const MOST_NETWORKS: usize = 4_096;
pub(super) const MOST_ENDPOINTS: usize = 512;

/// The window slides by each attempt; what changes in it within an hour counts as one test.
const STEP: Duration = Duration::from_hours(1);

pub(super) const SOURCE: Test = Test {
    name: "unknown credentials of a source in a day",
    subjects: MOST_SOURCES as u32,
    step: STEP,
};
pub(super) const NETWORK: Test = Test {
    name: "unknown credentials of a network in a day",
    subjects: MOST_NETWORKS as u32,
    step: STEP,
};
pub(super) const ENDPOINT: Test = Test {
    name: "unknown credentials at an endpoint in a day",
    subjects: MOST_ENDPOINTS as u32,
    step: STEP,
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "unknown_credential",
    ioc: Some(2),
    pillar: Pillar::Credentials,
    quiet: Duration::from_hours(2),
    owasp_api: &["API2:2023"],
    attack: &["T1110", "T1078"],
    tests: &[SOURCE, NETWORK, ENDPOINT],
    detects: "\
Many different keys, tokens, sessions or user ids that this host never accepted, shown and refused within a day: by one \
source, by one network, or at one endpoint from everywhere.",
    why: "\
Keys and tokens are guessed, taken from leaks of other services, or forged with a user's name in them, and tried one after \
the other (ATT&CK T1110). Each single refusal is an ordinary 401; that so many different credentials are wrong is not.",
    how: "\
Counted are credentials, not requests: keys, the accounts that bearer tokens, Basic and Digest name, else tokens and sessions; \
those that were refused (401, 403) and never accepted on any request here. One that was accepted before has expired and does \
not count; neither does a token of an account that is known, nor one that is followed within two minutes by a new one that is \
accepted from the same place: it was refreshed, or a key corrected (each new one makes up for one). What logins say is left \
to credential_stuffing.

A source (an address of IPv4, a /64 of IPv6) or network (/24, /48; of 3 sources or more, none of them behind two thirds) is \
counted from its first such refusal, for 24 hours. The line is the smallest number k of unknown credentials among n shown \
whose tail P(X >= k) in a beta-binomial distribution is at most alpha, with the mean m of `[rates] industry_login_failure` \
(0.05) and the correlation m / (1 - m). Of more than 64 a fair sample is compared.

An endpoint is told of from 8 sources on, none of their networks behind two thirds: its line is that of a negative binomial \
distribution of what its days had (mean, one standard error more, and variance; days differ by 0.7 of the mean at least), \
with two days of 4 (variance 20) believed before any is over. A day of which an alert told teaches nothing, another at most \
as much as its line.

Alpha is the part of the false-alarm budget: false_incidents_per_week / detectors that test / 3 tests / (subjects x 168 hours of \
a week). With 20 detectors and a budget of 1 that is 1e-8 for sources: below 18 nothing is told.

Until `[learning] period` is over, confidence is 0.5 at most, and no endpoint is told of below 100. Then: 0.6, or 0.7 for \
endpoints. Severity: medium, high from 100 credentials on.",
    limits: "\
Fewer than some 18 a day from each source and network are below the line. Which credentials were accepted is remembered of \
131,072 (the latest). Without `[identity]` that fits, keys in fields of another name are not seen. What is beyond the \
bounds is given up (those with the fewest first) and counted.",
    false_positives: "\
A change of the key that signs all tokens, where clients do not get new ones by themselves; a gateway that refuses good \
credentials for a while before it was ever seen to accept them; a test of one's own.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa2-broken-authentication/",
        "https://attack.mitre.org/techniques/T1110/",
        "J. G. Skellam, A probability distribution derived from the binomial distribution by regarding the probability of success as variable between the sets of trials, J. R. Stat. Soc. B 10 (1948)",
    ],
};
