//! What the detector says of itself.

use std::time::Duration;

use crate::alert::Pillar;
use crate::detectors::DetectorDoc;

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "unknown_destination",
    ioc: Some(8),
    pillar: Pillar::Infrastructure,
    // An hourly job stays one occurrence.
    quiet: Duration::from_hours(2),
    owasp_api: &["API10:2023"],
    attack: &["T1071", "T1041", "T1567"],
    // It asks whether something was ever seen: a set, no count.
    tests: &[],
    detects: "\
An outbound flow, TCP or UDP, also one that was refused, from a program to a destination that this program was never \
seen to reach; and a program that never called out before on a host whose habits are known.",
    why: "\
Servers talk to few places, and always the same ones. Whoever gets in has to fetch tools, report back and carry data \
out, and nearly always to a place of his own: command and control over ordinary protocols (ATT&CK T1071), exfiltration \
over that channel (T1041) or to a web service (T1567). An API that is talked into calling a third party unsafely \
(OWASP API10:2023) shows the same way.",
    how: "\
Subject: the executable's path, version numbers folded, and its container. A container that is new is judged by what \
the same program reached in other containers until it has its own history.

Destination: the name under which the flow was opened (DNS answer, else TLS server name, else HTTP Host); without a \
name the network, /24 of IPv4 or /48 of IPv6. A known name stays known at every address. The port does not count. \
Eight known names below one parent make every name below it known (`*.cdn.example.net`), unless names below that \
parent are registered for or rented to others (`co.uk`, `s3.amazonaws.com`). A network that was reached without a name \
covers the names in it, and the networks of a known name cover flows there whose name was not seen.

Learning: a set of destinations per subject, with first and last sight and count. A subject learns for `[learning] \
period` (7 days) from its first sight and for `floor` flows (3). With `period = \"0s\"` everything is judged at once. \
After that a destination that is not in the set is an alert. A program first seen when the host as a whole has learned \
for `period` is itself what is new: its first destination is an alert at once, what it reaches in the following day \
joins that alert, and then it learns like any other.

After the alert the destination stays unknown for `adopt_after` (1 day), so that each further flow counts in the open \
alert; if no rule allowed it and nobody stopped it until then, it becomes known and the alert ends. A destination not \
reached for `forget_after` (90 days) is forgotten.

Never judged: flows within the host, loopback, multicast and broadcast (they have no one receiver), and DNS to \
resolvers in `[networks] internal`. DNS elsewhere is judged for the host as a whole, since every program asks its \
resolver; the first resolver seen is taken as given. Link-local unicast is judged like any other: the cloud's metadata \
service (169.254.169.254) is there.

A flow is judged when its program and name are known, when the first answer is in, when it ends, or 3 seconds after it \
opened (two retransmissions of a SYN, RFC 6298), whichever is first.

Severity: low to one of our own networks; medium elsewhere; high where 10 MB or more were sent, where the executable \
lies in a folder that anyone may write to, or where the metadata service was reached while a request was served. \
Confidence: 0.95 (1 - p) with p = (s + 1) / (n + 2), where n is the number of flows seen of the subject and s the \
number of destinations that were seen once: the estimate of Good and Turing for the chance that the next is new, \
smoothed as by Laplace. Half of that where the program is not known.

False-alarm budget: a program with 32 or more destinations in a week that it reached only once (a crawler, a mail \
relay, a proxy) would raise as many alerts a week: for it a new destination is ordinary and is learned in silence \
(counted as `roaming`). More than 10 new destinations of one program within the quiet time share one alert.",
    limits: "\
What an intruder reached before the end of learning is known. A place that the program also uses for good (a bucket of \
the same object store, a page on the same host) is not told apart. Server name and Host are the client's own words and \
can lie; a name from DNS is taken first. Another port of a known destination is not new. Data hidden in DNS to the \
usual resolver, and bulk or periodic traffic to a known destination, are for other detectors. A program that already \
reaches ever new places is not judged. Without the owner of a socket all its kind share the subject `unknown`.",
    false_positives: "\
A new third party, a new region of a cloud, an update server that moved, an administrator's curl. `monitor allow` (or \
`[[allow]]`) says so at once, for a destination, a pattern of names, a network or a program.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xaa-unsafe-consumption-of-apis/",
        "https://attack.mitre.org/techniques/T1071/",
        "https://attack.mitre.org/techniques/T1041/",
        "https://attack.mitre.org/techniques/T1567/",
        "I. J. Good, The population frequencies of species and the estimation of population parameters, Biometrika 40 (1953)",
        "https://publicsuffix.org/",
        "https://www.rfc-editor.org/rfc/rfc6298",
    ],
};
