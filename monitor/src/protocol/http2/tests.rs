//! What fixtures of whole conversations do not show: bounds, floods, marks of the capture, and any bytes at all.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::protocol::reading::Reading;
use crate::protocol::taps::{Logins, Taps};
use crate::protocol::transaction::Transaction;
use crate::stream::{Absence, Data, Skip};
use crate::time::Timestamp;

struct Bench {
    http: Http2,
    out: Vec<Message>,
    now: Timestamp,
    offsets: [u64; 2],
}

impl Bench {
    fn new(http: Http2) -> Self {
        Self {
            http,
            out: Vec::new(),
            now: Timestamp::from_secs(1_700_000_000),
            offsets: [0; 2],
        }
    }

    fn begun() -> Self {
        let mut bench = Self::new(Http2::new(Arc::default()));
        bench.say(Side::Client, frame::PREFACE);
        bench
    }

    fn say(&mut self, side: Side, bytes: &[u8]) {
        self.say_marked(side, bytes, false);
    }

    fn say_marked(&mut self, side: Side, bytes: &[u8], frame_start: bool) {
        let at = &mut self.offsets[usize::from(side == Side::Server)];
        let data = Data {
            offset: *at,
            bytes: Bytes::copy_from_slice(bytes),
            time: self.now,
            turn: 1,
            turn_start: false,
            frame_start,
            peer: None,
        };
        *at += bytes.len() as u64;
        if !bytes.is_empty() {
            self.http.piece(side, Piece::Data(data), &mut self.out);
        }
    }

    fn miss(&mut self, side: Side, len: u64, why: Absence) {
        let at = &mut self.offsets[usize::from(side == Side::Server)];
        let skip = Skip {
            offset: *at,
            len,
            time: self.now,
            why,
        };
        *at += len;
        self.http.piece(side, Piece::Skip(skip), &mut self.out);
    }

    fn ask(&mut self, stream: u32) {
        self.say(Side::Client, &headers(stream, b"\x82\x86\x84\x01\x01h"));
    }

    fn answer(&mut self, stream: u32) {
        self.say(Side::Server, &headers(stream, b"\x88"));
    }

