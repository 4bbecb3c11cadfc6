//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::baseline::failing::{LATEST_STEP, STEPS};
use crate::detectors::DetectorDoc;

/// Endpoints that are remembered.
pub(super) const MOST_ENDPOINTS: usize = 1_024;

const fn test(name: &'static str, step: Duration) -> Test {
    Test {
        name,
        subjects: MOST_ENDPOINTS as u32,
        step,
    }
}

pub(super) const SLOW: Test = test("slow answers of an endpoint in 15 minutes", STEPS[0]);
pub(super) const SLOW_LONG: Test = test("slow answers of an endpoint in 6 hours", STEPS[1]);
pub(super) const ODD: Test = test("odd answers of an endpoint in 15 minutes", STEPS[0]);
pub(super) const ODD_LONG: Test = test("odd answers of an endpoint in 6 hours", STEPS[1]);
pub(super) const SLOW_LATEST: Test = test("slow answers among the latest of an endpoint", LATEST_STEP);
pub(super) const ODD_LATEST: Test = test("odd answers among the latest of an endpoint", LATEST_STEP);

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "latency_shift",
    ioc: Some(6),
    pillar: Pillar::Behavior,
    quiet: Duration::from_mins(30),
    owasp_api: &["API4:2023", "API8:2023"],
    attack: &["T1499.003", "T1496", "T1565"],
    tests: &[SLOW, SLOW_LONG, SLOW_LATEST, ODD, ODD_LONG, ODD_LATEST],
    detects: "\
An endpoint that answered in milliseconds and now takes far longer; or whose answers are of another status, media type or size \
than they were.",
    why: "\
Requests that are costly on purpose, a host that works for somebody else (ATT&CK T1496) and a dependency that fails show in the \
time of answers first; an application that was changed, or gives what it should not, in their kind and size.",
    how: "\
Of each endpoint the times from a request's last byte to the answer's first, and the sizes of bodies, are kept as histograms \
whose buckets grow with the values (DDSketch), good to a sixteenth; kinds of answer (status and media type) as counts, eight \
at most. They learn hour by hour, and the past counts half once a week. Answers with an error (400 and above) are left out.

An answer is slow if it takes more than twice what 19 of 20 took at most (ten times while learning), and 20 ms at least. It is \
odd if fewer than one of fifty were of its kind, or if it is four times as large as 49 of 50 were at most, or a quarter of \
what they were at least; bodies below 1 KiB are of one size, and 304 is never odd. An endpoint is judged once 200 answers of it are known.

The share of slow answers, and of odd ones, is counted over 15 minutes and over 6 hours, without the three minutes (the \
half hour) that have most: a restart. The line is the smallest number whose tail in a beta-binomial distribution, of the share \
and correlation that were learned (likewise without the worst three minutes of an hour), is at most alpha; and 8 in 15 minutes, 12 in 6 hours; and a quarter of all answers for slow \
(a tenth in 6 hours), half of them for odd ones (a quarter). Where two thirds of them are of one client, it is a matter of what that one asks for, and told from 200 \
on; it is named if others, of whom 10 requests are known, fare better by half, since who only asks most is not to blame. Where few ask, the latest 12, 24 and 48 answers of three hours are looked at as well, without their worst \
three minutes, from 6 slow or odd ones on, if three clients or more have them and none of them half. Where several endpoints are slow at a time the host is told of and none of them.

An hour in which something was told is learned as an eighth of what it is, what comes during an expected event not at all.

Severity: medium; high where half of all answers take ten times as long as usual; low for odd ones. Confidence: 0.8 for slow \
ones, 0.6 for odd ones, 0.5 while learning.",
    limits: "\
What becomes slower by less than a half, or over weeks, is not told. Within TLS nothing is seen of answers. One slow request, \
and an endpoint that was always slow, are nothing. 1,024 endpoints are remembered; those with the fewest answers are given \
up, and counted.",
    false_positives: "\
A release that does more, or answers in another format; a cache that was emptied; a batch that asks for what nobody asked for.",
    references: &[
        "C. Masson, J. E. Rim, H. K. Lee, DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees, PVLDB 12 (2019)",
        "J. C. Kleinman, Proportions with extraneous variance: single and independent samples, JASA 68 (1973)",
        "https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/",
        "https://attack.mitre.org/techniques/T1499/003/",
    ],
};
