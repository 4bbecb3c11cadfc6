//! What fixtures cannot say: when things are told, what is asked of the capture, bounds. Fixtures are in
//! `tests/conversations` of the repository.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::event::{ChunkFlags, FlowId};
use crate::record::Incomplete;

/// A conversation on a server, and how far each direction has come.
struct Bench {
    conversation: Conversation,
    ends: [Option<(u32, Timestamp)>; 2],
    turns: [u32; 2],
    last: Option<Direction>,
    now: Timestamp,
    out: Vec<Message>,
}

const CLIENT: Direction = Direction::Received;
const SERVER: Direction = Direction::Sent;

impl Bench {
    fn new() -> Self {
        Self::of(Conversation::new(Origin::Remote, false, Arc::default()))
    }

    fn of(conversation: Conversation) -> Self {
        Self {
            conversation,
            ends: [None, None],
            turns: [0, 0],
            last: None,
            now: Timestamp::from_secs(1),
            out: Vec::new(),
        }
    }

    /// A segment of `len` bytes, of which `data` is copied; ten milliseconds after the one before.
    fn segment(&mut self, direction: Direction, data: &str, len: usize) {
        self.pass(direction, len);
        let start = self.ends[index(direction)]
            .map_or(0, |(end, _)| end)
            .wrapping_sub(len as u32);
        let chunk = Chunk {
            flow: FlowId::default(),
            time: self.now,
            direction,
            seq: start,
            segment_len: len as u32,
            turn: self.turns[index(direction)],
            data: Bytes::copy_from_slice(data.as_bytes()),
            peer_end: self.ends[index(direction.reverse())],
            flags: ChunkFlags {
                turn_start: self.last != Some(direction),
                ..ChunkFlags::default()
            },
        };
        self.last = Some(direction);
        self.conversation.chunk(chunk, &mut self.out);
    }

    fn say(&mut self, direction: Direction, data: &str) {
        self.segment(direction, data, data.len());
    }

    /// Bytes that are not copied.
    fn pass(&mut self, direction: Direction, len: usize) {
        self.now = self.now + Duration::from_millis(10);
        if self.last != Some(direction) {
            self.turns[index(direction)] += 1;
        }
        let end = self.ends[index(direction)].map_or(0, |(end, _)| end);
        self.ends[index(direction)] = Some((end.wrapping_add(len as u32), self.now));
    }

    fn told(&mut self, direction: Direction) {
        if let Some((end, time)) = self.ends[index(direction)] {
            self.conversation.advance(direction, end, time, &mut self.out);
        }
    }

    fn transactions(&mut self) -> Vec<(Option<u16>, Option<Incomplete>)> {
        self.out
            .drain(..)
            .filter_map(|message| match message {
                Message::Http(t) => Some((t.response.map(|response| response.status), t.incomplete)),
                Message::ServerName(_) | Message::Tls(_) | Message::Dns(_) | Message::Unreadable(_) => None,
            })
            .collect()
    }
}

