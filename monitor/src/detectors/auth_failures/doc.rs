//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Sources, accounts and endpoints that are remembered.
pub(super) const MOST_SOURCES: usize = 16_384;
pub(super) const MOST_ACCOUNTS: usize = 16_384;
pub(super) const MOST_ENDPOINTS: usize = 4_096;

/// Ten minutes: a tool's burst.
pub(super) const SOURCE: Test = Test {
    name: "failures of a source in 10 minutes",
    subjects: MOST_SOURCES as u32,
    step: Duration::from_mins(1),
};
/// Six hours: one that takes its time.
pub(super) const SLOW: Test = Test {
    name: "failures of a source in 6 hours",
    subjects: MOST_SOURCES as u32,
    step: Duration::from_mins(30),
};
/// Of those without credentials.
pub(super) const ASKED: Test = Test {
    name: "refusals of a source without credentials in 10 minutes",
    subjects: MOST_SOURCES as u32,
    step: Duration::from_mins(1),
};
/// One person, who has forgotten a password at most once a day.
pub(super) const PERSON: Test = Test {
    name: "failures in a row of a person",
    subjects: MOST_SOURCES as u32,
    step: Duration::from_hours(24),
};
pub(super) const ACCOUNT: Test = Test {
    name: "failures for an account in 6 hours",
    subjects: MOST_ACCOUNTS as u32,
    step: Duration::from_mins(30),
};
pub(super) const ENDPOINT: Test = Test {
    name: "failures at an endpoint in 10 minutes",
    subjects: MOST_ENDPOINTS as u32,
    step: Duration::from_mins(1),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "auth_failures",
    ioc: Some(2),
    pillar: Pillar::Credentials,
    // Guessing that is throttled to a try every few minutes stays one occurrence.
    quiet: Duration::from_mins(30),
    owasp_api: &["API2:2023", "API5:2023"],
    attack: &["T1110", "T1110.001", "T1078"],
    tests: &[SOURCE, SLOW, PERSON, ASKED, ACCOUNT, ENDPOINT],
    detects: "\
A surge of refused requests (401, 403) and failed logins: of one source, for one account from many sources, or at one \
endpoint from many sources.",
    why: "\
Whoever has no way in tries: passwords for an account (ATT&CK T1110), keys and tokens, functions that are not his \
(OWASP API5:2023). The refusals are what can be seen of it before it works.",
    how: "\
A try is a request that carries credentials (key, token, session, user) or is a login. It fails if the login does, or if \
the answer is 401 or 403; it is accepted with 1xx to 3xx and with those of 4xx that say that the server looked (404, \
409, 410, 412, 416). Other answers say nothing.

A source is an address of IPv4 or a /64 of IPv6, behind trusted proxies. Its failures f among its tries n since its first \
failure are counted over 10 minutes (by minutes) and over 6 hours (by half hours). The line is the smallest f whose tail \
P(X >= f) in a beta-binomial distribution of n tries is at most alpha. Its mean m is `[rates] industry_login_failure` \
(0.05), until a rate is learned. Its correlation is m / (1 - m): then the rates of sources differ among each other with a \
standard deviation of m itself, as those of people and of offices behind one address do. Alpha is the source's part of \
the false-alarm budget: false_incidents_per_week / detectors that test / 6 tests / (16,384 sources x steps of a week); \
`monitor status` shows the figures. With 5 detectors and a budget of 1, alpha is 2e-10 for 10 minutes: below 20 tries \
nothing is told, of 20 all must fail, of 100 some 78.

Where one or two accounts are all that failed from a source, it may be someone who has forgotten his password and goes on \
trying: of people who fail, about 0.77 fail again at the next try (Brostoff and Sasse: 54 % were in after 3 tries, 93 % after \
9 or 10). Then the line is at least ln(alpha) / ln(0.77), one such person behind each source a day being allowed for: 58 \
failures with the figures above.

Not counted as failures: up to three refusals (401) in a row of a key, token or session that this host accepted before, \
which is how a client learns that it has expired; refusals of requests without credentials beyond the first at each \
endpoint (at each path, where nobody was ever let in), which is how a server asks for them, unless there are more of them than once a second (the shortest period of \
Kubernetes' probes) and chance allow: Poisson with a mean of 600 in 10 minutes.

Accounts are counted by logins and Basic users alone, over 6 hours, and told where the failures came from 4 sources or \
more. Endpoints are counted over 10 minutes, and told where failures came from 5 sources or more and none of them is \
behind most: else the source is told.

Severity: medium; high where an account that failed from this source was let in from it afterwards; low where all that \
fails is a credential that was accepted before. Confidence: 0.5, the most without a learned rate; 0.4 for requests \
without credentials and for endpoints, which may refuse for another reason; 0.3 where an accepted credential has expired.",
    limits: "\
One who stays below the line is not told: 50 guesses for an account in 6 hours, or fewer failures than the line behind an address with \
much good traffic. From many sources a few each, see credential_stuffing. An endpoint that answers 200 to a refused login \
needs a `[[login]]` with `failure_body`. Sources, accounts and endpoints beyond what is remembered are given up (those \
with the fewest failures first) and counted.",
    false_positives: "\
A program that goes on for hours with a password or key that was changed (low where the credential was accepted while the \
monitor ran), a deploy that breaks authentication for everyone, a penetration test.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa2-broken-authentication/",
        "https://attack.mitre.org/techniques/T1110/",
        "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2",
        "S. Brostoff, M. A. Sasse, Ten strikes and you're out: increasing the number of login attempts can improve password usability, CHI workshop on HCI and security systems (2003)",
        "J. G. Skellam, A probability distribution derived from the binomial distribution by regarding the probability of success as variable between the sets of trials, J. R. Stat. Soc. B 10 (1948)",
        "https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/",
    ],
};
