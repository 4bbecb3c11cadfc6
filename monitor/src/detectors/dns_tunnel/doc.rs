//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Domains with names that bear data that are remembered.
pub(super) const MOST_DOMAINS: usize = 1_024;

/// Ten minutes: a tunnel that is used.
pub(super) const FAST: Test = Test {
    name: "names that bear data below a domain in 10 minutes",
    subjects: MOST_DOMAINS as u32,
    step: Duration::from_mins(1),
};
/// Six hours: one that drips.
pub(super) const SLOW: Test = Test {
    name: "names that bear data below a domain in 6 hours",
    subjects: MOST_DOMAINS as u32,
    step: Duration::from_mins(30),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "dns_tunnel",
    ioc: Some(8),
    pillar: Pillar::Infrastructure,
    quiet: Duration::from_hours(1),
    owasp_api: &[],
    attack: &["T1071.004", "T1048", "T1572"],
    tests: &[FAST, SLOW],
    detects: "\
Data carried out of this host in the names that it asks DNS for: many different long names that look coded, below one \
registered domain, to which nobody connects.",
    why: "\
DNS leaves nearly every network, through resolvers that nobody suspects. Whoever owns a domain reads what is asked below \
it: stolen data in labels (ATT&CK T1048), and commands in the answers (T1071.004, T1572).",
    how: "\
Of each lookup the labels below the registered domain count: the last two labels, three where a country registers names \
for others (`co.uk`), and one below the well-known parents that are rented out (`s3.amazonaws.com`, `cloudfront.net`). A \
label looks coded if it has 16 characters or more and digits and letters alternate often (once in eight), or vowels are \
rarer than in words (below 28 % of letters), or if it has 40. A name bears data with 20 such characters or more.

Different names that bear data are counted below each domain over 10 minutes and over 6 hours, those to which this host \
then connects apart. Where fewer than half are connected to, the number is compared with chance. Paxson and others found \
that 4 kB a day below one domain bound what ordinary hosts ask: 170 such names at most. Expected is a day's quarter (43) \
within 10 minutes, and a whole day's (170) within 6 hours; the line is the smallest count whose Poisson tail is at most \
alpha, which is the test's part of the false-alarm budget: false_incidents_per_week / detectors that test / 2 tests / \
(1,024 domains x steps of a week). With 8 detectors and a budget of 1 the lines are about 86 and 250.

Never counted: names below `.arpa` (reverse lookups), names of one's own networks (`.local`, `.internal`, `.lan`, `.home`, \
`.corp`, `.consul`, `.localhost`, names without a dot), and what lies below `ignore`: lists of senders and files that are \
asked by DNS on purpose.

Severity: medium; high where the names bear 32 KiB or more, or where most questions are for TXT, NULL, CNAME or MX, which \
bring data back. Confidence 0.7; 0.85 with those types. At most 0.5 in the first `[learning] period`. The actor is the \
program that asked, where it is one alone (it may be this host's resolver).",
    limits: "\
Only DNS in clear is read. A tunnel below the line (a name every two minutes) is not told, nor one whose names are made of \
words. Whoever connects to the answers of half his names hides. Without the public suffix list a parent that is rented out \
and not known here counts as one domain. Domains beyond 1,024 at a time are given up, those with the fewest names first, and \
counted.",
    false_positives: "\
A service that asks for digests by DNS (antivirus, reputation) and is not in `ignore`; measurements of the network that ask \
for random names.",
    references: &[
        "V. Paxson, M. Christodorescu, M. Javed, J. Rao, R. Sailer, D. Schales, M. Stoecklin, K. Thomas, W. Venema, N. Weaver, Practical Comprehensive Bounds on Surreptitious Communication over DNS, USENIX Security (2013)",
        "https://attack.mitre.org/techniques/T1071/004/",
        "https://attack.mitre.org/techniques/T1048/",
        "https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4",
        "https://publicsuffix.org/",
    ],
};
