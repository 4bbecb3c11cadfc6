//! Any segmentation, order and repetition gives the same bytes, and nothing is delivered twice or left out silently.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::event::{Chunk, ChunkFlags, Direction, FlowId};

/// A stream, the sequence number of its first byte, and what it delivered.
struct Bench {
    stream: Stream,
    base: u32,
    max_end: u32,
    now: Timestamp,
    pieces: Vec<Piece>,
}

impl Bench {
    fn new(base: u32) -> Self {
        let mut stream = Stream::default();
        stream.anchor(base);
        Self {
            stream,
            base,
            max_end: base,
            now: Timestamp::from_secs(1),
            pieces: Vec::new(),
        }
    }

    /// A segment at `at`, flagged as the capture would.
    fn segment(&mut self, at: u32, data: &[u8], len: u32, after_skip: bool) {
        let seq = self.base.wrapping_add(at);
        let end = seq.wrapping_add(len);
        let late = end.wrapping_sub(self.max_end).cast_signed() <= 0;
        let ahead = seq.wrapping_sub(self.max_end).cast_signed() > 0;
        let flags = ChunkFlags {
            after_hole: !late && ahead && !after_skip,
            after_skip,
            late,
            with_repeats: true,
            frame_start: false,
            ..ChunkFlags::default()
        };
        if !late {
            self.max_end = end;
        }
        let chunk = Chunk {
            flow: FlowId::default(),
            time: self.now,
            direction: Direction::Received,
            seq,
            segment_len: len,
            turn: 1,
            data: Bytes::copy_from_slice(data),
            peer_end: None,
            flags,
        };
        if let Some(data) = self.stream.offer(chunk, None) {
            self.pieces.push(Piece::Data(data));
        }
        self.drain(Interest::EVERYTHING);
    }

    fn drain(&mut self, interest: Interest) {
        while let Some(piece) = self.stream.next(interest) {
            self.pieces.push(piece);
        }
    }

    fn give_up_all(&mut self) {
        while let Some(skip) = self.stream.give_up() {
            self.pieces.push(Piece::Skip(skip));
            self.drain(Interest::EVERYTHING);
        }
    }

    /// What was delivered, `None` for bytes passed over; panics where pieces do not follow each other.
    fn delivered(&self) -> Vec<Option<u8>> {
        let mut all = Vec::new();
        for piece in &self.pieces {
            let offset = match piece {
                Piece::Data(data) => data.offset,
                Piece::Skip(skip) => skip.offset,
            };
            assert_eq!(offset, START + all.len() as u64);
            match piece {
                Piece::Data(data) => all.extend(data.bytes.iter().copied().map(Some)),
                Piece::Skip(skip) => all.resize(all.len() + skip.len as usize, None),
            }
        }
        all
    }

    fn text(&self) -> String {
        self.delivered().iter().map(|b| b.map_or('.', char::from)).collect()
    }
}

#[track_caller]
fn check(bench: &Bench, expected: &str) {
    assert_eq!(bench.text(), expected);
}

#[test]
fn sequence_numbers_wrap() {
    let mut bench = Bench::new(u32::MAX - 2);
    bench.segment(0, b"abcd", 4, false);
    bench.segment(6, b"gh", 2, false);
    bench.segment(4, b"ef", 2, false);
    check(&bench, "abcdefgh");
}

#[test]
fn a_cut_segment_and_a_skip_are_passed_over_at_once() {
    let mut bench = Bench::new(7);
    bench.segment(0, b"ab", 5, false);
    check(&bench, "ab...");
    bench.segment(9, b"z", 1, true);
    check(&bench, "ab.......z");
    assert_eq!(bench.stream.deadline(), None);
}

#[test]
fn a_hole_is_waited_for_and_then_lost() {
    let mut bench = Bench::new(7);
    bench.segment(0, b"ab", 2, false);
    bench.segment(4, b"ef", 2, false);
    check(&bench, "ab");
    assert_eq!(bench.stream.deadline(), Some(bench.now + REORDER_WAIT));
    let lost = bench.stream.give_up().unwrap();
    assert_eq!((lost.len, lost.why), (2, Absence::Lost));
    bench.pieces.push(Piece::Skip(lost));
    bench.drain(Interest::EVERYTHING);
    check(&bench, "ab..ef");
    bench.segment(2, b"cd", 2, false);
    check(&bench, "ab..ef");
    assert_eq!(bench.stream.deadline(), None);
}

#[test]
fn what_is_only_counted_waits_for_nothing() {
    let mut bench = Bench::new(7);
    bench.segment(0, b"ab", 2, false);
    bench.stream.note_end(7 + 100, bench.now);
    let count = Interest {
        count_to: START + 50,
        ..Interest::EVERYTHING
    };
    bench.drain(count);
    assert_eq!(bench.stream.next_offset(), START + 50);
    // An older count changes nothing, nor does one that comes again.
    bench.stream.note_end(7 + 20, bench.now);
    bench.drain(count);
    assert_eq!(bench.stream.next_offset(), START + 50);
}

