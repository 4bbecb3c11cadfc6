//! Whether bytes are DNS in all likelihood, told without a port.
//!
//! What is asked for is strict: one question, counts that fit, no bit set that has no meaning, a name of plain labels,
//! a class that is in use. About ten bytes have one or a few values out of 256 each, so other protocols do not pass by
//! chance. Updates, notifications and messages without a question are not told this way.

use super::HEADER_BYTES;

/// What bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A query: who sends it asks.
    Query,
    /// A response.
    Response,
    /// As far as they go; more decide.
    More,
    /// Something else.
    No,
}

/// Longest name on the wire (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;
/// Longest label (RFC 1035 section 2.3.4).
const MAX_LABEL: u8 = 63;
/// Shortest question: the root, a type, a class.
const QUESTION_BYTES: usize = 5;
/// Shortest record: the root, type, class, time to live, length.
const RECORD_BYTES: usize = 11;
/// Records that a query brings along: EDNS, a signature of the transaction.
const MAX_BROUGHT: usize = 4;

/// `bytes` are the start of a TCP stream: two bytes of length, then a message (RFC 1035 section 4.2.2).
pub fn of_stream(bytes: &[u8]) -> Shape {
    let Some((length, message)) = bytes.split_first_chunk() else {
        return Shape::More;
    };
    of_message(message, usize::from(u16::from_be_bytes(*length)))
}

/// `bytes` are a message of `length`, or its beginning.
pub fn of_message(bytes: &[u8], length: usize) -> Shape {
    if length < HEADER_BYTES + QUESTION_BYTES {
        return Shape::No;
    }
    let byte = |at: usize| bytes.get(at).copied();
    let Some(high) = byte(2) else { return Shape::More };
    let response = high & 0x80 != 0;
    // OPCODE 0. A query is neither authoritative nor truncated.
    if high & 0x78 != 0 || (!response && high & 0x06 != 0) {
        return Shape::No;
    }
    let Some(low) = byte(3) else { return Shape::More };
    // The Z bit is zero (RFC 1035 section 4.1.1), RCODE one of the registered ones that fit; a query has neither RA nor RCODE.
    if low & 0x40 != 0 || low & 0x0f > 11 || (!response && low & 0x8f != 0) {
        return Shape::No;
    }
    let mut counts = [0; 4];
    for (count, at) in counts.iter_mut().zip([4, 6, 8, 10]) {
        let Some(number) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
            // The high byte of the number of questions is told early: most other protocols stop here.
            return if byte(4).is_none_or(|b| b == 0) {
                Shape::More
            } else {
                Shape::No
            };
        };
        *count = usize::from(u16::from_be_bytes(*number));
        if at == 4 && *count != 1 {
            return Shape::No;
        }
    }
    let [_, answers, authority, additional] = counts;
    let brought = answers + authority + additional;
    let fits = HEADER_BYTES + QUESTION_BYTES + brought * RECORD_BYTES <= length;
    if !fits || (!response && (answers > 0 || brought > MAX_BROUGHT)) {
        return Shape::No;
    }
    question(
        bytes,
        length,
        brought == 0,
        if response { Shape::Response } else { Shape::Query },
    )
}

/// The question looks like one; it is all there is, or not.
fn question(bytes: &[u8], length: usize, alone: bool, shape: Shape) -> Shape {
    let mut at = HEADER_BYTES;
    loop {
        match bytes.get(at) {
            None => return Shape::More,
            Some(0) => break,
            Some(label @ 1..=MAX_LABEL) => at += 1 + usize::from(*label),
            Some(_) => return Shape::No,
        }
        if at - HEADER_BYTES >= MAX_NAME || at >= length {
            return Shape::No;
        }
    }
    let end = at + QUESTION_BYTES;
    if end > length || (alone && end != length) {
        return Shape::No;
    }
    let Some([_, type_high, type_low, class_high, class_low]) = bytes.get(at..end) else {
        return Shape::More;
    };
    let kind = u16::from_be_bytes([*type_high, *type_low]);
    match u16::from_be_bytes([*class_high, *class_low]) {
        // IN, CH, HS, ANY (RFC 1035 section 3.2.4, 3.2.5).
        1 | 3 | 4 | 255 if kind != 0 => shape,
        _ => Shape::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `A api.example`, with its length before it.
    const QUERY: &[u8] =
        b"\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03api\x07example\x00\x00\x01\x00\x01";

    #[track_caller]
    fn check(bytes: &[u8], shape: Shape) {
        assert_eq!(of_stream(bytes), shape, "{}", bytes.escape_ascii());
    }

    #[test]
    fn queries_and_responses() {
        check(QUERY, Shape::Query);
        let mut response = QUERY.to_vec();
        response[4..6].copy_from_slice(&[0x81, 0x83]);
        check(&response, Shape::Response);
        let mut edns = QUERY.to_vec();
        edns[1] += 11;
        edns[13] = 1;
        check(&edns, Shape::Query);
        for n in 0..QUERY.len() {
            check(&QUERY[..n], Shape::More);
        }
    }

    #[test]
    fn other_protocols() {
        // PostgreSQL, MySQL, SMB over NetBIOS, MQTT, RDP (TPKT), Kafka, a BitTorrent handshake, TLS, SSH.
        for bytes in [
            &b"\x00\x00\x00\x08\x04\xd2\x16\x2f"[..],
            b"\x4a\x00\x00\x00\x0a\x38\x2e\x30",
            b"\x00\x00\x00\x85\xffSMB",
            b"\x10\x0c\x00\x04MQTT",
            b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08",
            b"\x00\x00\x00\x2a\x00\x12\x00\x03",
            b"\x13BitTorrent protocol",
            b"\x16\x03\x01\x02\x00\x01",
            b"SSH-2.0-",
        ] {
            check(bytes, Shape::No);
        }
        for (at, b) in [(4, 0x29), (5, 0x40), (7, 2), (9, 1), (14, 0xc0), (28, 0), (30, 2)] {
            let mut changed = QUERY.to_vec();
            changed[at] = b;
            check(&changed, Shape::No);
        }
    }
}
