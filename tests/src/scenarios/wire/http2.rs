//! HTTP/2 frames (RFC 9113), headers as literals that nobody has to remember (RFC 7541 section 6.2.2).

use crate::scenarios::agents::Agent;
use crate::scenarios::http::{Request, Response};

/// What a client says first, with an empty SETTINGS frame.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// What a server says first: an empty SETTINGS frame, and that it has read the client's.
pub const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Largest payload of a DATA frame that needs no setting.
const FRAME: u64 = 16_384;

/// The header of a request; its stream ends with it where there is no body.
pub fn request(agent: &Agent, stream: u32, host: &str, request: &Request) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", request.method),
        (":scheme", "http"),
        (":path", &request.target),
        (":authority", host),
        ("user-agent", &agent.user_agent),
    ] {
        literal(&mut block, name, value);
    }
    for (name, value) in &request.fields {
        literal(&mut block, &name.to_ascii_lowercase(), value);
    }
    headers(stream, request.body.is_empty(), &block)
}

/// The header of a response.
pub fn response(stream: u32, response: &Response, empty: bool) -> Vec<u8> {
    let mut block = Vec::new();
    literal(&mut block, ":status", &response.status.to_string());
    for (name, value) in &response.fields {
        literal(&mut block, &name.to_ascii_lowercase(), value);
    }
    headers(stream, empty, &block)
}

/// The heads of the DATA frames of a body, each with the length of what follows it.
pub fn body(stream: u32, len: u64) -> Vec<(Vec<u8>, u64)> {
    let mut frames = Vec::new();
    let mut left = len;
    while left > 0 {
        let len = left.min(FRAME);
        left -= len;
        let flags = if left == 0 { END_STREAM } else { 0 };
        frames.push((head(len as u32, 0, flags, stream), len));
    }
    frames
}

fn headers(stream: u32, ends: bool, block: &[u8]) -> Vec<u8> {
    let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
    let mut out = head(block.len() as u32, 1, flags, stream);
    out.extend(block);
    out
}

fn head(len: u32, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    let mut out = len.to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out
}

fn literal(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    for text in [name, value] {
        integer(out, text.len());
        out.extend(text.as_bytes());
    }
}

/// With a prefix of seven bits (RFC 7541 section 5.1).
fn integer(out: &mut Vec<u8>, number: usize) {
    if number < 127 {
        out.push(number as u8);
        return;
    }
    out.push(127);
    let mut rest = number - 127;
    while rest >= 128 {
        out.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    out.push(rest as u8);
}
