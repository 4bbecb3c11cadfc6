//! What the detector says of itself.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Sources with several browsers that are remembered.
pub(super) const MOST_ROSTERS: usize = 4_096;

/// A window of a day is judged as it fills: about four looks that have little to do with each other.
pub(super) const FRESH: Test = Test {
    name: "new browsers of a source in a day",
    subjects: MOST_ROSTERS as u32,
    step: Duration::from_hours(6),
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "user_agent",
    ioc: None,
    pillar: Pillar::Tools,
    // A scan that pauses stays one occurrence.
    quiet: Duration::from_mins(30),
    owasp_api: &["API8:2023"],
    attack: &["T1595.002", "T1036"],
    // The rest is by rules: a scanner says so, and one program is not three browsers.
    tests: &[FRESH],
    detects: "\
Requests whose `User-Agent` is that of a scanner; and one program that gives itself out for several: agents that rotate on \
one source, one connection or one identity.",
    why: "\
Scanners in common use say their names unless told not to (ATT&CK T1595.002). Whoever scrapes or tries credentials changes \
his agent with each request, so that a rule that counts by agent does not see him (T1036); the order in which the program \
writes its header fields stays.",
    how: "\
Scanners: by a kept list of names, for each request to this host. One alert a source (an address, of IPv6 a /64). Medium \
where a request was answered with success, low where all were refused. Confidence 0.9.

Rotation: of a source whose agent changes, what it sent within 10 minutes is kept: agent, fingerprint (the order and case \
of header fields), connection, and the token or session if there is one. It is told where, under one fingerprint,
- three engines of browsers are claimed (Gecko, Blink, WebKit, Trident) with four agents or more: each engine writes its \
fields in an order of its own, so that people behind one address have several fingerprints;
- on one connection two engines are claimed with three agents or more: a connection is one program's;
- one token or session comes with five agents or more: a browser and an app are two, and a new release is three.
Medium. Confidence 0.8 by engines, 0.7 by identity.

Browsers that nobody had before: what this host has met is kept in two filters of fixed size. Of each source that shows \
several browsers those that nobody had shown here before are counted within a day, beside the first. The line is the smallest \
number whose tail in a negative binomial distribution is at most alpha; mean and scatter are learned from sources of several \
browsers (at first a new one of every other source, as of twenty), a source counting up to three times what is usual, and one \
that was told of not at all. Besides, most of what it shows must be new, and it must not come back to each name more often \
than four times: people do. Browsers are met from the beginning, counted from the middle of the first `[learning] period` \
(and not before a day has passed) and judged after it. Alpha is the test's part of the false-alarm budget, as `monitor status` \
shows. Medium, confidence 0.7.

At most 0.5 in the first `[learning] period`.",
    limits: "\
Whoever gives himself out for one browser, always the same, is not seen here but by `client_fingerprint`. A tool that \
changes only among browsers that others have looks like people behind one address, and is not told. Names that are no \
browser's are not counted as new. Nothing is counted by API keys, which a fleet shares. Of a source 64 agents are \
remembered, and 128 new or changed browsers a day; 4,096 sources with several.",
    false_positives: "\
A proxy before this host that rewrites headers into one order and is not in `[clients] trusted_proxies`; a test suite that \
tries browsers; a scan that was ordered (`monitor allow user_agent --actor …`).",
    references: &[
        "https://attack.mitre.org/techniques/T1595/002/",
        "https://attack.mitre.org/techniques/T1036/",
        "https://www.rfc-editor.org/rfc/rfc9110#section-10.1.5",
        "https://www.rfc-editor.org/rfc/rfc9110#section-5.3",
    ],
};
