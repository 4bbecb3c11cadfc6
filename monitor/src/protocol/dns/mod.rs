//! DNS messages, read by simple-dns and reduced to what names destinations: the question, the answers, how it went.

pub mod shape;
mod tcp;
#[cfg(test)]
mod tests;

pub use self::tcp::DnsTcp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, OPCODE, Packet, PacketFlag, RCODE, TYPE};
use thiserror::Error;

/// Most answers kept of one message. A name has a handful of addresses and a CNAME chain of a few.
pub const MAX_ANSWERS: usize = 64;
/// Names of a chain that are followed; resolvers stop at 8 to 16.
const MAX_CHAIN: usize = 16;
/// Header of a message (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;
/// Longest name as text: 255 bytes on the wire (RFC 1035 section 2.3.4), each of which may need four as `\DDD`.
const MAX_NAME: usize = 1024;

/// A query or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsMessage {
    /// Ties a response to its query.
    pub id: u16,
    /// It is a response.
    pub response: bool,
    /// How it went (`NOERROR`, `NXDOMAIN`, …); absent in queries.
    pub rcode: Option<&'static str>,
    /// What was asked; only messages with one question are in use (RFC 9619).
    pub question: Option<Question>,
    /// Answer section, in order.
    pub answers: Vec<Answer>,
    /// Answers are missing: the server cut the message (TC), the capture did, or there were too many.
    pub truncated: bool,
}

