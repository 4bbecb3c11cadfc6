//! An upload, as an alert says it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Standing;
use super::doc::DOC;
use super::pair::Pair;
use super::requests::Requests;
use crate::alert::{Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::beginning::Beginning;
use crate::baseline::ledger::Excess;
use crate::baseline::program::is_unsettled;
use crate::enrich::identity::{Identity, IdentityKind};
use crate::finding::Finding;
use crate::finding::words::{actor_of, bytes, path_of, who};
use crate::record::{FlowRecord, HttpRecord, ParentRef};
use crate::time::Timestamp;

/// So many times the line is much more than a job that has grown.
const FAR_BEYOND: u64 = 10;

/// Where it goes.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// To one destination, which other programs of this host may know.
    One { place: Arc<str>, elsewhere: bool },
    /// To several that are new.
    Many,
}

/// The finding; `told` is how many records no other has counted, and since when.
pub(super) fn finding(
    pair: &mut Pair,
    place: &Place,
    standing: Standing,
    excess: &Excess,
    (count, began): (u64, Timestamp),
    requests: &mut Requests,
    beginning: &Beginning,
) -> Option<Finding> {
    let name = match place {
        Place::One { place, .. } => Arc::clone(place),
        Place::Many => "several".into(),
    };
    let target = pair.target(&name);
    let lead = pair.lead.as_ref()?;
    let last = pair.ledger.told.map_or(began, |told| told.last);
    let request = lead.parent.as_ref().and_then(|parent| requests.tell(parent));
    let shown = shown(pair, place);
    let amount = bytes(excess.sum);
    let severity = severity(pair, lead, place, standing, excess);
    let confidence = match (place, standing) {
        (_, Standing::Learning) => 0.3,
        (Place::One { elsewhere: true, .. }, _) => 0.5,
        (_, Standing::New) | (Place::Many, Standing::Known) => 0.7,
        (Place::One { .. }, Standing::Known) if excess.sum <= pair.ledger.amounts.greatest(excess.over) => 0.4,
        (Place::One { .. }, Standing::Known) => 0.6,
    };
    let mut samples = vec![Sample::Flow(Arc::clone(lead))];
    samples.extend(request.clone().map(Sample::Http));
    let counted = lead.counters.sent.saturating_add(lead.counters.received);
    Some(Finding {
        detector: &DOC,
        first_seen: began,
        last_seen: last.max(began),
        count,
        severity,
        confidence: beginning.cap(last, confidence),
        title: format!("{amount} sent to {shown}"),
        summary: summary(pair, place, standing, excess, lead, request.as_deref(), requests),
        actor: actor_of(lead.process.as_ref()),
        target: Target {
            destination: Some(target),
            ..Target::default()
        },
        evidence: evidence(place, standing, excess, samples),
        coverage: (counted > 0).then(|| (lead.coverage.understood_bytes as f64 / counted as f64).min(1.0) as f32),
    })
}

fn severity(pair: &Pair, lead: &FlowRecord, place: &Place, standing: Standing, excess: &Excess) -> Severity {
    let exe = path_of(lead.process.as_ref());
    let is_listed = lead.remote_whereabouts.as_ref().is_some_and(|at| at.listed.is_some());
    let is_new = standing == Standing::New && matches!(place, Place::One { elsewhere: false, .. });
    if is_listed || (is_new && exe.as_deref().is_some_and(is_unsettled)) {
        return Severity::Critical;
    }
    match (place, standing) {
        (_, Standing::Learning) => Severity::Medium,
        (Place::Many, _) | (Place::One { elsewhere: false, .. }, Standing::New) => Severity::High,
        // As much was sent there before, at another hour.
        (Place::One { .. }, Standing::Known) if excess.sum <= pair.ledger.amounts.greatest(excess.over) => {
            Severity::Low
        }
        (Place::One { .. }, _) if excess.sum / FAR_BEYOND >= excess.norm.line => Severity::High,
        (Place::One { .. }, _) => Severity::Medium,
    }
}

