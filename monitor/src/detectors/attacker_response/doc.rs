//! What the detector says of itself, and what it tests.

use std::time::Duration;

use crate::alert::Pillar;
use crate::baseline::budget::Test;
use crate::detectors::DetectorDoc;

/// Who was refused lately, and is remembered.
pub(super) const MOST_IDENTITIES: usize = 4_096;
pub(super) const MOST_SOURCES: usize = 4_096;
pub(super) const MOST_PROGRAMS: usize = 1_024;

/// The window slides by each change; what changes in it within an hour counts as one test.
const STEP: Duration = Duration::from_hours(1);

pub(super) const IDENTITY: Test = Test {
    name: "changes of an identity after it was refused",
    subjects: MOST_IDENTITIES as u32,
    step: STEP,
};
pub(super) const SOURCE: Test = Test {
    name: "changes of an address after it was refused",
    subjects: MOST_SOURCES as u32,
    step: STEP,
};
pub(super) const PROGRAM: Test = Test {
    name: "changes of a program after it was refused",
    subjects: MOST_PROGRAMS as u32,
    step: STEP,
};

/// What the manual and `monitor explain` say.
pub const DOC: DetectorDoc = DetectorDoc {
    name: "attacker_response",
    ioc: None,
    pillar: Pillar::Behavior,
    // Who changes once an hour stays one occurrence.
    quiet: Duration::from_hours(6),
    owasp_api: &["API4:2023", "API6:2023"],
    attack: &["T1090.003", "T1036", "T1665"],
    tests: &[IDENTITY, SOURCE, PROGRAM],
    detects: "\
Who is refused (403, 429, or no answers any more), drops that address or name, and goes on within seconds or minutes as somebody \
else: one key, account or session from another address or with another program; one address under another user agent; one program \
from another address. Again and again, also once an hour.",
    why: "\
People who are refused stop, wait or ask. Who is ready with the next address of a pool of proxies (ATT&CK T1090.003) or the next \
false name (T1036) within seconds is a program that was made for it, and every block that is set against it alone will be \
answered in the same time. That time is told, here and in the incident.",
    how: "\
A request is refused if it is answered with 403 or 429. Answers of 401 to credentials that were never good, failed logins, and \
requests that are not answered at all count from the third in a row on; a token that has expired does not. Whoever is refused is remembered for a day: \
the identity that this host had accepted before, the address (the /64 of IPv6), and the program (the order in which it writes its \
fields). Each of them shows *faces*: addresses with agents, agents, addresses.

A change is a face that was not seen for ten minutes, and that appears within a minute (or within a quarter of an hour) after \
another face was refused, which is silent from then on: if that one comes back within ten minutes, it had only waited, and \
nothing is counted; nor is it while the new face gets blocks, silence or errors alone, as everybody does while something is wrong. A refused \
face is left once. What an identity does is no change of its program.

How many of the refused faces of a day may be left by chance follows from how often new faces appear anyway, which is counted from the \
first refusal on: all that do not follow a refusal, plus one in an hour, over the time; or those of this hour and the last, \
where that is more. From that rate comes the chance that one appears within the minute (or quarter of an hour); so many of so many changes are compared \
with the upper tail of a beta-binomial distribution with that mean and a correlation of 0.03. Alpha is the part of the \
budget: false_incidents_per_week / detectors that test / 3 tests / (4,096 identities or addresses, 1,024 programs x 168 hours), \
half of it for each of the two times. With a budget of 1 a program that does nothing else is told at the eighth change; what has \
many faces anyway (a browser, a key of a fleet, an office behind one address) hardly ever.

Observed is half of the reaction times (median), in seconds. Severity: medium, high where three of four refusals were answered so. Confidence: 0.7 for identities and \
addresses, 0.6 for programs; at most 0.5 in the first `[learning] period`.",
    limits: "\
Who uses all his addresses all the time and not one after the other is not told, nor who waits for longer than a quarter of an \
hour, nor one who comes back to a refused address within ten minutes. Who changes address, program and credential at once \
leaves nothing to be known by. A common program that many use hides who uses it: the identity or address may tell. Blocks \
that are set before this host are seen as silence alone, where connections still come through. What goes beyond the bounds is given up, those with the fewest refusals first, and counted.",
    false_positives: "\
Tests of a rate limit from several machines in turn; a crawler that changes addresses whenever it is told to slow down. `monitor allow \
attacker_response --actor FINGERPRINT` says so.",
    references: &[
        "https://attack.mitre.org/techniques/T1090/003/",
        "https://owasp.org/API-Security/editions/2023/en/0xa6-unrestricted-access-to-sensitive-business-flows/",
        "RFC 6585 section 4 (429), RFC 9110 sections 10.2.3 (Retry-After) and 15.5.4 (403)",
    ],
};
