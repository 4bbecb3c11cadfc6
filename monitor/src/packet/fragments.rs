//! IP datagrams put together from their fragments.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustc_hash::FxHashMap;

use super::ip::{Datagram, Fragment};
use crate::time::Timestamp;

/// Datagrams under way. Linux bounds the bytes alone (`net.ipv4.ipfrag_high_thresh`, 4 MiB).
const MAX_DATAGRAMS: usize = 1_024;
/// Bytes of all.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Fragments of one: 64 KiB in fragments of 512 bytes.
const MAX_PARTS: usize = 128;
/// How long one waits for the rest: `IP_FRAG_TIME` (Linux include/net/ip.h).
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    id: u32,
}

/// The datagrams of which some fragments have come.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    waiting: FxHashMap<Key, Waiting>,
    /// In order of arrival; an entry whose datagram is complete is stale.
    order: VecDeque<(Timestamp, Key)>,
    bytes: usize,
    /// Fragments given up.
    pub(super) dropped: u64,
}

/// What fragments came to.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) protocol: u8,
    /// Bytes of payload; `payload` may hold fewer.
    pub(super) len: u32,
    pub(super) payload: Bytes,
}

#[derive(Debug)]
struct Waiting {
    since: Timestamp,
    /// In order of offset; never overlapping.
    parts: Vec<Part>,
    /// Length of the whole, once the last fragment has come.
    total: Option<u32>,
    /// Protocol that the first fragment names: those of IPv6 may differ in what they say of it.
    protocol: u8,
    /// Fragments overlapped: nothing of it is taken any more.
    spoiled: bool,
}

#[derive(Debug)]
struct Part {
    offset: u32,
    len: u32,
    bytes: Bytes,
}

impl Fragments {
    /// Takes a fragment; gives the whole that it completes.
    ///
    /// Overlaps are settled as in Linux (`inet_frag_queue_insert` in `net/ipv4/inet_fragment.c`): one that repeats
    /// another is passed over, one that overlaps another in part ends the datagram (RFC 5722 asks for it in IPv6).
    pub(super) fn take(&mut self, now: Timestamp, datagram: &Datagram<'_>, fragment: Fragment) -> Option<Whole> {
        self.expire(now);
        let key = Key {
            source: datagram.source,
            destination: datagram.destination,
            // The protocol is a part of the name in IPv4 alone (RFC 791 section 3.2, RFC 8200 section 4.5).
            protocol: if datagram.source.is_ipv4() {
                datagram.protocol
            } else {
                0
            },
            id: fragment.id,
        };
        let order = &mut self.order;
        let waiting = self.waiting.entry(key).or_insert_with(|| {
            order.push_back((now, key));
            Waiting {
                since: now,
                parts: Vec::new(),
                total: None,
                protocol: datagram.protocol,
                spoiled: false,
            }
        });
        let end = fragment.offset + datagram.len;
        match waiting.fit(fragment, end) {
            Fit::Repeats => return None,
            Fit::Overlaps => {
                self.dropped += 1 + waiting.parts.len() as u64;
                self.bytes -= waiting.bytes();
                waiting.parts = Vec::new();
                waiting.spoiled = true;
                return None;
            }
            Fit::At(at) => {
                if fragment.offset == 0 {
                    waiting.protocol = datagram.protocol;
                }
                if !fragment.more {
                    waiting.total = Some(end);
                }
                self.bytes += datagram.payload.len();
                waiting.parts.insert(
                    at,
                    Part {
                        offset: fragment.offset,
                        len: datagram.len,
                        // A copy: the packet may be a slice of a large batch, which must not live as long as the wait.
                        bytes: Bytes::copy_from_slice(datagram.payload),
                    },
                );
            }
        }
        if waiting.is_complete()
            && let Some(waiting) = self.waiting.remove(&key)
        {
            self.bytes -= waiting.bytes();
            return Some(waiting.whole());
        }
        while self.waiting.len() > MAX_DATAGRAMS || self.bytes > MAX_BYTES {
            self.drop_oldest();
        }
        None
    }

    fn expire(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(since, _)| *since + PATIENCE <= now) {
            self.drop_oldest();
        }
    }

    /// Gives up what is still under way.
    pub(super) fn finish(&mut self) {
        while !self.order.is_empty() {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((since, key)) = self.order.pop_front() else {
            return;
        };
        if self.waiting.get(&key).is_none_or(|waiting| waiting.since != since) {
            return;
        }
        if let Some(waiting) = self.waiting.remove(&key) {
            self.bytes -= waiting.bytes();
            self.dropped += waiting.parts.len() as u64;
        }
    }
}

enum Fit {
    At(usize),
    Repeats,
    Overlaps,
}

