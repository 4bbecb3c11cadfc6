//! `dns`, back.

use super::{process, shared};
use crate::record::DnsRecord;
use crate::sinks::json::dns::Dns;
use crate::sinks::json::value::Text;

pub(super) fn record(told: Dns<'_>) -> DnsRecord {
    DnsRecord {
        flow: told.flow.0,
        process: told.process.map(process),
        name: shared(told.question.name),
        qtype: told.question.qtype.into_owned(),
        rcode: told.rcode.map(Text::into_owned),
        answers: told.answers.into_iter().map(Text::into_owned).collect(),
        truncated: told.truncated,
        latency_us: told.latency_us,
    }
}
