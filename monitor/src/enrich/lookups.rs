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

/// Who asks.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Flow that the record names.
    pub flow: FlowId,
    /// Namespace that answers count in.
    pub netns: u64,
    /// Owner of the asking socket.
    pub process: Option<ProcessRef>,
}

impl Lookups {
    /// Takes a message. A response gives its record, and teaches `names`.
    pub fn take(
        &mut self,
        now: Timestamp,
        asker: Asker,
        message: DnsMessage,
        names: &mut Names,
        out: &mut Vec<DnsRecord>,
    ) {
        if message.response {
            self.response(now, asker, &message, names, out);
        } else if let Some(question) = message.question {
            self.query(now, asker, message.id, question, out);
        }
    }

    fn query(&mut self, now: Timestamp, asker: Asker, id: u16, question: Question, out: &mut Vec<DnsRecord>) {
        let key = (asker.flow, id);
        if let Some(before) = self.pending.get(&key) {
            // Asked again: the first try keeps its time.
            if before.question == question {
                return;
            }
            // Another question under its number: nobody would know an answer to the first.
            if let Some(before) = self.pending.remove(&key) {
                out.push(without_answer(asker.flow, before));
            }
        }
        let pending = Pending {
            asked: now,
            question,
            process: asker.process,
        };
        self.pending.insert(key, pending);
        self.order.push_back((now, asker.flow, id));
        while self.order.len() > MAX_PENDING {
            self.give_up_oldest(out);
        }
    }