impl Waiting {
    fn fit(&self, fragment: Fragment, end: u32) -> Fit {
        let beyond = self
            .total
            .is_some_and(|total| end > total || (!fragment.more && end != total));
        let cuts_off = !fragment.more && self.parts.last().is_some_and(|last| last.offset + last.len > end);
        // All but the last are of whole units of eight bytes (RFC 791 section 3.1); longer than a datagram can be.
        let odd = (fragment.more && !(end - fragment.offset).is_multiple_of(8))
            || end > u16::MAX.into()
            || end == fragment.offset;
        if self.spoiled || beyond || cuts_off || odd {
            return Fit::Overlaps;
        }
        let at = self.parts.partition_point(|part| part.offset < fragment.offset);
        let before = at.checked_sub(1).and_then(|before| self.parts.get(before));
        let after = self.parts.get(at);
        if after.is_some_and(|after| after.offset == fragment.offset && after.offset + after.len == end) {
            return Fit::Repeats;
        }
        let overlaps = before.is_some_and(|before| before.offset + before.len > fragment.offset)
            || after.is_some_and(|after| after.offset < end);
        if overlaps || self.parts.len() >= MAX_PARTS {
            return Fit::Overlaps;
        }
        Fit::At(at)
    }

    fn is_complete(&self) -> bool {
        let mut next = 0;
        for part in &self.parts {
            if part.offset != next {
                return false;
            }
            next += part.len;
        }
        self.total == Some(next)
    }

    fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// The datagram; its payload ends where the capture had cut a fragment.
    fn whole(self) -> Whole {
        let mut payload = BytesMut::with_capacity(self.bytes());
        for part in &self.parts {
            payload.extend_from_slice(&part.bytes);
            if part.bytes.len() < part.len as usize {
                break;
            }
        }
        Whole {
            protocol: self.protocol,
            len: self.total.unwrap_or_default(),
            payload: payload.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: u32, offset: u32, bytes: &'static [u8], more: bool) -> (Datagram<'static>, Fragment) {
        let datagram = Datagram {
            source: "192.0.2.1".parse().unwrap(),
            destination: "192.0.2.2".parse().unwrap(),
            protocol: 17,
            len: bytes.len() as u32,
            payload: bytes,
            fragment: None,
        };
        (datagram, Fragment { id, offset, more })
    }

    #[track_caller]
    fn check(parts: &[(u32, &'static [u8], bool)], expected: Option<&[u8]>, dropped: u64) {
        let mut fragments = Fragments::default();
        let mut whole = None;
        for (offset, bytes, more) in parts {
            let (datagram, fragment) = part(1, *offset, bytes, *more);
            whole = whole.or(fragments.take(Timestamp::from_secs(1), &datagram, fragment));
        }
        assert_eq!(whole.as_ref().map(|d| &*d.payload), expected);
        assert_eq!(fragments.dropped, dropped);
        fragments.finish();
        assert_eq!((fragments.bytes, fragments.waiting.len()), (0, 0));
    }

    #[test]
    fn in_any_order() {
        let (a, b, c): (_, _, (u32, &[u8], bool)) = (
            (0, &b"aaaaaaaa"[..], true),
            (8, &b"bbbbbbbb"[..], true),
            (16, b"cc", false),
        );
        let whole = Some(&b"aaaaaaaabbbbbbbbcc"[..]);
        check(&[a, b, c], whole, 0);
        check(&[c, b, a], whole, 0);
        check(&[b, c, b, a], whole, 0);
        check(&[a, c], None, 0);
    }

    #[test]
    fn overlaps_end_it() {
        let a: (u32, &[u8], bool) = (0, b"aaaaaaaaaaaaaaaa", true);
        check(&[a, (8, b"bbbbbbbb", true), (16, b"cc", false)], None, 3);
        // After the last, or with another last.
        check(&[(16, b"cc", false), (24, b"dddddddd", true), a], None, 3);
        check(&[(0, b"odd", true)], None, 1);
    }

    #[test]
    fn waiting_has_bounds() {
        let mut fragments = Fragments::default();
        for id in 0..2 * MAX_DATAGRAMS as u32 {
            let (datagram, fragment) = part(id, 0, b"aaaaaaaa", true);
            assert!(fragments.take(Timestamp::from_secs(1), &datagram, fragment).is_none());
        }
        assert_eq!(
            (fragments.waiting.len(), fragments.dropped),
            (MAX_DATAGRAMS, MAX_DATAGRAMS as u64)
        );
        let (datagram, fragment) = part(9, 8, b"bb", false);
        fragments.take(Timestamp::from_secs(40), &datagram, fragment);
        assert_eq!(fragments.waiting.len(), 1);
    }
}
