//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Pairs of program and new destination that are looked at.
pub(super) const MOST_PAIRS: usize = 1_024;
/// Share of intervals that are like the median, by chance; see [`super::calls`].
pub(super) const SHARE_INSIDE: f64 = 0.245;
/// Correlation of intervals of one destination: people's come in bursts.
pub(super) const RHO: f64 = 0.02;

/// Regular calls to a new destination.
pub(super) const RHYTHM: Test = Test {
    name: "intervals between calls to a new destination",
    subjects: MOST_PAIRS as u32,
    step: Duration::from_mins(10),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "beaconing",
    ioc: Some(8),
    pillar: Pillar::Infrastructure,
    // What calls once an hour stays one occurrence.
    quiet: Duration::from_hours(6),
    owasp_api: &[],
    attack: &["T1071", "T1571", "T1573", "T1029"],
    tests: &[RHYTHM],
    detects: "\
A program of this host that calls a destination outside, which it was not known to reach, again and again at about the same \
interval: from seconds to hours, with chance of up to a third in it.",
    why: "\
Who has got in has to ask for orders: implants and loaders call home by a clock (ATT&CK T1071), over whatever gets out \
(T1571, T1573). They add chance to the interval, since a clock is seen. Each call is small and like any other request; that it \
comes every so often, day and night, is what gives it away.",
    how: "\
Calls: connections to outside (TCP and UDP, also those that failed) by program (executable's path with versions folded; in any \
container the same) and destination (the domain that somebody registered or rented; without a name the network, /24 or /48), \
by when they began. What follows within 2 s is the same call. DNS is left out. Captures know no programs: there it is the host.

Known destinations are never judged: those that the program reached during learning (`[learning] period` from its first \
sight) or for as long without any rhythm. So telemetry, health checks, webhooks, clocks and mirrors are silent, as long as \
they are the ones that were there.

Of the latest 16, 24 and 48 intervals those are counted that lie within 35 % of their median. Were calls independent of each \
other (exponential intervals), 24.5 % would. The line is the smallest number whose beta-binomial tail, with a correlation of \
0.02 since people come in bursts, is at most alpha: of 16 all or nearly all, of 24 about 22, of 48 about 38. So sixteen \
calls are enough where nothing else goes there, be it once an hour, and a fifth of other calls hides nothing.

This is what RITA scores and BAYWATCH verifies, as a test with a risk that is known. RITA takes the dispersion (median absolute \
deviation) and the skew of intervals and their sizes, and ranks hosts for a person who looks; its score has no false-alarm \
rate. BAYWATCH finds candidate periods in a periodogram, by a threshold from permutations, and verifies them by \
autocorrelation: that copes with several periods at once and with calls that are missing, but needs the whole series in bins, \
and jitter of a third smears the peak. Counting what is near the median needs the latest 48 intervals alone, does not care for \
outliers, and its tail is exact.

Alpha is the test's part of the false-alarm budget: false_incidents_per_week / detectors that test / (1,024 pairs x ten \
minutes of a week).

Severity: medium; high for a destination without a name, one that is on a threat list, or a program in a folder that anyone may \
write to; low where other programs of this host know the destination. Confidence 0.7; 0.8 where the calls send about the same \
number of bytes, too; 0.4 where the destination is known to others. While learning only a program in a folder that anyone may \
write to, or a listed destination, is told: at most 0.5.",
    limits: "\
What called before the end of learning is known. Several connections that stay open, and messages within one, are one call \
each. Chance of more than a third, periods that follow no median (doubled after each failure), calls less often than one in two \
days, and call-backs hidden among a program's ordinary calls to the same domain are not seen. Destinations inside are not \
judged: services poll each other. 1,024 pairs are looked at; those with the fewest calls are given up first and counted.",
    false_positives: "\
A service that was added after learning and reports by a clock: an agent, a health check, a job that polls. It is new and \
regular, and somebody should know of it: `monitor allow`, or it counts as known after `adopt_after` (1 day).",
    references: &[
        "X. Hu, J. Jang, M. Stoecklin, T. Wang, D. Schales, D. Kirat, J. Rao, BAYWATCH: robust beaconing detection to identify infected hosts in large-scale enterprise networks, DSN (2016)",
        "https://www.activecountermeasures.com/free-tools/rita/ (RITA: dispersion and Bowley skewness of intervals)",
        "https://attack.mitre.org/techniques/T1071/",
        "https://attack.mitre.org/techniques/T1029/",
        "https://www.rfc-editor.org/rfc/rfc8305#section-5",
    ],
};
