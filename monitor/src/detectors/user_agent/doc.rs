//! What the detector says of itself.

use std::time::Duration;

use crate::alert::Pillar;
use crate::detectors::DetectorDoc;

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "user_agent",
    ioc: None,
    pillar: Pillar::Tools,
    // A scan that pauses stays one occurrence.
    quiet: Duration::from_mins(30),
    owasp_api: &["API8:2023"],
    attack: &["T1595.002", "T1036"],
    // By rules: a scanner says so, and one program is not three browsers.
    tests: &[],
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

At most 0.5 in the first `[learning] period`.",
    limits: "\
Whoever gives himself out for one browser, always the same, is not seen here but by `client_fingerprint`. A tool that \
changes only the version of one engine without a session or token looks like people with one browser behind one address, \
and is not told. Nothing is counted by API keys, which a fleet shares. Of a source 64 agents are remembered.",
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
