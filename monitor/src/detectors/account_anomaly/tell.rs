//! What a finding of it says.

use std::sync::Arc;

use super::doc::DOC;
use super::profile::Visit;
use super::usual::Usual;
use crate::alert::{Actor, ActorKind, Evidence, Quantity, Sample, Severity, Target};
use crate::baseline::occurrence::Case;
use crate::finding::Finding;
use crate::record::HttpRecord;

/// Of what is likely and not certain.
const CONFIDENCE: f32 = 0.6;

/// What is known of an occurrence.
#[derive(Clone, Debug)]
pub(super) struct Told {
    account: Arc<str>,
    words: Vec<String>,
    asked: u32,
    a_week: f64,
    allowed: f64,
    window_s: u64,
    sample: Arc<HttpRecord>,
}

impl Told {
    pub(super) fn new(
        account: &Arc<str>,
        visit: &Visit,
        usual: &Usual,
        (a_week, allowed): (f64, f64),
        sample: Arc<HttpRecord>,
    ) -> Self {
        Self {
            account: Arc::clone(account),
            words: usual.words(visit),
            asked: visit.asked,
            a_week,
            allowed,
            window_s: sample.end().since(visit.first).as_secs(),
            sample,
        }
    }
}

/// What is to be told of an occurrence now.
pub(super) fn finding(case: &mut Case<Told>) -> Finding {
    let count = case.take();
    let told = &case.what;
    let account = &told.account;
    let client = told.sample.client.as_ref().map(|client| client.ip.to_string());
    let kind = if account.starts_with("key:") {
        ActorKind::Key
    } else {
        ActorKind::Account
    };
    Finding {
        detector: &DOC,
        first_seen: case.first,
        last_seen: case.last,
        count,
        severity: Severity::High,
        confidence: CONFIDENCE,
        title: format!("{account} is not used as it ever was"),
        summary: format!(
            "{account} was used from {} for {} requests with {}: all of it together is not its owner's way",
            client.as_deref().unwrap_or("an unknown address"),
            told.asked,
            told.words.join(", ")
        ),
        actor: Some(Actor {
            kind,
            id: Arc::clone(account),
        }),
        target: Target::default(),
        evidence: Evidence {
            observed: Quantity::List(told.words.clone()),
            expected: Quantity::Text("the hours, programs, networks and endpoints of its visits before".to_owned()),
            threshold: Quantity::Text(format!(
                "{:.4} such visits expected a week, of {:.4} that are borne",
                told.a_week, told.allowed
            )),
            unit: None,
            window_s: told.window_s,
            method: "shares of visits of accounts with habits that have each of it, multiplied, over all visits of a week",
            would_not_alert: "Two of the four alone, or what others do as often.".to_owned(),
            samples: vec![Sample::Http(Arc::clone(&told.sample))],
        },
        coverage: None,
    }
}
