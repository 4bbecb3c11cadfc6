//! What the detector says of itself.

use std::time::Duration;

use crate::alert::Pillar;
use crate::detectors::DetectorDoc;

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "response_volume",
    ioc: Some(4),
    pillar: Pillar::Behavior,
    quiet: Duration::from_hours(2),
    owasp_api: &["API4:2023", "API6:2023"],
    attack: &["T1567", "T1030", "T1048"],
    // Nothing is learned yet, and chance has no part in a bound.
    tests: &[],
    detects: "\
A response of this host that announces far more bytes than any answer of an API has, at its header, so while it begins; and an \
identity, or a client without one, that was sent as much within a day.",
    why: "\
Data leaves through the API itself: an export that was never meant to be whole, an endpoint without a limit (OWASP \
API4:2023), someone who fetches everything (ATT&CK T1567). A response of many terabytes takes hours: there is time to stop \
it, if it is told at its beginning.",
    how: "\
Announced: `Content-Length` of a response with a body, over HTTP/1 and HTTP/2. The line is `announced_bytes` (1 TB). It is a \
bound, not a statistic: object stores take single objects up to some terabytes, and of all that an API answers nothing is \
near; at 10 Gbit/s a terabyte takes 13 minutes. A response is not told if 3 other clients were announced half as much or \
more at the same endpoint within the last day: then that is what is to be had there.

Sum: body bytes of responses of 64 KiB and more to one identity (account, else key, token, session that this host \
accepted; else the address of the client) within 24 hours, by hours. The line is `bytes_a_day` (1 TB). It is not told if \
3 others were sent half as much or more.

Expected is the largest body of 64 KiB or more that the endpoint was seen to give within a day before, for comparison; the \
line does not depend on it until baselines are learned.

Severity: high for what is announced, since it can still be stopped; medium for a sum. Confidence: 0.5 for what is \
announced, the most without a baseline; 0.3 for a sum, which a backup has too.",
    limits: "\
Chunked responses and those of unknown length announce nothing and count in the sum, at their end. A sum below the line, or of \
responses below 64 KiB, or over many identities, is not told here. 4,096 recipients and 1,024 endpoints are remembered; more \
are given up (those with the fewest bytes first) and counted.",
    false_positives: "\
A backup or a mirror of more than a terabyte a day (raise `bytes_a_day`, or allow its actor); a server that announces a wrong \
length.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/",
        "https://attack.mitre.org/techniques/T1567/",
        "https://www.rfc-editor.org/rfc/rfc9110#section-8.6",
        "https://docs.aws.amazon.com/general/latest/gr/s3.html (largest object)",
    ],
};
