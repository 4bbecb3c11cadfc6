//! Kinds of frames of HTTP/2 (RFC 9113 section 6), and whether bytes look like the header of one.

use aya_ebpf::bindings::__sk_buff;

use crate::maps::volatile;
use crate::packet::load;

/// A frame's header, bytes (RFC 9113 section 4.1).
pub(crate) const HEADER: u32 = 9;
/// Longest payload unless both ends agree on more, bytes (RFC 9113 section 4.2).
const DEFAULT_MAX: u32 = 16 * 1024;

/// A body.
pub(crate) const DATA: u8 = 0;
/// A header block.
pub(crate) const HEADERS: u8 = 1;
/// Advice; deprecated.
pub(crate) const PRIORITY: u8 = 2;
/// The end of a stream.
pub(crate) const RST_STREAM: u8 = 3;
/// What an end allows.
pub(crate) const SETTINGS: u8 = 4;
/// A request that the server makes up.
pub(crate) const PUSH_PROMISE: u8 = 5;
/// A question for an answer.
pub(crate) const PING: u8 = 6;
/// The end of the connection.
pub(crate) const GOAWAY: u8 = 7;
/// Leave to send more.
pub(crate) const WINDOW_UPDATE: u8 = 8;
/// More of a header block.
pub(crate) const CONTINUATION: u8 = 9;

/// Whether a frame begins there.
#[inline(always)]
pub(crate) fn begin_here(skb: *mut __sk_buff, payload: u32) -> bool {
    let mut head = [0u8; HEADER as usize];
    // SAFETY: plain bytes.
    unsafe { load(skb, payload, &mut head) == 0 && looks_like_frame(&head) }
}

/// What the RFC says of a kind of frames (RFC 9113 section 6): as masks, since each branch is many ways for the verifier.
#[repr(C)]
#[derive(Clone, Copy)]
struct Rule {
    /// Length, where `length_mask` is not 0.
    length: u32,
    /// Bits of the length that are as in `length`.
    length_mask: u32,
    /// Bits of the stream's number that are 0.
    no_stream: u32,
    /// The stream's number is no less.
    least_stream: u32,
    /// The length is no less.
    least: u32,
    /// Bits that the remainder of the length by six does not have.
    sixes: u32,
    /// Flags that are not defined.
    no_flags: u32,
    /// Always 0.
    reserved: u32,
}

/// No two such ends have it: of kinds that are not defined.
const NEVER: Rule = Rule {
    least: u32::MAX,
    ..rule(0, 0, false)
};

/// A rule for frames with these flags, of this length unless 0, of a stream or of none.
const fn rule(flags: u32, length: u32, of_stream: bool) -> Rule {
    Rule {
        length,
        length_mask: if length == 0 { 0 } else { u32::MAX },
        no_stream: if of_stream { 1 << 31 } else { u32::MAX },
        least_stream: of_stream as u32,
        least: 0,
        sixes: 0,
        no_flags: !flags,
        reserved: 0,
    }
}

/// By the kind.
#[unsafe(no_mangle)]
static RULES: [Rule; 16] = {
    let mut rules = [NEVER; 16];
    rules[DATA as usize] = rule(0x09, 0, true);
    rules[HEADERS as usize] = rule(0x2d, 0, true);
    rules[PRIORITY as usize] = rule(0, 5, true);
    rules[RST_STREAM as usize] = rule(0, 4, true);
    rules[SETTINGS as usize] = Rule {
        sixes: u32::MAX,
        ..rule(0x01, 0, false)
    };
    rules[PUSH_PROMISE as usize] = Rule {
        least: 4,
        ..rule(0x0c, 0, true)
    };
    rules[PING as usize] = rule(0x01, 8, false);
    rules[GOAWAY as usize] = Rule {
        least: 8,
        ..rule(0, 0, false)
    };
    rules[WINDOW_UPDATE as usize] = Rule {
        least_stream: 0,
        ..rule(0, 4, true)
    };
    rules[CONTINUATION as usize] = rule(0x04, 0, true);
    rules
};

/// Whether an end that keeps to the RFC may have sent such a header, with the limits and flags that all have.
#[inline(always)]
pub(crate) fn looks_like_frame(head: &[u8; HEADER as usize]) -> bool {
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let rule = volatile(&RULES[usize::from(head[3] & 15)]);
    let wrong = u32::from(head[3]) >> 4
        | (length + DEFAULT_MAX - 1) >> DEFAULT_MAX.ilog2() >> 1
        | (length ^ rule.length) & rule.length_mask
        | (length % 6) & rule.sixes
        | stream & rule.no_stream
        | u32::from(head[4]) & rule.no_flags;
    wrong == 0 && stream >= rule.least_stream && length >= rule.least
}
