//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Sources, networks, programs and accounts that are remembered.
pub(super) const MOST_SOURCES: usize = 8_192;
pub(super) const MOST_NETWORKS: usize = 4_096;
pub(super) const MOST_PROGRAMS: usize = 1_024;
pub(super) const MOST_ACCOUNTS: usize = 8_192;

/// The window slides by each attempt; what changes in it within an hour counts as one test.
const STEP: Duration = Duration::from_hours(1);

pub(super) const SOURCE: Test = Test {
    name: "failed accounts of a source in a day",
    subjects: MOST_SOURCES as u32,
    step: STEP,
};
pub(super) const NETWORK: Test = Test {
    name: "failed accounts of a network in a day",
    subjects: MOST_NETWORKS as u32,
    step: STEP,
};
pub(super) const PROGRAM: Test = Test {
    name: "failed accounts of a program in a day",
    subjects: MOST_PROGRAMS as u32,
    step: STEP,
};
pub(super) const ACCOUNT: Test = Test {
    name: "sources that fail for an account in a day",
    subjects: MOST_ACCOUNTS as u32,
    step: STEP,
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "credential_stuffing",
    ioc: Some(2),
    pillar: Pillar::Credentials,
    // A list that is worked off at a few tries an hour stays one occurrence.
    quiet: Duration::from_hours(2),
    owasp_api: &["API2:2023", "API4:2023"],
    attack: &["T1110.004", "T1110.003", "T1078"],
    tests: &[SOURCE, NETWORK, PROGRAM, ACCOUNT],
    detects: "\
Many accounts tried and mostly not let in: from one source, from one network, or by one program (fingerprint and user \
agent) behind many addresses, also low and slow; and one account that fails from many sources.",
    why: "\
Lists of names and passwords that were stolen elsewhere are tried here (credential stuffing, ATT&CK T1110.004), or one \
usual password for every name (spraying, T1110.003). Of such lists some part of a percent works, and those accounts are \
then used by someone else (T1078). Whoever does it well comes from many addresses, a few tries each: what they have in \
common is the account or the program.",
    how: "\
Counted are accounts, not requests: those that showed a password (a login, Basic or Digest) in the last 24 hours, and \
those of them that were refused and not let in by the same subject since. Someone who mistypes is in after a few tries and \
counts as let in; names in tokens do not count at all, so a token that was minted or has expired is nothing here.

A subject is a source (an address of IPv4, a /64 of IPv6), a network (/24, /48) from which 3 sources or more failed, or a \
program (fingerprint with user agent) that failed from 3 sources or more; of a network no source, of a program no network \
may be behind two thirds, else that one is told. It is counted from its first failure. The line \
is the smallest number k of failed accounts among n tried whose tail P(X >= k) in a beta-binomial distribution is at most \
alpha, with the mean m of `[rates] industry_login_failure` (0.05) and the correlation m / (1 - m), by which the rates of \
subjects differ by a standard deviation of m. Alpha is the part of the false-alarm budget: false_incidents_per_week / \
detectors that test / 4 tests / (subjects x 168 hours of a week). With 5 detectors and a budget of 1 that is 4e-8 for \
sources: below 17 accounts nothing is told, of 17 all must have failed, of 50 some 36. Of more accounts than are remembered (64 \
of a source or network, 256 of a program) a fair sample is compared, and the numbers told are estimates.

An account is told of when it failed, without being let in, from more sources than a person has: the number of sources \
beyond the first is taken as geometric with a mean of 1 (a phone, a laptop, a mobile network that changes the address), \
whose tail is 0.5^k; with the figures above 26 sources.

The agents and fingerprints that are commonest among the refused logins are told beside their share of those that \
succeeded.

The narrowest subject that is beyond its line is told: a source before its network, a network before the program.

Severity: medium; high where an account that failed was let in afterwards by the same subject, or 100 accounts were tried. \
Confidence: 0.5, the most without a learned rate; 0.4 for programs, which good clients share.",
    limits: "\
Fewer than some 17 accounts a day from each source, network and program are below the line. Who writes his requests as the \
usual client does, and comes from many networks, is one program with all good users and dilutes himself among them; the \
endpoint then shows a surge (auth_failures). A login whose account is not read (`[[login]]` names the field) does not \
count. What is beyond the bounds is given up (those with the fewest failed accounts first) and counted.",
    false_positives: "\
A directory or password store that is down, so that nobody gets in; a migration or an import that tries accounts; a test of \
one's own. Behind a proxy that is not in `[clients] trusted_proxies` all clients are one source.",
    references: &[
        "https://owasp.org/www-community/attacks/Credential_stuffing",
        "https://attack.mitre.org/techniques/T1110/004/",
        "https://attack.mitre.org/techniques/T1110/003/",
        "J. G. Skellam, A probability distribution derived from the binomial distribution by regarding the probability of success as variable between the sets of trials, J. R. Stat. Soc. B 10 (1948)",
        "P. Flajolet, On adaptive sampling, Computing 43 (1990)",
    ],
};