    fn told(&mut self) -> Vec<Transaction> {
        self.out
            .drain(..)
            .filter_map(|message| match message {
                Message::Http(transaction) => Some(*transaction),
                _ => None,
            })
            .collect()
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// HEADERS that are whole and end their stream.
fn headers(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(1, 5, stream, block)
}

/// `content-type: application/json` and a field of this name, both literal and not kept.
fn with(indexed: &[u8], name: &str, value: &str) -> Vec<u8> {
    let mut block = indexed.to_vec();
    for (name, value) in [("content-type", "application/json"), (name, value)] {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    block
}

#[test]
fn logins_are_heard_out() {
    let taps = Taps::new([], [], Logins::new(Vec::new(), true));
    let mut bench = Bench::new(Http2::new(Arc::new(Reading::new(taps))));
    bench.say(Side::Client, frame::PREFACE);
    // POST, https, and a path that is literal.
    bench.say(
        Side::Client,
        &frame(1, 4, 1, &with(b"\x83\x87\x04\x06/login", "accept", "*/*")),
    );
    bench.say(
        Side::Client,
        &frame(1, 4, 3, &with(b"\x83\x87\x04\x06/other", "accept", "*/*")),
    );
    for stream in [1, 3] {
        bench.say(Side::Client, &frame(0, 0, stream, b"{\"user\":"));
        bench.say(Side::Client, &frame(0, 1, stream, b"\"al\"}"));
        bench.say(
            Side::Server,
            &frame(1, 4, stream, &with(b"\x08\x03302", "location", "/home")),
        );
        bench.say(Side::Server, &frame(0, 1, stream, b"{\"ok\":true}"));
    }
    let told = bench.told();
    let [login, other] = &told[..] else { panic!("{told:?}") };
    let said = login.taken.said.as_ref().expect("what was said");
    assert_eq!(*said.asked.body(), *b"{\"user\":\"al\"}");
    assert_eq!(*said.answered.body(), *b"{\"ok\":true}");
    assert_eq!(said.location.as_deref(), Some("/home"));
    assert!(other.taken.said.is_none());
}

#[test]
fn a_mark_of_the_capture_ends_a_loss() {
    let mut bench = Bench::begun();
    bench.miss(Side::Client, 5, Absence::LeftOut);
    bench.ask(1);
    assert_eq!(bench.http.client.place, Place::Lost);
    bench.say_marked(Side::Client, &headers(3, b"\x82\x86\x84\x01\x01h"), true);
    bench.answer(3);
    let told = bench.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].request.as_ref().expect("it was seen").path, "/");
}

#[test]
fn streams_are_bounded() {
    let mut bench = Bench::begun();
    for i in 0..MAX_STREAMS as u32 + 10 {
        bench.ask(2 * i + 1);
    }
    let told = bench.told();
    assert_eq!(told.len(), 10);
    assert!(told.iter().all(|t| t.incomplete == Some(Incomplete::Evicted)));
    assert_eq!(bench.http.take_evicted().requests, 10);
    assert!(bench.http.closed.len() <= MAX_CLOSED);
}

#[test]
fn header_blocks_are_bounded() {
    let mut bench = Bench::begun();
    bench.say(Side::Client, &frame(1, 1, 1, b"\x82\x86\x84\x01\x01h"));
    for _ in 0..1000 {
        bench.say(Side::Client, &frame(9, 0, 1, &[b'x'; 1000]));
        assert!(bench.http.held_bytes() <= 64 * 1024);
    }
    bench.say(Side::Client, &frame(9, 4, 1, b""));
    bench.answer(1);
    let told = bench.told();
    assert_eq!(told[0].incomplete, Some(Incomplete::HeaderTruncated));
    assert!(
        told[0].anomalies.contains(&"continuation_flood"),
        "{:?}",
        told[0].anomalies
    );
    assert_eq!(told[0].request.as_ref().expect("its start was seen").path, "/");
}

#[test]
fn floods_are_named() {
    #[track_caller]
    fn check(kind: u8, payload: &[u8], anomaly: &'static str) {
        for (times, expected) in [(100, false), (1000, true)] {
            let mut bench = Bench::begun();
            for _ in 0..times {
                bench.say(Side::Client, &frame(kind, 0, 0, payload));
            }
            bench.ask(1);
            bench.answer(1);
            assert_eq!(
                bench.told()[0].anomalies.contains(&anomaly),
                expected,
                "{anomaly} {times}"
            );
        }
    }
    check(6, &[0; 8], "ping_flood");
    check(4, &[], "settings_flood");
    let mut bench = Bench::begun();
    for i in 0..500 {
        bench.ask(2 * i + 1);
        bench.say(Side::Client, &frame(3, 0, 2 * i + 1, &[0, 0, 0, 8]));
    }
    let told = bench.told();
    assert_eq!(told.len(), 500);
    assert!(told.iter().all(|t| t.incomplete == Some(Incomplete::Reset)));
    assert!(told[0].anomalies.is_empty());
    assert_eq!(told[499].anomalies, ["rapid_reset"]);
}

#[test]
fn what_is_in_hand_when_let_go_is_told() {
    let mut bench = Bench::begun();
    bench.say(Side::Client, &frame(1, 1, 1, b"\x82\x86\x84\x01\x01h"));
    bench.http.release(&mut bench.out);
    assert_eq!(bench.http.held_bytes(), 0);
    bench.http.end(StreamEnd::Closed, &mut bench.out);
    assert_eq!(bench.told()[0].incomplete, Some(Incomplete::Evicted));
}

/// A conversation of a hundred frames, most of them by the rules.
fn conversation() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let block = prop_oneof![
        Just(b"\x82\x86\x84\x41\x01h".to_vec()),
        Just(b"\x88\x40\x01a\x01b".to_vec()),
        Just(b"\xbe\xbf\x88".to_vec()),
        any::<Vec<u8>>(),
    ];
    let kind = prop_oneof![3 => Just(0u8), 4 => Just(1), 1 => 0u8..12];
    let one = (any::<bool>(), kind, any::<u8>(), 0u32..12, block);
    prop::collection::vec(one, 0..100).prop_map(|frames| {
        frames
            .into_iter()
            .map(|(client, kind, flags, stream, payload)| (client, frame(kind, flags, stream, &payload)))
            .collect()
    })
}

proptest! {
    #[test]
    fn any_frames_at_any_split(
        frames in conversation(),
        late: bool,
        split in 1usize..40,
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        hole in prop::option::of((any::<prop::sample::Index>(), 1u64..100)),
    ) {
        let make = || Bench::new(if late {
            Http2::joined_late(Side::Client, Arc::default())
        } else {
            Http2::new(Arc::default())
        });
        let mut sides = [frame::PREFACE.to_vec(), Vec::new()];
        if late {
            sides[0].clear();
        }
        for (client, bytes) in &frames {
            sides[usize::from(!*client)].extend(bytes);
        }
        if let Some((at, byte)) = damage && !sides[0].is_empty() {
            let at = at.index(sides[0].len());
            sides[0][at] = byte;
        }
        let (mut whole, mut pieces) = (make(), make());
        for (side, bytes) in [Side::Client, Side::Server].into_iter().zip(&sides) {
            let cut = hole.map_or(bytes.len(), |(at, _)| at.index(bytes.len() + 1));
            let (before, after) = bytes.split_at(cut);
            for (bench, split) in [(&mut whole, usize::MAX), (&mut pieces, split)] {
                for chunk in before.chunks(split) {
                    bench.say(side, chunk);
                }
                if let Some((_, len)) = hole {
                    bench.miss(side, len, Absence::Lost);
                }
                for chunk in after.chunks(split) {
                    bench.say(side, chunk);
                }
            }
        }
        for bench in [&mut whole, &mut pieces] {
            bench.http.end(StreamEnd::Closed, &mut bench.out);
        }
        prop_assert_eq!(whole.told(), pieces.told());
        prop_assert_eq!(whole.http.understood, pieces.http.understood);
    }
}