fn index(direction: Direction) -> usize {
    match direction {
        Direction::Received => 0,
        Direction::Sent => 1,
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn an_idle_connection_is_small() {
    assert!(
        size_of::<Conversation>() + size_of::<Http1>() <= 640,
        "{} + {}",
        size_of::<Conversation>(),
        size_of::<Http1>()
    );
}

#[test]
fn a_transaction_is_told_with_its_last_byte() {
    let mut bench = Bench::new();
    bench.say(CLIENT, GET);
    bench.say(SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
    assert_eq!(bench.transactions(), []);
    bench.say(SERVER, "k");
    assert_eq!(bench.transactions(), [(Some(200), None)]);
    assert_eq!(bench.conversation.wants(), Wants::default());
}

#[test]
fn a_long_response_is_watched_to_its_end() {
    let mut bench = Bench::new();
    bench.say(CLIENT, GET);
    bench.segment(SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n...", 1448);
    assert!(bench.conversation.wants().watch_tail);
    assert_eq!(bench.conversation.wants(), Wants::default());
    bench.pass(SERVER, 2000);
    bench.told(SERVER);
    assert_eq!(bench.transactions(), []);
    assert_eq!(bench.conversation.wants(), Wants::default());
    bench.pass(SERVER, 5041 - 3448);
    bench.told(SERVER);
    assert_eq!(bench.transactions(), [(Some(200), None)]);
    assert!(bench.conversation.wants().forget_tail);
    assert_eq!(bench.conversation.coverage().understood_bytes, 27 + 5041);
}

#[test]
fn a_response_that_fills_what_is_copied_is_watched() {
    let mut bench = Bench::new();
    bench.say(CLIENT, GET);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
    bench.say(SERVER, head);
    assert!(!bench.conversation.wants().watch_tail);
    bench.say(SERVER, &"x".repeat(1024 - head.len()));
    assert!(bench.conversation.wants().watch_tail);
}

#[test]
fn counters_that_run_ahead_of_chunks_swallow_no_header() {
    let mut bench = Bench::new();
    bench.say(CLIENT, GET);
    let ahead = EMPTY.len() as u32;
    let soon = bench.now + Duration::from_secs(1);
    bench.conversation.advance(SERVER, ahead, soon, &mut bench.out);
    bench.conversation.handle_timeout(soon, &mut bench.out);
    bench.say(SERVER, EMPTY);
    let next = 2 * ahead;
    bench.conversation.advance(SERVER, next, soon, &mut bench.out);
    bench.say(CLIENT, GET);
    bench.say(SERVER, EMPTY);
    assert_eq!(bench.transactions(), [(Some(200), None), (Some(200), None)]);
}

#[test]
fn a_lost_chunk_is_waited_for_a_tenth_of_a_second() {
    let mut bench = Bench::new();
    bench.say(CLIENT, "GET / HTTP/1.1\r\n");
    bench.pass(CLIENT, 30);
    bench.say(CLIENT, "Host: h\r\n\r\n");
    let due = bench.conversation.poll_timeout().unwrap();
    assert_eq!(due, bench.now + crate::stream::REORDER_WAIT);
    bench.conversation.handle_timeout(due, &mut bench.out);
    assert_eq!(bench.conversation.poll_timeout(), None);
    bench.say(SERVER, EMPTY);
    assert_eq!(bench.transactions(), [(Some(200), Some(Incomplete::Gap))]);
}

#[test]
fn what_is_not_read_is_asked_to_be_counted_once() {
    let mut bench = Bench::new();
    bench.say(SERVER, "SSH-2.0-OpenSSH_9.6\r\n");
    assert!(bench.conversation.wants().count_only);
    bench.say(CLIENT, "SSH-2.0-OpenSSH_9.6\r\n");
    assert_eq!(bench.conversation.wants(), Wants::default());
    assert_eq!(bench.conversation.app(), None);
    assert_eq!(bench.conversation.coverage().reason, Some(CoverageReason::Unsupported));
}

#[test]
fn a_connection_joined_late_gets_some_turns_to_show_a_message() {
    let mut bench = Bench::of(Conversation::new(Origin::Unknown, true, Arc::default()));
    for _ in 0..7 {
        // As DNS over TCP might begin, as far as it goes.
        bench.say(CLIENT, "\u{1}\u{2}\u{3}");
        bench.say(SERVER, "\u{1}\u{2}\u{3}");
    }
    assert_eq!(bench.conversation.wants(), Wants::default());
    bench.say(CLIENT, GET);
    bench.say(SERVER, EMPTY);
    assert_eq!(bench.transactions(), [(Some(200), None)]);
    assert_eq!(bench.conversation.client_direction(), Some(CLIENT));
    assert_eq!(bench.conversation.coverage().reason, Some(CoverageReason::JoinedLate));

    let mut bench = Bench::of(Conversation::new(Origin::Unknown, true, Arc::default()));
    for _ in 0..8 {
        bench.say(CLIENT, "\u{5}\u{2}\u{3}");
        bench.say(SERVER, "\u{5}\u{2}\u{3}");
    }
    assert!(bench.conversation.wants().count_only);
}

#[test]
fn a_header_without_end_is_given_up() {
    let mut bench = Bench::new();
    bench.say(CLIENT, "GET / HTTP/1.1\r\n");
    for _ in 0..70 {
        bench.say(CLIENT, &format!("X: {}\r\n", "x".repeat(1000)));
    }
    assert_eq!(bench.conversation.evicted().headers, 1);
    bench.say(SERVER, EMPTY);
    assert_eq!(bench.transactions(), [(Some(200), Some(Incomplete::HeaderTruncated))]);
}

#[test]
fn requests_sent_ahead_of_an_upgrade_are_told() {
    let mut bench = Bench::new();
    bench.say(CLIENT, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n");
    bench.say(CLIENT, GET);
    bench.say(SERVER, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(
        bench.transactions(),
        [(Some(101), None), (None, Some(Incomplete::NoResponse))]
    );
    assert_eq!(bench.conversation.app(), Some(App::Websocket));
    bench.conversation.end(bench.now, StreamEnd::Closed, &mut bench.out);
    assert_eq!(bench.transactions(), []);
}

/// Bits of HTTP, TLS and nothing, to meet more than the first byte of each reader.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /x HTTP/1.1\r\nHost: h\r\n",
        "HEAD ",
        "CONNECT h:1 HTTP/1.1\r\n\r\n",
        "\r\n",
        "\n",
        "\r\n\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 70000\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 101 \r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.0 304 x\r\n",
        "HTTP/1.",
        "ffff\r\n",
        "Host : a\r\n",
        " folded\r\n",
        "\u{16}\u{3}\u{1}\u{0}\u{40}\u{1}\u{0}\u{0}\u{3c}\u{3}\u{3}",
        "PRI * HTTP/2.0\r\n\r\n",
    ]);
    prop_oneof![
        6 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (1..3000usize).prop_map(|n| vec![b'x'; n]),
    ]
}

#[derive(Clone, Debug)]
enum Op {
    Chunk {
        direction: Direction,
        data: Vec<u8>,
        /// Bytes passed over before it, or gone back.
        jump: i32,
        cut: u32,
        bits: u8,
        peer: bool,
    },
    Advance(Direction, u32),
    Timeout(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let direction = prop_oneof![Just(Direction::Received), Just(Direction::Sent)];
    let jump = prop_oneof![8 => Just(0), 1 => -50..200i32, 1 => any::<i32>()];
    let cut = prop_oneof![6 => Just(0u32), 1 => 0..9000u32];
    prop_oneof![
        12 => (direction.clone(), proptest::collection::vec(fragment(), 1..5), jump, cut, any::<u8>(), any::<bool>())
            .prop_map(|(direction, data, jump, cut, bits, peer)| Op::Chunk { direction, data: data.concat(), jump, cut, bits, peer }),
        1 => (direction, 0..20_000u32).prop_map(|(direction, n)| Op::Advance(direction, n)),
        1 => (0..300u64).prop_map(Op::Timeout),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_panics_and_all_is_told(ops in proptest::collection::vec(op(), 0..40), late: bool, origin in 0..3u8, how in 0..5u8) {
        let origin = [Origin::Local, Origin::Remote, Origin::Unknown][usize::from(origin)];
        let how = [StreamEnd::Closed, StreamEnd::Reset, StreamEnd::TimedOut, StreamEnd::StillOpen, StreamEnd::Evicted][usize::from(how)];
        let mut conversation = Conversation::new(origin, late, Arc::default());
        let mut now = Timestamp::from_secs(1);
        let mut ends = [u32::MAX - 100, 5];
        let mut turns = [1, 1];
        let mut out = Vec::new();
        for op in ops {
            match op {
                Op::Chunk { direction, data, jump, cut, bits, peer } => {
                    let i = index(direction);
                    let seq = ends[i].wrapping_add_signed(jump);
                    let segment_len = data.len() as u32 + cut;
                    ends[i] = seq.wrapping_add(segment_len);
                    let flag = |n: u8| bits & (1 << n) != 0;
                    let turn_start = bits & 3 != 0;
                    turns[i] += u32::from(turn_start);
                    conversation.chunk(Chunk {
                        flow: FlowId::default(), time: now, direction, seq, segment_len, turn: turns[i], data: Bytes::from(data),
                        peer_end: peer.then(|| (ends[1 - i], now)),
                        flags: ChunkFlags {
                            after_skip: jump > 0 && flag(2), after_hole: jump > 0 && flag(3), late: jump < 0 && flag(4), turn_start,
                            with_repeats: flag(5), datagram: false,
                            frame_start: false,
                        },
                    }, &mut out);
                }
                Op::Advance(direction, n) => {
                    ends[index(direction)] = ends[index(direction)].wrapping_add(n);
                    conversation.advance(direction, ends[index(direction)], now, &mut out);
                }
                Op::Timeout(millis) => {
                    now = now + Duration::from_millis(millis);
                    conversation.handle_timeout(now, &mut out);
                    prop_assert!(conversation.poll_timeout().is_none_or(|due| due > now));
                }
            }
            conversation.wants();
        }
        conversation.end(now, how, &mut out);
        let told = out.len();
        conversation.end(now, how, &mut out);
        prop_assert_eq!(out.len(), told, "the end tells all, once");
        for message in &out {
            if let Message::Http(t) = message {
                prop_assert!(t.request.is_some() || t.response.is_some() || t.incomplete.is_some());
                prop_assert!(t.incomplete.is_some() || t.response.is_some());
            }
        }
    }
}
