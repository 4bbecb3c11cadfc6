//! A fixture through a conversation, cut into segments one way or another.

use std::sync::Arc;
use std::time::Duration;

use monitor::event::Direction;
use monitor::protocol::conversation::{Conversation, Message};
use monitor::time::Timestamp;

use crate::capture::{Capture, Segment};
use crate::fixture::{Fixture, Step};
use crate::show;

/// How to cut it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Consecutive bytes of a direction in one segment, with what is left out after them.
    Whole,
    /// One byte a segment.
    Bytewise,
    /// Segments of chance size.
    Split(u64),
    /// Those, out of order within a few segments, some of them twice.
    Shuffled(u64),
}

/// The start of a replay; any time would do.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A segment as it was sent.
pub(crate) struct Sent {
    pub time: Timestamp,
    pub segment: Segment,
    /// It never reached the capture.
    pub lost: bool,
}

/// Everything that passed.
pub(crate) struct Wire {
    /// Sequence numbers of the first bytes: received, sent.
    pub first: [u32; 2],
    pub segments: Vec<Sent>,
    pub end: Timestamp,
}

/// What came of it.
pub(crate) struct Replayed {
    /// All of it, as text.
    pub text: String,
    /// The messages.
    pub messages: Vec<Message>,
    pub wire: Wire,
}

/// What comes out.
pub(crate) fn replay(fixture: &Fixture, manner: Manner) -> Replayed {
    let mut chance = Chance(match manner {
        Manner::Whole | Manner::Bytewise => 1,
        Manner::Split(seed) | Manner::Shuffled(seed) => seed.wrapping_mul(2).wrapping_add(1),
    });
    // A sequence number that wraps within the conversation, in all but the first manner.
    let first = |chance: &mut Chance| match manner {
        Manner::Whole => 1000,
        Manner::Bytewise | Manner::Split(_) | Manner::Shuffled(_) => 0u32.wrapping_sub(chance.below(400) as u32),
    };
    let seqs = [first(&mut chance), first(&mut chance)];
    let mut run = Run {
        conversation: Conversation::new(fixture.origin, fixture.joined_late, Arc::default()),
        capture: Capture::new(seqs[0], seqs[1]),
        seqs,
        now: START,
        out: Vec::new(),
        wants: show::Wanted::default(),
        sent: Vec::new(),
    };
    if matches!(manner, Manner::Shuffled(_)) {
        // Where the beginning is unknown, its order can not be told either.
        run.conversation.anchor(Direction::Received, seqs[0]);
        run.conversation.anchor(Direction::Sent, seqs[1]);
    }
    let mut steps = fixture.steps.iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            Step::Bytes(direction, bytes) => {
                let mut bytes = bytes.clone();
                while let Some(Step::Bytes(next, more)) = steps.peek() {
                    if next != direction {
                        break;
                    }
                    bytes.extend_from_slice(more);
                    steps.next();
                }
                let left_out = match steps.peek() {
                    Some(Step::LeftOut(next, len)) if next == direction => {
                        steps.next();
                        *len
                    }
                    _ => 0,
                };
                // The rest of the segment in which copying stopped, and segments of which nothing is copied.
                let cut = match manner {
                    Manner::Whole => left_out,
                    Manner::Bytewise => left_out.min(1),
                    Manner::Split(_) | Manner::Shuffled(_) => left_out.min(1 + chance.below(1448) as u32),
                };
                run.bytes(*direction, &bytes, cut, manner, &mut chance);
                if left_out > cut {
                    run.unseen(*direction, left_out - cut);
                }
            }
            Step::LeftOut(direction, len) => run.unseen(*direction, *len),
            Step::Lost(direction, len) => run.lost(*direction, *len),
            Step::Again(direction, bytes) => run.again(*direction, bytes),
            Step::Told(direction) => run.told(*direction),
            Step::Wait(time) => run.wait(*time),
        }
    }
    run.told(Direction::Received);
    run.told(Direction::Sent);
    run.conversation.end(run.now, fixture.end, &mut run.out);
    run.wants.add(run.conversation.wants());
    Replayed {
        text: show::everything(&run.out, &run.conversation, &run.wants),
        messages: run.out,
        wire: Wire {
            first: seqs,
            segments: run.sent,
            end: run.now,
        },
    }
}