#[test]
fn counters_may_jump_by_more_than_half_the_circle() {
    let mut bench = Bench::new(7);
    bench.segment(0, b"a", 1, false);
    bench.stream.note_end(7u32.wrapping_add(3_000_000_000), bench.now);
    bench.drain(Interest::NOTHING);
    assert_eq!(bench.stream.next_offset(), START + 3_000_000_000);
}

#[test]
fn an_answer_settles_what_came_before_it() {
    let mut bench = Bench::new(7);
    bench.segment(0, b"ab", 2, false);
    let moved = bench.now;
    let offset = bench.stream.note_peer(7 + 10, moved, moved);
    assert_eq!(offset, START + 10);
    bench.drain(Interest::EVERYTHING);
    check(&bench, "ab");
    assert_eq!(bench.stream.deadline(), Some(moved + REORDER_WAIT));
    bench.drain(Interest::NEXT_TURN);
    check(&bench, "ab........");
}

#[test]
fn without_an_anchor_the_first_hole_is_waited_for() {
    let mut bench = Bench::new(7);
    bench.stream = Stream::default();
    bench.segment(4, b"ef", 2, false);
    bench.segment(2, b"cd", 2, false);
    assert!(bench.pieces.is_empty());
    assert_eq!(bench.stream.give_up(), None);
    bench.drain(Interest::EVERYTHING);
    let bytes: Vec<u8> = bench
        .pieces
        .iter()
        .flat_map(|piece| match piece {
            Piece::Data(data) => data.bytes.to_vec(),
            Piece::Skip(_) => panic!("nothing is missing"),
        })
        .collect();
    assert_eq!(bytes, b"cdef");
}

#[test]
fn overlaps_are_settled_as_linux_does() {
    // Delivered bytes stay.
    let mut bench = Bench::new(7);
    bench.segment(0, b"abc", 3, false);
    bench.segment(1, b"XYZ", 3, false);
    check(&bench, "abcZ");
    // A segment that covers one that waits replaces it.
    let mut bench = Bench::new(7);
    bench.segment(1, b"bc", 2, false);
    bench.segment(1, b"XYZ", 3, false);
    bench.segment(0, b"a", 1, false);
    check(&bench, "aXYZ");
    // One that is covered adds nothing.
    let mut bench = Bench::new(7);
    bench.segment(1, b"bcd", 3, false);
    bench.segment(2, b"X", 1, false);
    bench.segment(0, b"a", 1, false);
    check(&bench, "abcd");
    // Else the one that starts first gives what two have.
    let mut bench = Bench::new(7);
    bench.segment(2, b"cd", 2, false);
    bench.segment(1, b"XY", 2, false);
    bench.segment(0, b"a", 1, false);
    check(&bench, "aXYd");
}

#[test]
fn what_touches_while_it_waits_is_covered_together_or_not_at_all() {
    let mut bench = Bench::new(7);
    bench.segment(1, b"bb", 2, false);
    bench.segment(3, b"cc", 2, false);
    bench.segment(3, b"XXX", 3, false);
    bench.segment(0, b"a", 1, false);
    check(&bench, "abbccX");
    // The other way round they stay two.
    let mut bench = Bench::new(7);
    bench.segment(3, b"cc", 2, false);
    bench.segment(1, b"bb", 2, false);
    bench.segment(3, b"XXX", 3, false);
    bench.segment(0, b"a", 1, false);
    check(&bench, "abbXXX");
    let mut bench = Bench::new(7);
    bench.segment(1, b"bb", 2, false);
    bench.segment(3, b"cc", 2, false);
    bench.segment(1, b"XXXXX", 5, false);
    bench.segment(0, b"a", 1, false);
    check(&bench, "aXXXXX");
}

#[test]
fn bytes_that_come_again_otherwise_are_told() {
    // After they were delivered.
    let mut bench = Bench::new(7);
    bench.segment(0, b"abcdef", 6, false);
    bench.segment(2, b"cd", 2, false);
    assert_eq!(bench.stream.take_differing(), None);
    bench.segment(2, b"cX", 2, false);
    assert_eq!(bench.stream.take_differing(), Some(START + 2));
    assert_eq!(bench.stream.take_differing(), None);
    check(&bench, "abcdef");
    // While they wait.
    let mut bench = Bench::new(7);
    bench.segment(3, b"def", 3, false);
    bench.segment(2, b"cde", 3, false);
    assert_eq!(bench.stream.take_differing(), None);
    bench.segment(2, b"cX", 2, false);
    assert_eq!(bench.stream.take_differing(), Some(START + 2));
    // Once they were answered it does not matter.
    let mut bench = Bench::new(7);
    bench.segment(0, b"abcdef", 6, false);
    bench.stream.note_peer(7 + 6, bench.now, bench.now);
    bench.segment(2, b"XX", 2, false);
    assert_eq!(bench.stream.take_differing(), None);
}

