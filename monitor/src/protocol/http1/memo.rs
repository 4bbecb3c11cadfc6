//! Blocks of header fields that came before: most programs send theirs again and again, to the byte, so that what they say
//! need be read once.
//!
//! A table of fixed size. A block takes its place there when it comes for the second time and no other came for that place
//! in between, so that one that never comes again costs a hash. Values are not copied but found again, at the same
//! offsets, in the block that is read: what is kept is the block itself, for comparison, and what the taps ask for. Nothing
//! is lost by forgetting but time.
//!
//! It holds secrets in clear, as the capture's own buffers do: of at most [`PLACES`] blocks.

use std::hash::Hasher as _;
use std::ops::Range;

use rustc_hash::FxHasher;

use super::fields::Fields;
use crate::protocol::taps::Taking;

/// Blocks kept: 512 of up to a kibibyte are half a megabyte.
const PLACES: usize = 512;
/// Longest block kept, bytes. Browsers send some 600, with cookies more.
const LONGEST: usize = 1024;

/// The table.
#[derive(Debug, Default)]
pub struct Memo {
    /// Empty before the first block.
    places: Vec<Place>,
}

#[derive(Clone, Debug, Default)]
struct Place {
    /// Hash of the block that came last and was not known.
    came: u64,
    known: Option<Box<Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    block: Box<[u8]>,
    fields: Fields<Range<usize>>,
    taking: Taking,
}

/// A place for a block that is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown {
    hash: u64,
}

impl Memo {
    /// What a block says, if it came before.
    pub(super) fn find<'a>(&self, block: &'a [u8]) -> Result<(Fields<&'a [u8]>, Taking), Unknown> {
        let mut hasher = FxHasher::default();
        hasher.write(block);
        let unknown = Unknown { hash: hasher.finish() };
        match self
            .places
            .get(unknown.place())
            .and_then(|place| place.known.as_deref())
        {
            Some(known) if *known.block == *block => {
                let fields = known.fields.map(|range| &block[range.clone()]);
                Ok((fields, known.taking.clone()))
            }
            Some(_) | None => Err(unknown),
        }
    }

    /// Keeps what a block says, if it came before.
    pub(super) fn keep(&mut self, unknown: Unknown, block: &[u8], fields: &Fields<&[u8]>, taking: &Taking) {
        if block.len() > LONGEST {
            return;
        }
        if self.places.is_empty() {
            self.places.resize(PLACES, Place::default());
        }
        let place = &mut self.places[unknown.place()];
        if std::mem::replace(&mut place.came, unknown.hash) != unknown.hash {
            return;
        }
        let offset = |value: &&[u8]| {
            let from = value.as_ptr().addr() - block.as_ptr().addr();
            from..from + value.len()
        };
        place.known = Some(Box::new(Known {
            block: block.into(),
            fields: fields.map(offset),
            taking: taking.clone(),
        }));
    }
}

impl Unknown {
    /// By the high bits, which a multiplicative hash mixes best.
    fn place(self) -> usize {
        (self.hash >> (u64::BITS - PLACES.ilog2())) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::http1::head::{self, Read};
    use crate::protocol::reading::Reading;
    use crate::protocol::taps::{Logins, Tap, Taps};

    fn reading() -> Reading {
        let names = [("authorization", Tap::Authorization), ("x-callback-url", Tap::Place)];
        Reading::new(Taps::new(names, [], Logins::new(Vec::new(), true)))
    }

    fn known(reading: &Reading) -> usize {
        reading
            .memo()
            .places
            .iter()
            .filter(|place| place.known.is_some())
            .count()
    }

    #[test]
    fn a_block_is_kept_when_it_comes_again() {
        let reading = reading();
        for (round, expected) in [(0, 0), (1, 1), (2, 1)] {
            let request = format!("GET /{round} HTTP/1.1\r\nHost: h\r\n\r\n");
            assert!(matches!(
                head::request(request.as_bytes(), &reading),
                Read::Complete(..)
            ));
            assert_eq!(known(&reading), expected, "{round}");
        }
    }

    #[test]
    fn what_never_comes_again_is_not_kept() {
        let reading = reading();
        for number in 0..10 * PLACES {
            let request = format!("GET / HTTP/1.1\r\nHost: h\r\nTraceparent: {number}\r\n\r\n");
            assert!(matches!(
                head::request(request.as_bytes(), &reading),
                Read::Complete(..)
            ));
        }
        assert_eq!(known(&reading), 0);
    }

    /// First lines, most of them good.
    fn lines() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "GET /a?b=c HTTP/1.1",
            "POST /login HTTP/1.1",
            "GET /a HTTP/1.0",
            "GET  /a HTTP/1.1",
            "CONNECT h:443 HTTP/1.1",
            "GET http://user@other/a HTTP/1.1",
            "GET /\u{e4} HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET /a HTTP/2.0",
            "GET /a",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 404 ",
            "HTTP/1.1 302",
            "HTTP/1.0 100 \t",
            "HTTP/1.1 2000 OK",
        ])
        .prop_map(str::to_owned)
    }

    fn fields() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "Host: h\r\n",
            "Host: other\n",
            "user-agent: a\r\n",
            "Content-Type: application/json\r\n",
            "Content-Length: 3\r\n",
            "Content-Length: 4\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: close\r\n",
            "Location: /x\r\n",
            "Authorization: Bearer abc\r\n",
            "X-Callback-Url: http://place.example/\r\n",
            "bad line\r\n",
            "\n",
            "Upgrade: websocket\r\n",
        ]);
        prop::collection::vec(line, 0..5).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn what_came_before_is_read_as_at_first(
            lines in prop::collection::vec(lines(), 4),
            fields in prop::collection::vec(fields(), 2),
            end in prop::sample::select(vec!["\r\n", "\n", "\r\nGET / HTTP/1.1\r\n\r\n", ""]),
        ) {
            let reading = reading();
            for (number, line) in lines.iter().cycle().take(12).enumerate() {
                let bytes = format!("{line}\r\n{}{end}", fields[number % 2]);
                let (bytes, fresh) = (bytes.as_bytes(), self::reading());
                prop_assert_eq!(
                    format!("{:?}", head::request(bytes, &reading)),
                    format!("{:?}", head::request(bytes, &fresh))
                );
                prop_assert_eq!(
                    format!("{:?}", head::response(bytes, &reading)),
                    format!("{:?}", head::response(bytes, &fresh))
                );
                if let (Read::Complete(_, again), Read::Complete(_, first)) =
                    (head::request(bytes, &reading), head::request(bytes, &fresh))
                {
                    // Secrets and links are nothing to print.
                    prop_assert!(again.taken == first.taken);
                }
            }
        }
    }
}