struct Run {
    conversation: Conversation,
    capture: Capture,
    /// Next sequence numbers, received and sent.
    seqs: [u32; 2],
    now: Timestamp,
    out: Vec<Message>,
    wants: show::Wanted,
    sent: Vec<Sent>,
}

impl Run {
    fn bytes(&mut self, direction: Direction, bytes: &[u8], cut: u32, manner: Manner, chance: &mut Chance) {
        let mut segments = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = match manner {
                Manner::Whole => rest.len(),
                Manner::Bytewise => 1,
                Manner::Split(_) => 1 + chance.below(1 + rest.len() as u64) as usize,
                Manner::Shuffled(_) => 24 + chance.below(80) as usize,
            };
            let (copied, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            let len = copied.len() as u32 + if rest.is_empty() { cut } else { 0 };
            let seq = self.take_seq(direction, len);
            segments.push(Segment {
                direction,
                seq,
                copied: copied.to_vec(),
                len,
            });
        }
        if let Manner::Shuffled(_) = manner {
            let fixed = usize::from(self.capture.is_after_skip(direction));
            for at in fixed..segments.len() {
                let other = at - chance.below((at - fixed).min(4) as u64 + 1) as usize;
                segments.swap(at, other);
            }
            let twice = chance.below(2 * segments.len() as u64) as usize;
            if let Some(segment) = segments.get(twice) {
                segments.push(Segment {
                    copied: segment.copied.clone(),
                    ..*segment
                });
            }
        }
        for segment in segments {
            self.note(&segment, false);
            if let Some(chunk) = self.capture.segment(segment, self.now) {
                self.conversation.chunk(chunk, &mut self.out);
                self.wants.add(self.conversation.wants());
            }
        }
    }

    /// Bytes that pass and are not copied.
    fn unseen(&mut self, direction: Direction, len: u32) {
        let seq = self.take_seq(direction, len);
        let segment = Segment {
            direction,
            seq,
            copied: Vec::new(),
            len,
        };
        self.note(&segment, false);
        self.capture.segment(segment, self.now);
    }

    /// Bytes that are copied, and whose chunk is lost.
    fn lost(&mut self, direction: Direction, len: u32) {
        let seq = self.take_seq(direction, len);
        let segment = Segment {
            direction,
            seq,
            copied: vec![0; len as usize],
            len,
        };
        self.note(&segment, true);
        self.capture.segment(segment, self.now);
    }

    /// The last bytes come again, as these.
    fn again(&mut self, direction: Direction, bytes: &[u8]) {
        let len = bytes.len() as u32;
        let seq = self.take_seq(direction, 0).wrapping_sub(len);
        let copied = bytes.to_vec();
        let segment = Segment {
            direction,
            seq,
            copied,
            len,
        };
        self.note(&segment, false);
        if let Some(chunk) = self.capture.segment(segment, self.now) {
            self.conversation.chunk(chunk, &mut self.out);
            self.wants.add(self.conversation.wants());
        }
    }

    fn told(&mut self, direction: Direction) {
        if let Some((seq, time)) = self.capture.reached(direction) {
            self.conversation.advance(direction, seq, time, &mut self.out);
            self.wants.add(self.conversation.wants());
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        while let Some(due) = self.conversation.poll_timeout().filter(|due| *due <= self.now) {
            self.conversation.handle_timeout(due, &mut self.out);
            self.wants.add(self.conversation.wants());
        }
    }

    fn note(&mut self, segment: &Segment, lost: bool) {
        self.sent.push(Sent {
            time: self.now,
            segment: segment.clone(),
            lost,
        });
    }

    fn take_seq(&mut self, direction: Direction, len: u32) -> u32 {
        let seq = &mut self.seqs[match direction {
            Direction::Received => 0,
            Direction::Sent => 1,
        }];
        let first = *seq;
        *seq = first.wrapping_add(len);
        first
    }
}

/// Numbers that look random and are the same every time (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