impl DnsMessage {
    /// Addresses that the answers give for the name that was asked for, with how long they hold in seconds: its own, and
    /// those at the end of its chain of aliases (RFC 1034 section 3.6.2), whatever their order. Records of other names
    /// are not about it.
    pub fn addresses(&self, name: &str) -> impl Iterator<Item = (IpAddr, u32)> {
        let mut names = vec![name];
        let mut before = 0;
        while names.len() > before && names.len() < MAX_CHAIN {
            before = names.len();
            for answer in &self.answers {
                if let AnswerValue::Cname(target) = &answer.value
                    && names.contains(&answer.name.as_str())
                    && !names.contains(&target.as_str())
                {
                    names.push(target);
                }
            }
        }
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        self.answers.iter().filter_map(move |answer| match answer.value {
            AnswerValue::Address(address) if names.contains(&answer.name) => Some((address, answer.ttl)),
            AnswerValue::Address(_) | AnswerValue::Cname(_) | AnswerValue::Other(_) => None,
        })
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Name, lower case, no final dot, odd bytes as `\DDD`.
    pub name: String,
    /// Type (`A`, `AAAA`, `TYPE65280`, …).
    pub qtype: String,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Name that it is about, in the form of [`Question::name`].
    pub name: String,
    /// How long it holds, seconds.
    pub ttl: u32,
    /// What it says.
    pub value: AnswerValue,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerValue {
    /// A or AAAA; IPv4-mapped addresses are IPv4.
    Address(IpAddr),
    /// CNAME: another name for it.
    Cname(String),
    /// Another type.
    Other(String),
}

/// Why a datagram is no DNS message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DnsError {
    /// Shorter than a header.
    #[error("shorter than a DNS header")]
    Short,
    /// Not a query or response of the standard kind.
    #[error("not a standard query")]
    Opcode,
    /// Names or records cannot be read.
    #[error("malformed")]
    Malformed,
}

/// Reads a message, as in a datagram. One that was cut gives the answers that are whole.
pub fn parse(payload: &[u8]) -> Result<DnsMessage, DnsError> {
    let header: &[u8; HEADER_BYTES] = payload.first_chunk().ok_or(DnsError::Short)?;
    let counted = u16::from_be_bytes([header[6], header[7]]);
    let wanted = counted.min(MAX_ANSWERS as u16);
    // Authority and additional sections are of no use, and often what was cut: they are not read at all. simple-dns reads
    // all or nothing, so answers that were cut are left out by telling it of fewer.
    let mut message = payload.to_vec();
    message[8..HEADER_BYTES].fill(0);
    // Nor does it read questions of types and classes that it does not know.
    let qtype = question_type(payload).map(|(at, qtype)| {
        message[at..at + 4].copy_from_slice(&[0, 1, 0, 1]);
        qtype
    });
    let mut answers = wanted;
    loop {
        message[6..8].copy_from_slice(&answers.to_be_bytes());
        match Packet::parse(&message) {
            Ok(packet) => return reduce(&packet, qtype, answers < counted),
            Err(_) if answers > 0 => answers -= 1,
            Err(_) => return Err(DnsError::Malformed),
        }
    }
}

fn reduce(packet: &Packet<'_>, qtype: Option<u16>, cut: bool) -> Result<DnsMessage, DnsError> {
    if packet.opcode() != OPCODE::StandardQuery {
        return Err(DnsError::Opcode);
    }
    let response = packet.has_flags(PacketFlag::RESPONSE);
    Ok(DnsMessage {
        id: packet.id(),
        response,
        rcode: response.then(|| rcode(packet.rcode())),
        question: packet.questions.first().zip(qtype).map(|(question, qtype)| Question {
            name: name(&question.qname),
            qtype: qtype_name(qtype),
        }),
        answers: packet
            .answers
            .iter()
            .filter(|answer| answer.class == CLASS::IN)
            .map(|answer| Answer {
                name: name(&answer.name),
                ttl: answer.ttl,
                value: value(&answer.rdata),
            })
            .collect(),
        truncated: cut || packet.has_flags(PacketFlag::TRUNCATION),
    })
}

fn value(rdata: &RData<'_>) -> AnswerValue {
    match rdata {
        RData::A(a) => AnswerValue::Address(Ipv4Addr::from(a.address).into()),
        RData::AAAA(aaaa) => AnswerValue::Address(IpAddr::from(Ipv6Addr::from(aaaa.address)).to_canonical()),
        RData::CNAME(cname) => AnswerValue::Cname(name(&cname.0)),
        other => AnswerValue::Other(rtype(other.type_code())),
    }
}

/// A name as text: lower case (RFC 4343), no final dot; bytes other than letters, digits, `-` and `_` as in RFC 1035
/// section 5.1, so that a name with a dot inside a label is not taken for another.
fn name(name: &Name<'_>) -> String {
    let mut text = String::new();
    for label in name.as_bytes() {
        if !text.is_empty() {
            text.push('.');
        }
        for b in label {
            match b {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'*' => text.push(*b as char),
                b'A'..=b'Z' => text.push(b.to_ascii_lowercase() as char),
                _ => {
                    text.push('\\');
                    text.extend([b / 100, b / 10 % 10, b % 10].map(|digit| (b'0' + digit) as char));
                }
            }
        }
        if text.len() > MAX_NAME {
            break;
        }
    }
    text
}

/// Where the type of the first question stands, and the type; its class follows.
fn question_type(payload: &[u8]) -> Option<(usize, u16)> {
    if payload.get(4..6)? == [0, 0] {
        return None;
    }
    let mut at = HEADER_BYTES;
    loop {
        match *payload.get(at)? {
            0 => {
                at += 1;
                break;
            }
            // A pointer ends a name (RFC 1035 section 4.1.4).
            0xc0.. => {
                at += 2;
                break;
            }
            label => at += 1 + usize::from(label),
        }
    }
    let [high, low, _, _] = *payload.get(at..)?.first_chunk()?;
    Some((at, u16::from_be_bytes([high, low])))
}

/// Types that only questions have (RFC 1035 section 3.2.3, RFC 1995), or [`rtype`].
fn qtype_name(code: u16) -> String {
    match code {
        251 => "IXFR".to_owned(),
        252 => "AXFR".to_owned(),
        253 => "MAILB".to_owned(),
        254 => "MAILA".to_owned(),
        255 => "ANY".to_owned(),
        code => rtype(TYPE::from(code)),
    }
}

/// Mnemonic, or the form of RFC 3597 section 5.
fn rtype(t: TYPE) -> String {
    match t {
        TYPE::Unknown(code) => format!("TYPE{code}"),
        known => format!("{known:?}"),
    }
}

/// Names of the IANA registry "DNS RCODEs".
fn rcode(code: RCODE) -> &'static str {
    match code {
        RCODE::NoError => "NOERROR",
        RCODE::FormatError => "FORMERR",
        RCODE::ServerFailure => "SERVFAIL",
        RCODE::NameError => "NXDOMAIN",
        RCODE::NotImplemented => "NOTIMP",
        RCODE::Refused => "REFUSED",
        RCODE::YXDOMAIN => "YXDOMAIN",
        RCODE::YXRRSET => "YXRRSET",
        RCODE::NXRRSET => "NXRRSET",
        RCODE::NOTAUTH => "NOTAUTH",
        RCODE::NOTZONE => "NOTZONE",
        _ => "OTHER",
    }
}
