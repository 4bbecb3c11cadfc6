//! However the packets of a conversation arrive, the same transactions come of them; and whatever arrives, nothing breaks.

use bytes::Bytes;
use proptest::prelude::*;

use super::wire::{Talk, captured, fragments};
use super::*;
use crate::packet::LinkType;

/// A conversation in segments of this size.
fn conversation(exchanges: &[usize], size: usize) -> Vec<Vec<u8>> {
    let mut talk = Talk::new();
    talk.open();
    for (number, body) in (1..).zip(exchanges) {
        let mut whole = Talk {
            packets: Vec::new(),
            ..talk.clone()
        };
        whole.exchange(number, *body);
        for packet in whole.packets {
            let from_client = packet[12..16] == talk.client.0;
            for part in packet[40..].chunks(size) {
                if from_client {
                    talk.client(16, part);
                } else {
                    talk.server(16, part);
                }
            }
        }
    }
    talk.close();
    talk.packets
}

/// What must not change.
fn told(packets: Vec<Packet>) -> String {
    replay(packets).told()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn order_repetitions_and_fragments_make_no_difference(
        exchanges in prop::collection::vec(0usize..6_000, 1..5),
        size in 16usize..2_000,
        swaps in prop::collection::vec((any::<prop::sample::Index>(), 1usize..3), 0..12),
        twice in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        fragment in prop::option::of(2usize..30),
    ) {
        let plain = conversation(&exchanges, size);
        let expected = told(in_order(&plain));
        prop_assert_eq!(expected.lines().count(), exchanges.len() + 1);
        let mut packets = plain.clone();
        // Within one direction, and never past the answer to what they carry.
        for (index, by) in swaps {
            let at = index.index(packets.len());
            let other = (at + by).min(packets.len() - 1);
            let same = packets[at.min(other)..=at.max(other)]
                .iter()
                .all(|packet| packet[12..16] == packets[at][12..16] && packet.len() > 40);
            if same {
                packets.swap(at, other);
            }
        }
        for index in twice {
            let at = index.index(packets.len());
            let copy = packets[at].clone();
            packets.insert(at, copy);
        }
        if let Some(eighths) = fragment {
            let parts = packets.iter().zip(1u16..);
            packets = parts
                .flat_map(|(packet, id)| {
                    let mut parts = fragments(packet, id, eighths * 8);
                    parts.reverse();
                    parts
                })
                .collect();
        }
        let got = told(in_order(&packets));
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn any_bytes_are_taken(
        packets in prop::collection::vec((0u32..280, any::<u32>(), prop::collection::vec(any::<u8>(), 0..120), any::<u32>()), 0..40),
    ) {
        let packets = packets.into_iter().map(|(link, time, data, wire_len)| Packet {
            time: START + Duration::from_millis(time.into()),
            link: LinkType::from_number(link),
            wire_len,
            data: Bytes::from(data),
        });
        replay(packets);
    }

    #[test]
    fn damaged_headers_are_taken(
        exchanges in prop::collection::vec(0usize..2_000, 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0usize..60, any::<u8>()), 0..30),
        cut in 0usize..200,
    ) {
        let mut packets = conversation(&exchanges, 400);
        for (index, at, byte) in damage {
            let at_packet = index.index(packets.len());
            if let Some(place) = packets[at_packet].get_mut(at) {
                *place = byte;
            }
        }
        let mut packets = in_order(&packets);
        for packet in &mut packets {
            packet.data.truncate(cut.max(20));
        }
        let replayed = replay(packets);
        prop_assert!(replayed.http().len() <= 40);
    }

    #[test]
    fn links_make_no_difference(tags in 0usize..3, kind in 0usize..4) {
        let plain = conversation(&[10, 2_000], 1_000);
        let expected = told(in_order(&plain));
        let packets = plain.iter().zip(0u32..).map(|(packet, n)| {
            let vlan = [0x81, 0, 0, 7].repeat(tags);
            let (number, mut bytes) = match kind {
                0 => (1, [&[0; 12][..], &vlan, &[8, 0]].concat()),
                1 => (113, [&[0; 14][..], &[8, 0]].concat()),
                2 => (276, [&[8, 0][..], &[0; 18]].concat()),
                _ => (0, vec![2, 0, 0, 0]),
            };
            bytes.extend(packet);
            Packet { link: LinkType::from_number(number), ..captured(START + STEP * n, bytes) }
        });
        prop_assert_eq!(told(packets.collect()), expected);
    }
}
