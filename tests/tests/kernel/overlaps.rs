//! Segments that overlap, repeat and come out of order, with different content: what a real socket of this kernel reads
//! is what our stream gives. No daemon takes part.

use bytes::Bytes;
use monitor::event::{Chunk, ChunkFlags, Direction, FlowId};
use monitor::stream::{Interest, Piece, Stream};
use monitor::time::Timestamp;
use monitor_tests::chance::Chance;
use monitor_tests::segments::{Segment, Segments};
use monitor_tests::{Host, Namespace};

/// Scenarios of chance. Each is a connection, and takes less than a millisecond.
const SCENARIOS: u64 = 400;

#[test]
fn the_stream_reads_what_the_socket_reads() {
    let Some(_host) = Host::claim_without_daemon(&["ip"]) else {
        return;
    };
    let net = Namespace::new();
    let differing: Vec<String> = Segments::within(&net, |mut wire| {
        let known = known().into_iter();
        let chance = (0..SCENARIOS).map(by_chance);
        known
            .chain(chance)
            .filter_map(|(first, segments)| {
                let read = wire.exchange(first, b"", &segments);
                let given = ours(first, &segments);
                (read != given).then(|| {
                    format!(
                        "{segments:?} from {first}: the socket read {}, the stream gave {}",
                        read.escape_ascii(),
                        given.escape_ascii()
                    )
                })
            })
            .collect()
    });
    assert!(
        differing.is_empty(),
        "{} differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
}

/// Without TCP Fast Open the kernel takes nothing that comes with a SYN: the client sends it again.
#[test]
fn data_on_a_syn_is_not_read() {
    let Some(_host) = Host::claim_without_daemon(&["ip"]) else {
        return;
    };
    let net = Namespace::new();
    let read = Segments::within(&net, |mut wire| wire.exchange(7, b"early", &[segment(0, b"later")]));
    assert_eq!(read, b"later");
}

fn segment(at: u32, bytes: &[u8]) -> Segment {
    Segment {
        at,
        bytes: bytes.to_vec(),
    }
}

/// The cases that documentation names.
fn known() -> Vec<(u32, Vec<Segment>)> {
    let wraps = u32::MAX - 2;
    vec![
        // Repeated with other content: what was delivered stays.
        (7, vec![segment(0, b"abc"), segment(0, b"XYZ"), segment(3, b"d")]),
        (7, vec![segment(0, b"abc"), segment(1, b"XYZ")]),
        // Repeated while it waits.
        (7, vec![segment(1, b"bc"), segment(1, b"XY"), segment(0, b"a")]),
        // One that covers, one that is covered, one that reaches over the end, one that reaches in from before.
        (7, vec![segment(1, b"bc"), segment(1, b"XYZ"), segment(0, b"a")]),
        (7, vec![segment(2, b"c"), segment(1, b"XYZ"), segment(0, b"a")]),
        (7, vec![segment(1, b"bcd"), segment(2, b"X"), segment(0, b"a")]),
        (7, vec![segment(1, b"bc"), segment(2, b"XY"), segment(0, b"a")]),
        (7, vec![segment(2, b"cd"), segment(1, b"XY"), segment(0, b"a")]),
        // Two that touch while they wait, and one that covers the second.
        (
            7,
            vec![
                segment(1, b"bb"),
                segment(3, b"cc"),
                segment(3, b"XXX"),
                segment(0, b"a"),
            ],
        ),
        (
            7,
            vec![
                segment(3, b"cc"),
                segment(1, b"bb"),
                segment(3, b"XXX"),
                segment(0, b"a"),
            ],
        ),
        (
            7,
            vec![
                segment(3, b"cc"),
                segment(1, b"bb"),
                segment(1, b"XXXXX"),
                segment(0, b"a"),
            ],
        ),
        // In order, over what waits.
        (7, vec![segment(2, b"cd"), segment(0, b"XYZ")]),
        // A keep-alive probe: one byte before the next.
        (7, vec![segment(0, b"ab"), segment(1, b"\0"), segment(2, b"c")]),
        (wraps, vec![segment(4, b"ef"), segment(0, b"abcd"), segment(2, b"XYZ")]),
    ]
}

/// A few segments anywhere in a short stream, each of a letter of its own, then one that fills every hole.
fn by_chance(seed: u64) -> (u32, Vec<Segment>) {
    let mut chance = Chance::of(seed);
    let len = 4 + chance.below(60);
    let count = 2 + chance.below(9);
    let mut segments: Vec<Segment> = (b'a'..)
        .take(count as usize)
        .map(|letter| {
            let at = chance.below(len);
            let end = at + 1 + chance.below(len - at);
            segment(at as u32, &vec![letter; (end - at) as usize])
        })
        .collect();
    segments.push(segment(0, &vec![b'.'; len as usize]));
    // Some of them wrap.
    (0u32.wrapping_sub(chance.below(100) as u32), segments)
}

/// The same through our stream, as a capture of the wire shows it.
fn ours(first: u32, segments: &[Segment]) -> Vec<u8> {
    let mut stream = Stream::default();
    stream.anchor(first);
    let mut read = Vec::new();
    let mut max_end = 0;
    for segment in segments {
        let end = segment.at + segment.bytes.len() as u32;
        let flags = ChunkFlags {
            late: end <= max_end,
            after_hole: segment.at > max_end,
            ..ChunkFlags::default()
        };
        max_end = max_end.max(end);
        let chunk = Chunk {
            flow: FlowId::default(),
            time: Timestamp::from_secs(1),
            direction: Direction::Received,
            seq: first.wrapping_add(segment.at),
            segment_len: segment.bytes.len() as u32,
            turn: 1,
            data: Bytes::from(segment.bytes.clone()),
            peer_end: None,
            flags,
        };
        if let Some(data) = stream.offer(chunk, None) {
            read.extend_from_slice(&data.bytes);
        }
        while let Some(piece) = stream.next(Interest::EVERYTHING) {
            match piece {
                Piece::Data(data) => read.extend_from_slice(&data.bytes),
                Piece::Skip(skip) => panic!("nothing is missing, but {skip:?}"),
            }
        }
    }
    read
}
