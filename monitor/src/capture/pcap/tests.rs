//! Files made by hand.

use super::*;

fn classic(magic: u32, big: bool, packets: &[(u32, u32, &[u8], u32)]) -> Vec<u8> {
    let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut file = word(magic).to_vec();
    file.extend([0; 16]);
    file.extend(word(1));
    for (secs, fraction, data, wire) in packets {
        for field in [*secs, *fraction, data.len() as u32, *wire] {
            file.extend(word(field));
        }
        file.extend(*data);
    }
    file
}

fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = word(12 + body.len() as u32);
    [&word(kind)[..], &len, &body, &len].concat()
}

/// A section, one interface for each resolution, and packets by interface.
fn sections(big: bool, resolutions: &[Option<u8>], packets: &[(u32, u64, &[u8])]) -> Vec<u8> {
    let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let half = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut file = block(
        big,
        0x0a0d_0d0a,
        &[&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat(),
    );
    for resolution in resolutions {
        let mut body = [&half(1)[..], &half(0), &word(0)].concat();
        if let Some(resolution) = resolution {
            body.extend([&half(9)[..], &half(1), &[*resolution, 0, 0, 0]].concat());
        }
        file.extend(block(big, 1, &body));
    }
    for (interface, stamp, data) in packets {
        let len = data.len() as u32;
        let fields = [*interface, (*stamp >> 32) as u32, *stamp as u32, len, len]
            .map(word)
            .concat();
        file.extend(block(big, 6, &[&fields, *data].concat()));
    }
    file
}

/// Stamps in nanoseconds and packets, and how it ended.
fn read(file: &[u8]) -> (Vec<(u64, String)>, Option<String>) {
    // In odd pieces.
    struct Slowly<'a>(&'a [u8]);
    impl Read for Slowly<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let n = to.len().min(7);
            self.0.read(&mut to[..n])
        }
    }
    let mut merge = Merge::new(vec![Reader::new(Slowly(file)).unwrap()]);
    let mut packets = Vec::new();
    for packet in &mut merge {
        packets.push((
            packet.time.as_nanos(),
            String::from_utf8_lossy(&packet.data).into_owned(),
        ));
    }
    (
        packets,
        merge
            .damage()
            .next()
            .map(|(_, damage, more)| format!("{damage} +{more}")),
    )
}

#[track_caller]
fn check(file: &[u8], packets: &[(u64, &str)], damage: Option<&str>) {
    let (got, how) = read(file);
    let got: Vec<(u64, &str)> = got.iter().map(|(time, data)| (*time, data.as_str())).collect();
    assert_eq!((got.as_slice(), how.as_deref()), (packets, damage));
}

#[test]
fn both_byte_orders_and_both_resolutions() {
    for big in [false, true] {
        let file = |magic| classic(magic, big, &[(1, 2, b"ab", 2), (3, 4, b"c", 60)]);
        check(&file(0xa1b2_c3d4), &[(1_000_002_000, "ab"), (3_000_004_000, "c")], None);
        check(&file(0xa1b2_3c4d), &[(1_000_000_002, "ab"), (3_000_000_004, "c")], None);
        let blocks = sections(
            big,
            &[None, Some(9), Some(0x8a), Some(0)],
            &[(0, 5, b"a"), (1, 6, b"bcde"), (2, 1 << 9, b"c"), (3, 7, b"d")],
        );
        check(
            &blocks,
            &[(5_000, "a"), (6, "bcde"), (500_000_000, "c"), (7_000_000_000, "d")],
            None,
        );
        // Another section has interfaces of its own, and maybe another byte order.
        let two = [blocks, sections(!big, &[Some(3)], &[(0, 1, b"e")])].concat();
        assert_eq!(read(&two).0.last(), Some(&(1_000_000, "e".to_owned())));
    }
}

#[test]
fn what_can_be_read_of_a_cut_file_is() {
    let whole = classic(0xa1b2_c3d4, false, &[(1, 0, b"abc", 3), (2, 0, b"def", 3)]);
    for end in 0..whole.len() {
        let (packets, damage) = read(&whole[..end]);
        let expected = usize::from(end >= 43);
        let clean = end == 24 || end == 43;
        assert_eq!((packets.len(), damage.is_none()), (expected, clean), "{end}");
    }
    let whole = sections(true, &[None], &[(0, 1, b"abc"), (0, 2, b"def")]);
    for end in 0..whole.len() {
        let (packets, damage) = read(&whole[..end]);
        assert_eq!(packets.len(), usize::from(end >= 28 + 20 + 36), "{end}");
        assert_eq!(damage.is_none(), [28, 48, 84].contains(&end), "{end}");
    }
}

#[test]
fn what_cannot_be_read() {
    let mut file = classic(0xa1b2_c3d4, false, &[(1, 0, b"abc", 3), (2, 0, b"def", 3)]);
    file[43 + 8..43 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let why = "the record at byte 43 cannot be read: it is longer than any packet +0";
    check(&file, &[(1_000_000_000, "abc")], Some(why));
    // Blocks after one that makes no sense are found.
    let file = sections(false, &[None], &[(9, 1, b"abc"), (0, 2, b"def"), (7, 1, b"ghi")]);
    let why = "the record at byte 48 cannot be read: its interface is not described +1";
    check(&file, &[(2_000, "def")], Some(why));
    assert!(matches!(Reader::new(&b"GET / HTTP/1.1"[..]), Err(NoCapture::Other)));
    assert!(matches!(
        Reader::new(&b"\x1f\x8b\x08\0\0"[..]),
        Err(NoCapture::Compressed("zcat"))
    ));
}

#[test]
fn files_are_merged_by_time() {
    let one = classic(
        0xa1b2_c3d4,
        false,
        &[(1, 0, b"a", 1), (5, 0, b"b", 1), (2, 0, b"c", 1), (6, 0, b"d", 1)],
    );
    let two = classic(
        0xa1b2_c3d4,
        true,
        &[(1, 0, b"e", 1), (4, 0, b"f", 1), (5, 0, b"g", 1), (7, 0, b"h", 1)],
    );
    let readers = [&one, &two].map(|file| Reader::new(&file[..]).unwrap());
    let mut order = String::new();
    for packet in Merge::new(readers.into()) {
        order.push_str(&String::from_utf8_lossy(&packet.data));
    }
    assert_eq!(order, "aefbcgdh");
}
