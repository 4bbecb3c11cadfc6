//! One connection, whose bytes and their way through the capture a script tells.

use std::sync::Arc;
use std::time::Duration;

use monitor::event::Direction;
use monitor::protocol::conversation::{Conversation, Message, Origin, StreamEnd};
use monitor::time::Timestamp;

use super::Taker;
use super::capture::{Capture, Segment};

/// Most that a conversation holds, whatever is said: four undecided prefixes, a message of DNS each way, headers.
const MAX_HELD: usize = 1024 * 1024;

/// What HTTP/2 begins with (RFC 9113 section 3.4), and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Anything on a connection: what it is, is told from the bytes.
pub fn http1(script: &[u8]) {
    run(script, &[]);
}

/// A connection that begins as HTTP/2.
pub fn http2(script: &[u8]) {
    run(script, PREFACE);
}

/// Steps of a script: an operation, its number, and the bytes of a segment.
pub(super) mod step {
    /// A segment of as many bytes as the number says, which follow.
    pub(in super::super) const BYTES: u8 = 0;
    /// So many times eight bytes that are not copied.
    pub(in super::super) const LEFT_OUT: u8 = 1;
    /// So many times eight bytes that are copied and lost.
    pub(in super::super) const LOST: u8 = 2;
    /// A counter tells how far the direction has come.
    pub(in super::super) const TOLD: u8 = 3;
    /// So many times four milliseconds pass.
    pub(in super::super) const WAIT: u8 = 4;
    /// A segment as in [`BYTES`], that begins so many bytes before the last one's end as another number says.
    pub(in super::super) const AGAIN: u8 = 5;
    /// Likewise, after a hole.
    pub(in super::super) const AHEAD: u8 = 6;
    /// Nothing is waited for any more.
    pub(in super::super) const RELEASE: u8 = 7;
    /// Beside an operation: the server's.
    pub(in super::super) const SERVER: u8 = 0x80;
}

fn run(script: &[u8], first: &[u8]) {
    let mut taker = Taker(script);
    let settings = taker.u8();
    let origin = match settings & 3 {
        0 => Origin::Unknown,
        1 => Origin::Local,
        _ => Origin::Remote,
    };
    let client = if origin == Origin::Local {
        Direction::Sent
    } else {
        Direction::Received
    };
    let mut seqs = [0u32.wrapping_sub(300); 2];
    let mut run = Run {
        conversation: Conversation::new(origin, settings & 4 != 0, Arc::default()),
        capture: Capture::new(seqs[0], seqs[1]),
        now: Timestamp::from_secs(1),
        out: Vec::new(),
        said: 0,
    };
    if settings & 8 != 0 {
        run.conversation.anchor(Direction::Received, seqs[0]);
        run.conversation.anchor(Direction::Sent, seqs[1]);
    }
    run.segment(client, &mut seqs, 0, first, 0);
    while !taker.is_empty() {
        let op = taker.u8();
        let direction = if op & step::SERVER == 0 {
            client
        } else {
            client.reverse()
        };
        run.now = run.now + Duration::from_micros(100);
        match op & 7 {
            step::BYTES => {
                let count = usize::from(taker.u8());
                run.segment(direction, &mut seqs, 0, taker.take(count), 0);
            }
            step::LEFT_OUT => {
                let count = u32::from(taker.u8()) * 8;
                run.segment(direction, &mut seqs, 0, &[], count);
            }
            step::LOST => {
                let count = usize::from(taker.u8()) * 8;
                let seq = &mut seqs[index(direction)];
                let segment = Segment {
                    direction,
                    seq: *seq,
                    copied: vec![0; count],
                    len: count as u32,
                };
                *seq = seq.wrapping_add(count as u32);
                run.capture.segment(segment, run.now);
            }
            step::TOLD => {
                if let Some((seq, time)) = run.capture.reached(direction) {
                    run.conversation.advance(direction, seq, time, &mut run.out);
                }
            }
            step::WAIT => {
                run.now = run.now + Duration::from_millis(u64::from(taker.u8()) * 4);
                while let Some(due) = run.conversation.poll_timeout().filter(|due| *due <= run.now) {
                    run.conversation.handle_timeout(due, &mut run.out);
                    assert!(run.conversation.poll_timeout().is_none_or(|next| next > due));
                }
            }
            step::AGAIN => {
                let back = i32::from(taker.u8());
                let count = usize::from(taker.u8());
                run.segment(direction, &mut seqs, -back, taker.take(count), 0);
            }
            step::AHEAD => {
                let ahead = i32::from(taker.u8());
                let count = usize::from(taker.u8());
                run.segment(direction, &mut seqs, ahead, taker.take(count), 0);
            }
            _ => run.conversation.release(&mut run.out),
        }
        run.check();
    }
    let how = [
        StreamEnd::Closed,
        StreamEnd::Reset,
        StreamEnd::TimedOut,
        StreamEnd::StillOpen,
        StreamEnd::Evicted,
    ];
    let how = how[usize::from(settings >> 4) % how.len()];
    run.conversation.end(run.now, how, &mut run.out);
    run.check();
}

struct Run {
    conversation: Conversation,
    capture: Capture,
    now: Timestamp,
    out: Vec<Message>,
    /// Bytes that were copied.
    said: usize,
}

impl Run {
    /// A segment that begins `from` bytes after what came before; `left_out` of it are not copied.
    fn segment(&mut self, direction: Direction, seqs: &mut [u32; 2], from: i32, bytes: &[u8], left_out: u32) {
        let next = &mut seqs[index(direction)];
        let seq = next.wrapping_add_signed(from);
        let len = bytes.len() as u32 + left_out;
        if from >= 0 {
            *next = seq.wrapping_add(len);
        }
        self.said += bytes.len();
        let segment = Segment {
            direction,
            seq,
            copied: bytes.to_vec(),
            len,
        };
        if let Some(chunk) = self.capture.segment(segment, self.now) {
            self.conversation.chunk(chunk, &mut self.out);
            let _ = self.conversation.wants();
        }
    }

    fn check(&self) {
        assert!(
            self.conversation.held_bytes() <= MAX_HELD,
            "{} bytes held",
            self.conversation.held_bytes()
        );
        assert!(
            self.out.len() <= 16 + self.said,
            "{} messages of {} bytes",
            self.out.len(),
            self.said
        );
        let _ = self.conversation.coverage();
    }
}

fn index(direction: Direction) -> usize {
    match direction {
        Direction::Received => 0,
        Direction::Sent => 1,
    }
}
