//! What the detector says of itself.

use std::time::Duration;

use crate::alert::Pillar;
use crate::detectors::DetectorDoc;

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "shadow_endpoint",
    ioc: None,
    pillar: Pillar::Behavior,
    // What is used daily stays one occurrence.
    quiet: Duration::from_hours(30),
    owasp_api: &["API9:2023", "API8:2023"],
    attack: &["T1190", "T1505.003"],
    // A document names an endpoint or does not.
    tests: &[],
    detects: "\
An endpoint that answers and that no OpenAPI document names. Only where `[openapi] documents` are given.",
    why: "\
What is not in the inventory is not looked after: old versions, debugging routes, metrics and administration that were \
never meant to be reached (OWASP API9:2023), or a file that an intruder put there to come back through (a web shell, \
ATT&CK T1505.003).",
    how: "\
Every transaction of this host as server whose method and path match no template of the documents (paths below their \
`servers`, `HEAD` wherever `GET` is). It is told where it was answered with 2xx, 101, a redirect, or with 5xx that comes \
from the endpoint itself: 501 to 504 are what gateways say for any path, 304 says that a browser has it already. A 404 is \
no endpoint, nor is any other refusal.

Not told: `OPTIONS` (browsers ask before they cross origins) and `CONNECT`; what clients ask everywhere (`/favicon.ico`, \
`/robots.txt`, `/sitemap.xml`, `/.well-known/`, touch icons); and the pieces of a web page (images, fonts, style sheets, \
scripts, by the response's `Content-Type`), which no document of an API lists.

The name is the learned template (`GET /debug/{id}`), so that ids do not make many of one. One alert an endpoint, while it \
is used; beyond 10 at a time the others share one.

Severity: medium where it gave something, low for pages of HTML, redirects and errors. Confidence: 0.9, 0.6 for the \
latter; at most 0.5 in the first `[learning] period`.",
    limits: "\
It knows what the documents say, not what they should. A document with a template such as `/{any}` names everything. \
Parameters and bodies are not compared with the document. Where a server redirects every path, each path is a redirect \
that no document names. Endpoints beyond 4,096 at a time are given up, those used least first, and counted.",
    false_positives: "\
A document that is behind the deployment, a web site beside the API, health checks and metrics that were left out on \
purpose: add them to the document, or `monitor allow shadow_endpoint --endpoint …`.",
    references: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa9-improper-inventory-management/",
        "https://spec.openapis.org/oas/v3.1.0#paths-object",
        "https://attack.mitre.org/techniques/T1505/003/",
        "https://www.rfc-editor.org/rfc/rfc9110#section-15",
    ],
};
