//! What the detector says of itself.

use std::time::Duration;

use crate::alert::Pillar;
use crate::detectors::DetectorDoc;

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "request_forgery",
    ioc: Some(8),
    pillar: Pillar::Behavior,
    quiet: Duration::from_hours(1),
    owasp_api: &["API7:2023"],
    attack: &["T1190", "T1552.005", "T1090"],
    // A destination is named by a request or is not; chance has no part in it.
    tests: &[],
    detects: "\
A connection from this host, or within it, to a place that a request named a moment before: server-side request forgery \
(SSRF). And the cloud's metadata service reached while a request was served.",
    why: "\
A server that fetches what it is told to fetch reaches what its caller cannot: services that trust the network they are in, \
administration on the loopback, and the credentials of the machine at 169.254.169.254 (OWASP API7:2023, ATT&CK T1552.005).",
    how: "\
Of each request to this host the places are kept that it names in its target (URLs and hosts in path and parameters, \
percent-encoded up to twice), in `X-Forwarded-Host`, `X-Original-URL`, `X-Rewrite-URL` and `X-Callback-URL`, in `Referer` \
(but for pages of the site itself, by the last two labels), and in URLs within the first KiB of its body, eight in all; but \
for the host that was asked itself. Addresses are read in every form \
that `inet_aton` takes (`0x7f.1`, `2852039166`). `Host` and `Origin` are not looked into: they name the site.

A flow, outbound or with both ends here, matches where its name or address is that place (and its port, where one is \
written), and it began while the request was under way or within 30 seconds after. Flows are remembered for 60 to 120 seconds.

Live, the kernel says which request the connecting thread had read last. Where it is this one, confidence is 0.95. Where \
that thread served another alone, there is no match. Otherwise, and in a replay, it is 0.8 for the target 0.75 for header \
and body, 0.6 for `Referer`; 0.7 where the thread had several requests.

Metadata (169.254.169.254, fd00:ec2::254, 169.254.170.2, 100.100.100.200): critical, always. Reached during a request \
that did not name it (it may have named a redirect), by a program that was not seen to ask for it on its own before: high, \
confidence half of the parent's, told after 60 seconds.

Internal (`[networks] internal`, loopback, link-local; of `Referer` where it is written as an address): high, unless this host had called that address and port before \
without being told to.

Elsewhere: medium, told after 60 seconds. Not told where this host had called that place before without being told to; \
where three sources or more have named it within the last hour (a partner that every request names); or where five sources \
or more have had places of their own fetched through that endpoint within 30 days (a webhook, a preview: it is made for \
that). What one source does through one endpoint is one alert, of each of the three kinds.

At most 0.5 in the first `[learning] period`. Expected destinations are said in `[[allow]]`.",
    limits: "\
A place behind a redirect, or that is made of parts of a request, is not named. Bodies beyond their first KiB, and \
compressed or encrypted ones, are not looked into. A connection that is kept open serves later requests unseen. A job that \
is done more than 30 seconds later is not tied to its request. Three addresses that name the same place outside look like \
a partner. An internal service that is called anyway is not told apart. 512 flows and 512 requests that name places are \
remembered; those that name a page alone up to half of that. A place outside that was reached through `Referer` once is known then.",
    false_positives: "\
The first webhook to a new receiver, a link preview, an import from a URL: few, and `monitor allow \
request_forgery --destination …` or `--endpoint …` says so. An SDK that first asks for the machine's credentials while it \
serves a request.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa7-server-side-request-forgery/",
        "https://cwe.mitre.org/data/definitions/918.html",
        "https://attack.mitre.org/techniques/T1552/005/",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html",
        "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2",
    ],
};