#[test]
fn a_keep_alive_probe_says_nothing() {
    let mut bench = Bench::new(7);
    bench.segment(0, b"ab", 2, false);
    bench.segment(1, b"\0", 1, false);
    bench.segment(2, b"c", 1, false);
    check(&bench, "abc");
    assert_eq!(bench.stream.take_differing(), None);
}

#[test]
fn what_is_held_is_bounded() {
    let mut bench = Bench::new(7);
    for at in 0..1000 {
        bench.segment(10 + 2 * at, b"x", 1, false);
        while bench.stream.is_over_bound() {
            let skip = bench.stream.give_up().unwrap();
            bench.pieces.push(Piece::Skip(skip));
            bench.drain(Interest::EVERYTHING);
        }
    }
    assert!(bench.pieces.len() >= 2 * (1000 - held::MAX_HELD_SEGMENTS - 1));
}

/// Segments of `len` bytes: where each begins, how long it is, in any order, some of them twice and overlapping.
fn segments(len: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    let cuts = proptest::collection::btree_set(1..len.max(2), 0..20);
    let extra = proptest::collection::vec((0..len, 1..60usize), 0..6);
    (cuts, extra)
        .prop_map(move |(cuts, extra)| {
            let mut from = 0;
            let mut all: Vec<(usize, usize)> = Vec::new();
            for cut in cuts.into_iter().filter(|cut| *cut < len).chain([len]) {
                all.push((from, cut - from));
                from = cut;
            }
            all.extend(extra.into_iter().map(|(at, n)| (at, n.min(len - at))));
            all
        })
        .prop_shuffle()
}

proptest! {
    #[test]
    fn any_order_gives_the_same_bytes(
        (bytes, segments) in proptest::collection::vec(any::<u8>(), 1..600)
            .prop_flat_map(|bytes| { let len = bytes.len(); (Just(bytes), segments(len)) }),
        base: u32,
    ) {
        let mut bench = Bench::new(base);
        for (at, len) in segments {
            bench.segment(at as u32, &bytes[at..at + len], len as u32, false);
        }
        let expected: Vec<Option<u8>> = bytes.into_iter().map(Some).collect();
        prop_assert_eq!(bench.delivered(), expected);
        prop_assert_eq!(bench.stream.deadline(), None);
    }

    #[test]
    fn lost_segments_leave_holes_of_their_size(
        (bytes, segments) in proptest::collection::vec(any::<u8>(), 1..600)
            .prop_flat_map(|bytes| { let len = bytes.len(); (Just(bytes), segments(len)) }),
        base: u32,
        lost: u32,
    ) {
        let mut bench = Bench::new(base);
        let mut expected = vec![None; bytes.len()];
        for (i, (at, len)) in segments.into_iter().enumerate() {
            if lost & (1 << (i % 32)) == 0 {
                bench.segment(at as u32, &bytes[at..at + len], len as u32, false);
                for i in at..at + len {
                    expected[i] = Some(bytes[i]);
                }
            }
        }
        bench.give_up_all();
        while expected.last() == Some(&None) {
            expected.pop();
        }
        prop_assert_eq!(bench.delivered(), expected);
    }

    #[test]
    fn nothing_panics(ops in proptest::collection::vec((any::<u32>(), 0..40usize, any::<u32>(), any::<u8>()), 0..60)) {
        let mut stream = Stream::default();
        let now = Timestamp::from_secs(1);
        for (seq, len, segment_len, bits) in ops {
            let flag = |n: u8| bits & (1 << n) != 0;
            let interest = Interest { count_to: if flag(6) { START + u64::from(segment_len) } else { 0 }, peer_settles: flag(7) };
            match bits % 4 {
                0 => { stream.note_peer(seq, now, now); }
                1 => stream.note_end(seq, now),
                2 => { stream.give_up(); }
                _ => {
                    let flags = ChunkFlags {
                        after_skip: flag(2), after_hole: flag(3), late: flag(4), turn_start: flag(5), with_repeats: flag(6), datagram: false, frame_start: false,
                    };
                    let chunk = Chunk {
                        flow: FlowId::default(), time: now, direction: Direction::Sent, seq, segment_len, turn: seq % 3,
                        data: Bytes::from(vec![0; len]), peer_end: None, flags,
                    };
                    stream.offer(chunk, None);
                }
            }
            let before = stream.next_offset();
            while stream.next(interest).is_some() {}
            prop_assert!(stream.next_offset() >= before);
        }
        stream.give_up_rest();
    }
}
