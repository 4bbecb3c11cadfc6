//! A stream whose bytes say where they stand, so that whatever is delivered can be checked.

use bytes::Bytes;
use monitor::event::{Chunk, ChunkFlags, Direction, FlowId};
use monitor::stream::{Data, Interest, Piece, Stream};
use monitor::time::Timestamp;

use super::Taker;

/// Sequence number of the first byte: it wraps soon.
const FIRST: u32 = u32::MAX - 5_000;

/// The byte that stands there; `other` is what a segment with other content has.
fn byte(seq: u32, other: bool) -> u8 {
    // The finalizer of MurmurHash3, so that near places differ in all bits.
    let mut hash = seq ^ (seq >> 16);
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)) as u8 ^ u8::from(other)
}

/// Segments and what is told of them, in any order.
pub fn stream(bytes: &[u8]) {
    let mut taker = Taker(bytes);
    let mut stream = Stream::default();
    let mut now = Timestamp::from_secs(1);
    let settings = taker.u8();
    if settings & 1 != 0 {
        stream.anchor(FIRST);
    }
    // Other content may be delivered, and nothing else is promised then.
    let honest = settings & 2 == 0;
    let mut check = Check {
        honest,
        next: None,
        base: None,
    };
    while !taker.is_empty() {
        let op = taker.u8();
        now = now + std::time::Duration::from_millis(u64::from(op >> 5) * 7);
        match op & 7 {
            0..=3 => {
                let seq = FIRST.wrapping_add(u32::from(taker.u16()));
                let flags = taker.u8();
                let copied = u32::from(taker.u8());
                let left_out = if flags & 0x80 == 0 {
                    0
                } else {
                    u32::from(taker.u8()) * 16
                };
                let other = !honest && flags & 0x40 != 0;
                let data: Vec<u8> = (0..copied).map(|at| byte(seq.wrapping_add(at), other)).collect();
                if data.is_empty() {
                    continue;
                }
                let chunk = Chunk {
                    flow: FlowId::default(),
                    time: now,
                    direction: Direction::Received,
                    seq,
                    segment_len: copied + left_out,
                    turn: u32::from(flags & 3) + 1,
                    data: Bytes::from(data),
                    peer_end: None,
                    flags: ChunkFlags {
                        after_skip: flags & 4 != 0,
                        after_hole: flags & 8 != 0,
                        late: flags & 16 != 0,
                        turn_start: flags & 32 != 0,
                        with_repeats: op & 1 != 0,
                        datagram: false,
                        frame_start: op & 2 != 0,
                    },
                };
                if let Some(data) = stream.offer(chunk, None) {
                    check.data(&data);
                }
            }
            4 => {
                stream.note_peer(FIRST.wrapping_add(u32::from(taker.u16())), now, now);
            }
            5 => stream.note_end(FIRST.wrapping_add(u32::from(taker.u16())), now),
            6 => {
                while stream.deadline().is_some_and(|due| due <= now) {
                    give_up(&mut stream, &mut check);
                }
            }
            _ => give_up(&mut stream, &mut check),
        }
        let next = stream.next_offset();
        let interest = match op >> 3 & 3 {
            0 => Interest::NOTHING,
            1 => Interest::NEXT_TURN,
            2 => Interest {
                count_to: next + 100,
                ..Interest::EVERYTHING
            },
            _ => Interest::EVERYTHING,
        };
        drain(&mut stream, interest, &mut check);
        while stream.is_over_bound() {
            give_up(&mut stream, &mut check);
        }
        assert!(stream.held_bytes() <= 128 * 1024);
    }
}

fn give_up(stream: &mut Stream, check: &mut Check) {
    if let Some(skip) = stream.give_up() {
        check.piece(&Piece::Skip(skip));
    }
    drain(stream, Interest::EVERYTHING, check);
}

fn drain(stream: &mut Stream, interest: Interest, check: &mut Check) {
    while let Some(piece) = stream.next(interest) {
        check.piece(&piece);
    }
}

/// Pieces follow each other, and hold what stands there.
struct Check {
    honest: bool,
    next: Option<u64>,
    /// What the first byte delivered says of where the stream began.
    base: Option<u64>,
}

impl Check {
    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Data(data) => self.data(data),
            Piece::Skip(skip) => {
                assert!(skip.len > 0);
                self.follows(skip.offset, skip.len);
            }
        }
    }

    fn data(&mut self, data: &Data) {
        assert!(!data.bytes.is_empty());
        self.follows(data.offset, data.bytes.len() as u64);
        if !self.honest {
            return;
        }
        // One base for all: found by the first piece that is long enough not to fit elsewhere by chance.
        let fits = |base: u64| {
            let seq = FIRST.wrapping_add(data.offset.wrapping_sub(base) as u32);
            (0u32..)
                .zip(&data.bytes)
                .all(|(at, b)| byte(seq.wrapping_add(at), false) == *b)
        };
        match self.base {
            Some(base) => assert!(fits(base), "bytes of another place at {}", data.offset),
            None if data.bytes.len() >= 8 => {
                let near = monitor::stream::START;
                self.base = (near - 70_000..near + 70_000).find(|base| fits(*base));
                assert!(self.base.is_some(), "bytes of no place at {}", data.offset);
            }
            None => {}
        }
    }

    fn follows(&mut self, offset: u64, len: u64) {
        if let Some(next) = self.next {
            assert_eq!(offset, next);
        }
        self.next = Some(offset + len);
    }
}
