//! What the detector says of itself.

use std::time::Duration;

use crate::alert::Pillar;
use crate::detectors::DetectorDoc;

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "request_anomaly",
    ioc: None,
    pillar: Pillar::Behavior,
    // A scanner that sends a request every few minutes stays one occurrence.
    quiet: Duration::from_mins(30),
    owasp_api: &["API8:2023"],
    attack: &["T1190", "T1595.002", "T1083"],
    // By rules of the protocol: chance has no part in it.
    tests: &[],
    detects: "\
Requests to this host that two servers could read differently (request smuggling), that no client in common use writes \
(control bytes, broken chunks and frames), that wear a server out (floods of HTTP/2), that lead out of the folder they \
name (path traversal), or whose header is longer than servers take.",
    why: "\
A front server and the one behind it that do not agree where a request ends serve an attacker's request under another \
client's name (RFC 9112 section 11.2). Malformed requests look for a parser that breaks (ATT&CK T1190), and `..` in all \
its disguises for a file that was never meant to be served (T1083). They are also how a scanner introduces itself.",
    how: "\
Every transaction of this host as server is judged alone; only what is odd in the request or on its connection counts, \
not in the response.

Desync, at once and high: `Content-Length` and `Transfer-Encoding` together, lengths that differ, odd or unfinal \
transfer codings, a transfer coding in HTTP/1.0, a field that CGI takes for one of these, of HTTP/2 a body that is not as \
long as announced. Floods of HTTP/2, high. Malformed (all other anomalies that `docs/records.md` lists, but for those \
below): medium where the server answered, low where it refused (4xx, 501, 505, or no answer).

Never told alone: repeated equal lengths, a body that has no meaning, bare LF, folded lines, a missing Host, unescaped \
letters in a target, HTTP/0.9, a message after the last: old and careless clients write these every day.

Path traversal: the path, and each parameter of the query, is percent-decoded up to three times, overlong UTF-8 and \
`%u002e` included, and walked with `/` and `\\` as slashes and `;…` cut off. It is told where the path leads above its \
root, or has more steps up than are seen before decoding; a parameter where it has three steps up, one to a file that is \
wanted (`etc/passwd`, `.env`, …), or more after the second decoding than after the first. Steps up in plain sight that \
stay within the path are what careless clients send. High where it was answered with success, low where it was refused or \
redirected (medium from 10 on), else medium. `/static../x` and NUL in a path are told likewise, the former only where it \
succeeded.

Oversize: a header longer than `header_bytes` (32 KiB), low.

Requests that were not seen whole are judged by their framing alone. What one source (an address, of IPv6 a /64) sends is \
one occurrence; within the first second it is put together, unless it is high. Confidence: 0.9 for desync (0.7 where \
refused), 0.8 for floods and traversal, 0.6 for malformed (0.5 where refused), 0.4 for oversize; at most 0.5 in the first \
`[learning] period`.",
    limits: "\
What a server does with a request is seen in its answer's status alone: a smuggled request shows as an ordinary one. An \
application that answers every path with 200 makes refused traversal look successful. Parameters in bodies and headers \
are not looked into. Targets beyond 4 KiB are cut. Requests inside TLS are not seen.",
    false_positives: "\
A program of one's own that writes odd requests (`ordinary = [\"odd_chunk_size\"]`, or `monitor allow`), cookies that \
have grown without end, a security scanner that was ordered.",
    references: &[
        "https://www.rfc-editor.org/rfc/rfc9112#section-11.2",
        "https://www.rfc-editor.org/rfc/rfc9113#section-10.5",
        "https://www.rfc-editor.org/rfc/rfc3629#section-10",
        "https://cwe.mitre.org/data/definitions/444.html",
        "https://cwe.mitre.org/data/definitions/22.html",
        "https://attack.mitre.org/techniques/T1190/",
        "https://nginx.org/en/docs/http/ngx_http_core_module.html#large_client_header_buffers",
    ],
};
