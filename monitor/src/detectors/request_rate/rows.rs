//! What was learned, as rows: the host's, the crowd's, endpoints' and those of who asks, a row for each baseline.

use std::sync::Arc;

use super::RequestRate;
use super::doc::MOST_ENDPOINTS;
use super::subject::{Place, Sent};
use super::{LONG, MOST_OWN};
use crate::baseline::asker::Asker;
use crate::baseline::pace::Pace;
use crate::baseline::seasonal::Seasonal;
use crate::baseline::{Change, Row};
use crate::time::Timestamp;

/// Subjects that are no endpoints, which all have a method first.
const HOST: &str = "(host)";
const CROWD: &str = "(crowd)";
/// Before the name of who asks.
const OWN: &str = "(own) ";
/// Members.
const FIVE_MINUTES: &str = "5m";
const HOUR: &str = "1h";

pub(super) fn export(rate: &mut RequestRate) -> Vec<Change> {
    let mut changes = rate.beginning.export_dirty();
    let now = rate.long.begin().unwrap_or(Timestamp::ZERO);
    let mut put = |subject: &Arc<str>, born: Timestamp, [short, long]: [Option<&mut Pace>; 2]| {
        for (member, pace) in [(FIVE_MINUTES, short), (HOUR, long)] {
            let detail = pace.and_then(Pace::export);
            changes.extend(detail.map(|detail| {
                Change::Put(Row {
                    subject: Arc::clone(subject),
                    member: member.into(),
                    first: born,
                    last: now,
                    count: 0,
                    marks: 0,
                    detail: Some(detail.into()),
                })
            }));
        }
    };
    let host = &mut rate.host;
    put(&HOST.into(), host.born, [Some(&mut host.short), Some(&mut host.long)]);
    let crowd = &mut rate.crowd;
    put(
        &CROWD.into(),
        Timestamp::ZERO,
        [Some(&mut crowd.short), Some(&mut crowd.long)],
    );
    for (endpoint, place) in rate.endpoints.iter_mut() {
        put(endpoint, place.born, [Some(&mut place.short), Some(&mut place.long)]);
    }
    for (_, sent) in rate.askers.iter_mut() {
        if let (Some(who), Some(own)) = (&sent.who, &mut sent.own)
            && own.hours() > 0
        {
            let subject = format!("{OWN}{}", who.text()).into();
            put(&subject, sent.born, [None, Some(own)]);
        }
    }
    changes
}

pub(super) fn import(rate: &mut RequestRate, rows: Vec<Row>, now: Timestamp) {
    let whole: Vec<Row> = rows.iter().filter(|row| row.subject.is_empty()).cloned().collect();
    rate.beginning.import(&whole, now);
    for row in rows {
        let Some(seasonal) = row.detail.as_deref().and_then(Seasonal::decode) else {
            continue;
        };
        let (born, last) = (row.first.min(now), row.last.min(now) + LONG);
        let pace = Pace::with(seasonal);
        let is_short = &*row.member == FIVE_MINUTES;
        let place = |place: &mut Place| {
            place.born = born;
            *if is_short { &mut place.short } else { &mut place.long } = pace.clone();
        };
        match &*row.subject {
            HOST => place(&mut rate.host),
            CROWD if is_short => rate.crowd.short = pace,
            CROWD => rate.crowd.long = pace,
            own if own.starts_with(OWN) => {
                let Some(who) = Asker::parse(&own[OWN.len()..]).filter(|_| rate.own < MOST_OWN) else {
                    continue;
                };
                let (key, mut sent) = (who.key(), Sent::new(born, Some(who)));
                sent.own = Some(Box::new(pace));
                rate.own += 1;
                rate.askers.see_or_make(last, &key, || sent, Sent::weight);
            }
            _ if rate.endpoints.len() < MOST_ENDPOINTS || rate.endpoints.get(&row.subject).is_some() => {
                place(
                    rate.endpoints
                        .see_or_make(last, &row.subject, || Place::new(born), Place::weight),
                );
            }
            _ => {}
        }
    }
}
