//! DNS questions and answers (RFC 1035 section 4).

use std::net::IpAddr;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Text.
    Txt,
    /// The name of an address.
    Ptr,
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Addresses; those of the other family are left out.
    Addresses(Vec<IpAddr>),
    /// Text.
    Text(String),
    /// A name.
    Name(String),
    /// There is no such name.
    Nothing,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ptr => 12,
            Self::Txt => 16,
            Self::Aaaa => 28,
        }
    }
}

/// The question.
pub fn question(id: u16, name: &str, kind: Kind) -> Vec<u8> {
    let mut out = header(id, 0x0100, 0);
    asked(&mut out, name, kind);
    out
}

/// The answer to it.
pub fn answer(id: u16, name: &str, kind: Kind, answer: &Answer) -> Vec<u8> {
    let contents: Vec<Vec<u8>> = match answer {
        Answer::Addresses(addresses) => addresses
            .iter()
            .filter_map(|address| match (kind, address) {
                (Kind::A, IpAddr::V4(address)) => Some(address.octets().to_vec()),
                (Kind::Aaaa, IpAddr::V6(address)) => Some(address.octets().to_vec()),
                (Kind::A | Kind::Aaaa | Kind::Txt | Kind::Ptr, _) => None,
            })
            .collect(),
        Answer::Text(text) => {
            let mut content = vec![text.len().min(255) as u8];
            content.extend(text.bytes().take(255));
            vec![content]
        }
        Answer::Name(target) => {
            let mut content = Vec::new();
            labels(&mut content, target);
            vec![content]
        }
        Answer::Nothing => Vec::new(),
    };
    let code = if matches!(answer, Answer::Nothing) { 3 } else { 0 };
    let mut out = header(id, 0x8180 | code, contents.len() as u16);
    asked(&mut out, name, kind);
    for content in contents {
        // A pointer to the name in the question; internet; a minute.
        out.extend([0xc0, 12]);
        out.extend(kind.number().to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((content.len() as u16).to_be_bytes());
        out.extend(content);
    }
    out
}

fn header(id: u16, flags: u16, answers: u16) -> Vec<u8> {
    [id, flags, 1, answers, 0, 0]
        .into_iter()
        .flat_map(u16::to_be_bytes)
        .collect()
}

fn asked(out: &mut Vec<u8>, name: &str, kind: Kind) {
    labels(out, name);
    out.extend(kind.number().to_be_bytes());
    out.extend([0, 1]);
}

fn labels(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len().min(63) as u8);
        out.extend(label.bytes().take(63));
    }
    out.push(0);
}