/// The sentence: the request that caused it first, where that is known.
fn summary(
    pair: &Pair,
    place: &Place,
    standing: Standing,
    excess: &Excess,
    lead: &FlowRecord,
    request: Option<&HttpRecord>,
    requests: &Requests,
) -> String {
    let mut text = String::new();
    let amount = bytes(excess.sum);
    if let Some(parent) = &lead.parent {
        cause(&mut text, parent, request, lead, &amount);
    } else {
        // Captures know no processes.
        let who = lead.process.as_ref().map(|process| who(Some(process)));
        let _ = write!(text, "{} sent {amount}", who.as_deref().unwrap_or("This host"));
    }
    let _ = write!(text, " to {} within {}", shown(pair, place), excess.over.name());
    let program = path_of(lead.process.as_ref()).unwrap_or_else(|| "this host".to_owned());
    let _ = match (place, standing) {
        (_, Standing::Learning) => write!(text, "; what is usual is not known yet"),
        (Place::Many, Standing::New | Standing::Known) => {
            let most = pair.named().join(", ");
            write!(text, ", most to {most}, none seen before that day from {program}")
        }
        (Place::One { elsewhere: true, .. }, Standing::New) => {
            write!(
                text,
                ", never seen before from {program}, though from other programs here"
            )
        }
        (Place::One { .. }, Standing::New) => write!(text, ", never seen before from {program}"),
        (Place::One { .. }, Standing::Known) if excess.norm.usual == 0 => {
            let most = bytes(pair.ledger.amounts.greatest(excess.over));
            write!(text, ", where {most} is the most that {program} has sent before")
        }
        (Place::One { .. }, Standing::Known) => {
            let at = if excess.norm.by_hour {
                " at this hour of the week"
            } else {
                ""
            };
            write!(
                text,
                ", where {} {} usual{at}",
                bytes(excess.norm.usual),
                be(excess.norm.usual)
            )
        }
    };
    let exact = if lead.joined_late {
        "at least so many bytes"
    } else {
        "bytes exact"
    };
    let _ = write!(text, "; {exact}");
    if let Some(share) = request.and_then(|request| requests.coverage(request)) {
        let _ = write!(text, ", {:.0} % of this service seen", share * 100.0);
    }
    text
}

/// "POST /import with key:3fa9 from 203.0.113.9, served by pid 812, caused 41 MB".
fn cause(text: &mut String, parent: &ParentRef, request: Option<&HttpRecord>, lead: &FlowRecord, amount: &str) {
    text.push_str(parent.request.as_deref().unwrap_or("A request"));
    if let Some(identity) = request.and_then(|request| best(&request.identity)) {
        let kind = match identity.kind {
            IdentityKind::Account => "account ",
            IdentityKind::Key | IdentityKind::Token | IdentityKind::Session => "",
        };
        let unproven = if identity.unproven { " (not proven)" } else { "" };
        let _ = write!(text, " with {kind}{}{unproven}", identity.id);
    }
    let client = request
        .and_then(|request| request.client.as_ref())
        .map(|client| client.ip);
    if let Some(client) = client.or(parent.client) {
        let _ = write!(text, " from {client}");
    }
    let process = request
        .and_then(|request| request.process.as_ref())
        .or(lead.process.as_ref());
    if let Some(process) = process {
        let _ = write!(text, ", served by pid {},", process.owner.program.pid);
    }
    if parent.in_flight > 1 {
        let _ = write!(text, " (one of {} requests under way)", parent.in_flight);
    }
    let _ = write!(text, " caused {amount}");
}

fn evidence(place: &Place, standing: Standing, excess: &Excess, samples: Vec<Sample>) -> Evidence {
    let line = bytes(excess.norm.line);
    let span = excess.over.name();
    let method = match (place, standing) {
        (_, Standing::Learning) => "sum of bytes sent to one destination against a bound; nothing is learned yet",
        (Place::Many, _) => "sum of bytes sent by a program to destinations of the latest 24 hours against its history",
        (Place::One { .. }, Standing::New) => "sum of bytes sent to a new destination against a bound",
        (Place::One { .. }, Standing::Known) if excess.norm.by_hour => {
            "sum of bytes sent by program and destination against the same hour of the week"
        }
        (Place::One { .. }, Standing::Known) => "sum of bytes sent by program and destination against its history",
    };
    let would_not_alert = match standing {
        Standing::Learning | Standing::New => format!("Less than {line} within {span}."),
        Standing::Known => format!("Less than {line} within {span}, or as much as was sent there before."),
    };
    Evidence {
        observed: Quantity::Number(excess.sum as f64),
        expected: Quantity::Number(excess.norm.usual as f64),
        threshold: Quantity::Number(excess.norm.line as f64),
        unit: Some("bytes"),
        window_s: excess.over.secs(),
        method,
        would_not_alert,
        samples,
    }
}

/// The account, else key, token, session; those that were accepted first.
fn best(identities: &[Identity]) -> Option<&Identity> {
    identities.iter().min_by_key(|identity| {
        let rank = match identity.kind {
            IdentityKind::Account => 0,
            IdentityKind::Key => 1,
            IdentityKind::Token => 2,
            IdentityKind::Session => 3,
        };
        (identity.unproven, rank)
    })
}

fn shown(pair: &Pair, place: &Place) -> String {
    match place {
        Place::Many => {
            format!("{} new destinations", pair.places.count())
        }
        Place::One { place, .. } => {
            let address = pair.lead.as_ref().and_then(|lead| lead.tuple).map(|tuple| tuple.remote);
            match (&pair.shown, address) {
                (Some(one), Some(address)) if **one == *address.ip().to_string() => address.to_string(),
                (Some(one), Some(address)) => format!("{one} ({address})"),
                (Some(one), None) => one.to_string(),
                (None, Some(_) | None) => place.to_string(),
            }
        }
    }
}

const fn be(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
