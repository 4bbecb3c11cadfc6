//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Fingerprints with refusals that are remembered.
pub(super) const MOST_FINGERPRINTS: usize = 1_024;

/// Ten minutes: a burst.
pub(super) const CROWD: Test = Test {
    name: "refused sources of one fingerprint in 10 minutes",
    subjects: MOST_FINGERPRINTS as u32,
    step: Duration::from_mins(1),
};

/// A window of a day is judged as it fills: about four looks that have little to do with each other.
pub(super) const FLEET: Test = Test {
    name: "sources of one fingerprint as another engine in a day",
    subjects: MOST_FINGERPRINTS as u32,
    step: Duration::from_hours(6),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "client_fingerprint",
    ioc: None,
    pillar: Pillar::Tools,
    // Long enough for a crowd that comes in waves.
    quiet: Duration::from_hours(1),
    owasp_api: &["API2:2023", "API4:2023"],
    attack: &["T1036", "T1110.004"],
    tests: &[CROWD, FLEET],
    detects: "\
A client that says that it is a browser and writes its header fields as a library does; one way of writing header fields \
behind many addresses that are refused, while others are not; and one behind many that claim to be browsers of several kinds.",
    why: "\
Tools give themselves out for browsers (ATT&CK T1036), and attacks on accounts come from thousands of rented addresses, a \
few requests each (T1110.004). The agent and the address cost nothing to change. The order and letter case of header fields \
is the program's own.",
    how: "\
The fingerprint is the version of HTTP and a hash of the names of header fields, in their order and case, without those \
that depend on the request (`docs/records.md`).

Contradiction: the agent is a browser's, and the fingerprint that of a library. Libraries are known by their orders as \
measured here (curl 7.88, Wget 1.21, Python 3.11's urllib, requests 2.34, Node 20's http and fetch, Java 17's, Perl's \
HTTP::Tiny) and read in the source of Go's net/http. No browser leaves out `Accept-Language`, or writes `host` so. Low, \
confidence 0.8, one alert a source.

Crowd: over 10 minutes, by minutes, of each fingerprint with refusals (401, 403, 429, or a failed login) the sources (an \
address, of IPv6 a /64) that were refused, r, and those that came, n, since the first refusal. The line is the smallest r \
whose tail P(X >= r) in a beta-binomial distribution of n sources is at most alpha; its mean m is the share of refused \
sources among those of all other fingerprints in the same time, at least `[rates] industry_login_failure` (0.05), and its \
correlation m / (1 - m). So a fault that refuses everybody moves the line with it. Alpha is the test's part of the \
false-alarm budget: false_incidents_per_week / detectors that test / (1,024 fingerprints x steps of a week). Besides, the \
fingerprint must be no common client: at most half of the requests that were accepted lately (one in 16 is counted, about \
the latest 100,000) may have it. \
Medium, confidence 0.5 (no share is learned).

Fleet: engines of browsers (Gecko, Blink, WebKit, Trident) write their fields in orders of their own, so those of one \
fingerprint claim one engine, but for a few who dress up. Of each fingerprint the sources within a day are counted by the \
engine that their agents claim: n in all, and r that claim another one than most did before (or do now, where there is no \
before). The line is the smallest r whose tail in the beta-binomial distribution is at most alpha, with the share and \
correlation learned of all fingerprints by days (2 % at first, as of 50 sources), or the fingerprint's own share where that is \
greater; a day counts up to three times what is usual. Where a third of those r sources were here before, it is silent: then a \
proxy rewrites what they send. Judged after the first `[learning] period`, one alert a fingerprint. Medium, confidence 0.8.

At most 0.5 in the first `[learning] period`.",
    limits: "\
A tool that writes its fields in a browser's order, or in one of its own, and claims one engine is not told apart. HTTP/2 libraries are not in the table. Behind a proxy \
that rewrites headers the fingerprint is the proxy's. Where nobody else asks there is nothing to compare a crowd with: then \
the industry's rate is all there is. Sources are counted up to 128 exactly, beyond that by estimate (10 %).",
    false_positives: "\
People's own scripts with a copied agent. A content network that is put before the host and rewrites \
the requests of clients who were never here. A release of one's own app that sends a wrong credential from every phone at \
once: many sources with one fingerprint, refused, is what it is.",
    references: &[
        "https://attack.mitre.org/techniques/T1036/",
        "https://attack.mitre.org/techniques/T1110/004/",
        "https://www.rfc-editor.org/rfc/rfc9110#section-5.3",
        "https://go.dev/src/net/http/request.go",
        "J. G. Skellam, A probability distribution derived from the binomial distribution by regarding the probability of success as variable between the sets of trials, J. R. Stat. Soc. B 10 (1948)",
    ],
};
