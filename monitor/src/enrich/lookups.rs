//! DNS queries and their answers, paired.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::names::Names;
use crate::event::FlowId;
use crate::protocol::dns::{AnswerValue, DnsMessage, Question};
use crate::record::{DnsRecord, ProcessRef};
use crate::time::Timestamp;

/// Queries that wait for an answer; the oldest is told without one for a newer one.
const MAX_PENDING: usize = 8_192;
/// A query not answered for this long is told without an answer (resolv.conf(5): 5 s a try by default).
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers listed in a record.
const MAX_ANSWERS: usize = 32;

/// Queries under way.
#[derive(Debug, Default)]
pub struct Lookups {
    pending: FxHashMap<(FlowId, u16), Pending>,
    /// In order of asking; an entry whose query has been answered is stale.
    order: VecDeque<(Timestamp, FlowId, u16)>,
}

#[derive(Debug)]
struct Pending {
    asked: Timestamp,
    question: Question,
    process: Option<ProcessRef>,
}

impl Lookups {
    /// Takes a message. A response gives its record, and teaches `names`.
    pub fn take(
        &mut self,
        now: Timestamp,
        (flow, netns): (FlowId, u64),
        message: DnsMessage,
        process: Option<ProcessRef>,
        names: &mut Names,
        out: &mut Vec<DnsRecord>,
    ) {
        let key = (flow, message.id);
        if !message.response {
            let Some(question) = message.question else { return };
            // Asked again: the first try keeps its time.
            if self.pending.contains_key(&key) {
                return;
            }
            self.pending.insert(
                key,
                Pending {
                    asked: now,
                    question,
                    process,
                },
            );
            self.order.push_back((now, flow, message.id));
            while self.order.len() > MAX_PENDING {
                self.give_up_oldest(out);
            }
            return;
        }
        let asked = self.pending.remove(&key);
        let Some(question) = asked.as_ref().map(|p| p.question.clone()).or(message.question) else {
            return;
        };
        let name: Arc<str> = question.name.into();
        let mut answers = Vec::new();
        for answer in &message.answers {
            // Only what was asked for: else whoever sends to a UDP port of this host could name any address.
            if let AnswerValue::Address(address) = answer.value
                && asked.is_some()
            {
                names.learn(now, netns, address, &name, answer.ttl);
            }
            if answers.len() < MAX_ANSWERS {
                answers.push(match &answer.value {
                    AnswerValue::Address(address) => address.to_string(),
                    AnswerValue::Cname(text) | AnswerValue::Other(text) => text.clone(),
                });
            }
        }
        out.push(DnsRecord {
            flow,
            process: process.or_else(|| asked.as_ref().and_then(|p| p.process.clone())),
            name,
            qtype: question.qtype,
            rcode: message.rcode.map(str::to_owned),
            answers,
            latency_us: asked.map(|p| u64::try_from(now.since(p.asked).as_micros()).unwrap_or(u64::MAX)),
        });
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.order.front().map(|(asked, ..)| *asked + PATIENCE)
    }

    /// Tells the queries that no answer came for.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Vec<DnsRecord>) {
        while self.order.front().is_some_and(|(asked, ..)| *asked + PATIENCE <= now) {
            self.give_up_oldest(out);
        }
    }

    /// The input is over: tells all that wait.
    pub fn finish(&mut self, out: &mut Vec<DnsRecord>) {
        while !self.order.is_empty() {
            self.give_up_oldest(out);
        }
    }

    fn give_up_oldest(&mut self, out: &mut Vec<DnsRecord>) {
        let Some((asked, flow, id)) = self.order.pop_front() else {
            return;
        };
        if self.pending.get(&(flow, id)).is_none_or(|p| p.asked != asked) {
            return;
        }
        let Some(pending) = self.pending.remove(&(flow, id)) else {
            return;
        };
        out.push(DnsRecord {
            flow,
            process: pending.process,
            name: pending.question.name.into(),
            qtype: pending.question.qtype,
            rcode: None,
            answers: Vec::new(),
            latency_us: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::dns::Answer;

    const FLOW: FlowId = FlowId {
        cookie: 1,
        generation: 1,
    };

    fn message(id: u16, response: bool) -> DnsMessage {
        let question = Question {
            name: "api.example".to_owned(),
            qtype: "A".to_owned(),
        };
        let answer = Answer {
            name: "edge.example".to_owned(),
            ttl: 5,
            value: AnswerValue::Address("203.0.113.7".parse().unwrap()),
        };
        DnsMessage {
            id,
            response,
            rcode: response.then_some("NOERROR"),
            question: Some(question),
            answers: if response { vec![answer] } else { Vec::new() },
            truncated: false,
        }
    }

    #[test]
    fn a_response_names_its_address_by_the_question() {
        let (mut lookups, mut names, mut out) = (Lookups::default(), Names::default(), Vec::new());
        let at = Timestamp::from_micros;
        lookups.take(at(1_000), (FLOW, 7), message(9, false), None, &mut names, &mut out);
        lookups.take(at(3_500), (FLOW, 7), message(9, true), None, &mut names, &mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(
            (out[0].latency_us, out[0].answers.as_slice()),
            (Some(2_500), ["203.0.113.7".to_owned()].as_slice())
        );
        let name = names.of(at(4_000), 7, "203.0.113.7".parse().unwrap());
        assert_eq!(name.map(AsRef::as_ref), Some("api.example"));
        lookups.finish(&mut out);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn silence_is_told() {
        let (mut lookups, mut names, mut out) = (Lookups::default(), Names::default(), Vec::new());
        lookups.take(
            Timestamp::ZERO,
            (FLOW, 7),
            message(9, false),
            None,
            &mut names,
            &mut out,
        );
        let due = lookups.poll_timeout().unwrap();
        assert_eq!(due, Timestamp::from_secs(5));
        lookups.handle_timeout(due, &mut out);
        assert_eq!((out.len(), out[0].rcode.as_deref()), (1, None));
        assert_eq!(lookups.poll_timeout(), None);
    }
}
