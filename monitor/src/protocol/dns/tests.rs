//! Messages built by hand, so that what simple-dns writes is not what it is tested against.

use proptest::prelude::*;

use super::*;

/// A name, not compressed.
fn wire_name(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels
        .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
        .collect();
    bytes.push(0);
    bytes
}

/// Points at the question's name (RFC 1035 section 4.1.4).
const QUESTION_NAME: [u8; 2] = [0xc0, 12];

fn message(flags: u16, name: &str, qtype: u16, answers: &[(Vec<u8>, u16, u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0x1234, flags, 1, answers.len() as u16, 1, 1] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(wire_name(name));
    bytes.extend(qtype.to_be_bytes());
    bytes.extend(1u16.to_be_bytes());
    for (owner, rtype, ttl, data) in answers {
        bytes.extend(owner);
        bytes.extend(rtype.to_be_bytes());
        bytes.extend(1u16.to_be_bytes());
        bytes.extend(ttl.to_be_bytes());
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
    }
    // The authority and additional sections announced above are missing, as where the capture cut them.
    bytes
}

fn answer(name: &str, ttl: u32, value: AnswerValue) -> Answer {
    Answer {
        name: name.to_owned(),
        ttl,
        value,
    }
}

#[test]
fn a_chain_of_names_ends_in_addresses() {
    let alias = wire_name("edge.cdn.example");
    let mapped = Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped().octets().to_vec();
    let bytes = message(
        0x8180,
        "WWW.Example.org",
        28,
        &[
            (QUESTION_NAME.to_vec(), 5, 300, alias.clone()),
            (alias.clone(), 1, 60, vec![192, 0, 2, 1]),
            (alias.clone(), 28, 60, mapped),
            (alias, 16, 5, b"\x04text".to_vec()),
        ],
    );
    let read = parse(&bytes).unwrap();
    assert_eq!(
        (read.id, read.response, read.rcode, read.truncated),
        (0x1234, true, Some("NOERROR"), false)
    );
    let question = read.question.unwrap();
    assert_eq!(
        (question.name.as_str(), question.qtype.as_str()),
        ("www.example.org", "AAAA")
    );
    assert_eq!(
        read.answers,
        [
            answer(
                "www.example.org",
                300,
                AnswerValue::Cname("edge.cdn.example".to_owned())
            ),
            answer(
                "edge.cdn.example",
                60,
                AnswerValue::Address(Ipv4Addr::new(192, 0, 2, 1).into())
            ),
            answer(
                "edge.cdn.example",
                60,
                AnswerValue::Address(Ipv4Addr::new(192, 0, 2, 7).into())
            ),
            answer("edge.cdn.example", 5, AnswerValue::Other("TXT".to_owned())),
        ]
    );
}

#[test]
fn queries_and_failures() {
    let query = parse(&message(0x0100, "a.example", 1, &[])).unwrap();
    assert_eq!((query.response, query.rcode), (false, None));
    let missing = parse(&message(0x8183, "a.example", 65280, &[])).unwrap();
    assert_eq!(missing.rcode, Some("NXDOMAIN"));
    assert_eq!(missing.question.unwrap().qtype, "TYPE65280");
    assert_eq!(parse(&message(0x2800, "a.example", 1, &[])), Err(DnsError::Opcode));
    assert_eq!(parse(b"short"), Err(DnsError::Short));
    assert_eq!(parse(&[0xff; 40]), Err(DnsError::Malformed));
}

#[test]
fn a_cut_message_gives_the_answers_that_are_whole() {
    let address = |last| (QUESTION_NAME.to_vec(), 1, 60, vec![192, 0, 2, last]);
    let bytes = message(0x8180, "a.example", 1, &[address(1), address(2), address(3)]);
    let read = parse(&bytes[..bytes.len() - 5]).unwrap();
    assert_eq!((read.answers.len(), read.truncated), (2, true));
    let by_server = parse(&message(0x8380, "a.example", 1, &[])).unwrap();
    assert!(by_server.truncated);
}

#[test]
fn odd_names_cannot_pass_for_others() {
    let mut name = vec![11];
    name.extend(b"a.example\x1b ");
    name.extend(wire_name("org"));
    let mut bytes = message(0x0100, "", 1, &[]);
    bytes.splice(12..13, name);
    assert_eq!(
        parse(&bytes).unwrap().question.unwrap().name,
        "a\\046example\\027\\032.org"
    );
}

#[test]
fn answers_are_bounded() {
    let answers = vec![(QUESTION_NAME.to_vec(), 1, 60, vec![192, 0, 2, 1]); 200];
    let read = parse(&message(0x8180, "a.example", 1, &answers)).unwrap();
    assert_eq!((read.answers.len(), read.truncated), (MAX_ANSWERS, true));
}

#[test]
fn names_that_point_at_themselves_end() {
    let mut bytes = message(0x0100, "", 1, &[]);
    bytes.splice(12..13, QUESTION_NAME);
    assert_eq!(parse(&bytes), Err(DnsError::Malformed));
}

proptest! {
    #[test]
    fn reads_anything(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn reads_what_was_changed(
        at in proptest::collection::vec((0..200usize, any::<u8>()), 0..6),
        cut in 0..200usize,
    ) {
        let answer = (QUESTION_NAME.to_vec(), 5, 60, wire_name("b.example"));
        let mut bytes = message(0x8180, "a.example", 1, &[answer.clone(), answer.clone(), answer]);
        for (at, b) in at {
            if let Some(old) = bytes.get_mut(at) {
                *old = b;
            }
        }
        bytes.truncate(cut);
        if let Ok(read) = parse(&bytes) {
            prop_assert!(read.answers.iter().all(|answer| answer.name.is_ascii()));
        }
    }
}