    fn response(
        &mut self,
        now: Timestamp,
        asker: Asker,
        message: &DnsMessage,
        names: &mut Names,
        out: &mut Vec<DnsRecord>,
    ) {
        let key = (asker.flow, message.id);
        // Only what was asked for: else whoever sends to a port of this host could name any address.
        let answers_it = |pending: &Pending| message.question.as_ref().is_none_or(|q| *q == pending.question);
        let asked = match self.pending.get(&key) {
            Some(pending) if answers_it(pending) => self.pending.remove(&key),
            Some(_) | None => None,
        };
        let Some(question) = asked
            .as_ref()
            .map(|p| p.question.clone())
            .or_else(|| message.question.clone())
        else {
            return;
        };
        let name: Arc<str> = question.name.into();
        // A resolver on this host asks for others; their own question to it is another lookup.
        let pid = asker.process.as_ref().map(|process| process.owner.program.pid);
        if asked.is_some() {
            for (address, ttl) in message.addresses(&name) {
                names.learn(now, (asker.netns, pid), address, &name, ttl);
            }
        }
        let answers = message
            .answers
            .iter()
            .take(MAX_ANSWERS)
            .map(|answer| match &answer.value {
                AnswerValue::Address(address) => address.to_string(),
                AnswerValue::Cname(text) | AnswerValue::Other(text) => text.clone(),
            });
        out.push(DnsRecord {
            flow: asker.flow,
            name,
            qtype: question.qtype,
            rcode: message.rcode.map(str::to_owned),
            answers: answers.collect(),
            truncated: message.truncated,
            latency_us: asked
                .as_ref()
                .map(|p| u64::try_from(now.since(p.asked).as_micros()).unwrap_or(u64::MAX)),
            process: asker.process.or_else(|| asked.and_then(|p| p.process)),
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
        if let Some(pending) = self.pending.remove(&(flow, id)) {
            out.push(without_answer(flow, pending));
        }
    }
}

fn without_answer(flow: FlowId, pending: Pending) -> DnsRecord {
    DnsRecord {
        flow,
        process: pending.process,
        name: pending.question.name.into(),
        qtype: pending.question.qtype,
        rcode: None,
        answers: Vec::new(),
        truncated: false,
        latency_us: None,
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
    const ADDRESS: &str = "203.0.113.7";

    #[derive(Default)]
    struct Bench {
        lookups: Lookups,
        names: Names,
        out: Vec<DnsRecord>,
    }

    impl Bench {
        fn take(&mut self, micros: u64, message: DnsMessage) {
            let asker = Asker {
                flow: FLOW,
                netns: 7,
                process: None,
            };
            let at = Timestamp::from_micros(micros);
            self.lookups.take(at, asker, message, &mut self.names, &mut self.out);
        }

        fn name(&self, address: &str) -> Option<&str> {
            let name = self
                .names
                .of(Timestamp::from_secs(1), (7, None), address.parse().unwrap());
            name.map(AsRef::as_ref)
        }
    }

    fn query(id: u16, name: &str) -> DnsMessage {
        DnsMessage {
            id,
            response: false,
            rcode: None,
            question: Some(Question {
                name: name.to_owned(),
                qtype: "A".to_owned(),
            }),
            answers: Vec::new(),
            truncated: false,
        }
    }

    fn response(id: u16, name: &str, answers: Vec<Answer>) -> DnsMessage {
        DnsMessage {
            response: true,
            rcode: Some("NOERROR"),
            answers,
            ..query(id, name)
        }
    }

    fn address(name: &str, address: &str) -> Answer {
        Answer {
            name: name.to_owned(),
            ttl: 5,
            value: AnswerValue::Address(address.parse().unwrap()),
        }
    }

    fn alias(name: &str, target: &str) -> Answer {
        Answer {
            name: name.to_owned(),
            ttl: 5,
            value: AnswerValue::Cname(target.to_owned()),
        }
    }

    #[test]
    fn a_response_names_its_address_by_the_question() {
        let mut bench = Bench::default();
        bench.take(1_000, query(9, "api.example"));
        // The end of the chain comes first.
        let answers = vec![
            address("edge.example", ADDRESS),
            address("edge.example", "203.0.113.8"),
            alias("cdn.example", "edge.example"),
            alias("api.example", "cdn.example"),
            address("bank.example", "203.0.113.9"),
        ];
        bench.take(3_500, response(9, "api.example", answers));
        assert_eq!(bench.out.len(), 1);
        assert_eq!((bench.out[0].latency_us, bench.out[0].answers.len()), (Some(2_500), 5));
        assert_eq!(bench.out[0].answers[2], "edge.example");
        assert_eq!(bench.name(ADDRESS), Some("api.example"));
        assert_eq!(bench.name("203.0.113.8"), Some("api.example"));
        // Nobody asked about that one.
        assert_eq!(bench.name("203.0.113.9"), None);
        bench.lookups.finish(&mut bench.out);
        assert_eq!(bench.out.len(), 1);
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let mut bench = Bench::default();
        bench.take(1_000, query(9, "a.example"));
        let answers = vec![alias("a.example", "b.example"), alias("b.example", "a.example")];
        bench.take(2_000, response(9, "a.example", answers));
        assert_eq!(bench.out[0].answers, ["b.example", "a.example"]);
    }

    #[test]
    fn an_answer_to_another_question_names_nothing() {
        let mut bench = Bench::default();
        bench.take(1_000, query(9, "api.example"));
        bench.take(
            2_000,
            response(9, "bank.example", vec![address("bank.example", ADDRESS)]),
        );
        assert_eq!(bench.name(ADDRESS), None);
        assert_eq!((bench.out.len(), bench.out[0].latency_us), (1, None));
        // The one that was asked for still comes.
        bench.take(3_000, response(9, "api.example", vec![address("api.example", ADDRESS)]));
        assert_eq!(bench.name(ADDRESS), Some("api.example"));
        assert_eq!(bench.out[1].latency_us, Some(2_000));
    }

    #[test]
    fn a_number_is_used_again() {
        let mut bench = Bench::default();
        bench.take(1_000, query(9, "a.example"));
        bench.take(2_000, query(9, "a.example"));
        bench.take(3_000, query(9, "b.example"));
        bench.take(4_000, response(9, "b.example", vec![address("b.example", ADDRESS)]));
        let told: Vec<_> = bench.out.iter().map(|r| (r.name.as_ref(), r.latency_us)).collect();
        assert_eq!(told, [("a.example", None), ("b.example", Some(1_000))]);
    }

    #[test]
    fn silence_is_told() {
        let mut bench = Bench::default();
        bench.take(0, query(9, "api.example"));
        let due = bench.lookups.poll_timeout().unwrap();
        assert_eq!(due, Timestamp::from_secs(5));
        bench.lookups.handle_timeout(due, &mut bench.out);
        assert_eq!((bench.out.len(), bench.out[0].rcode.as_deref()), (1, None));
        assert_eq!(bench.lookups.poll_timeout(), None);
    }
}
