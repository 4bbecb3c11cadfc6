//! The first bytes of a connection, while it is not clear what it speaks.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};

use super::{Beginning, Conversation, Message, Speech};
use crate::event::Direction;
use crate::protocol::dns::DnsTcp;
use crate::protocol::http1::{Http1, Side};
use crate::protocol::http2::{Http2, frame};
use crate::protocol::identify::{self, Guess};
use crate::protocol::proxy::{self, Preface};
use crate::record::{App, CoverageReason};
use crate::stream::Data;

/// Bytes that are held while it is not clear what they speak; more than any first line that servers take.
const MAX_UNDECIDED_BYTES: usize = 32 * 1024;
/// Segments likewise.
const MAX_UNDECIDED_SEGMENTS: usize = 256;
/// Turns of a connection joined late that are looked at for the start of a message, before it counts as one that is not
/// read. The first may be the middle of a body; a few more may be those of an upload with interim responses.
pub(super) const MAX_STRIKES: u8 = 16;

/// Pieces of either direction, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    held: Vec<(Direction, Data)>,
    bytes: usize,
    /// Directions of which bytes came again with other content.
    rewritten: Vec<Direction>,
}

impl Conversation {
    /// More bytes of a connection that is not identified.
    pub(super) fn identify(&mut self, direction: Direction, mut data: Data, out: &mut Vec<Message>) {
        if self.client != Some(direction.reverse()) {
            match self.preface {
                Beginning::Open => match self.pass_preface(direction, data) {
                    Some(rest) => data = rest,
                    None => return,
                },
                Beginning::AfterHeader => {
                    self.preface = Beginning::Over;
                    data.turn_start = true;
                }
                Beginning::Over => {}
            }
        }
        let Speech::Undecided(undecided) = &mut self.speech else {
            return;
        };
        let read = if self.late {
            identify::later_bytes
        } else {
            identify::first_bytes
        };
        let held = undecided
            .as_mut()
            .filter(|u| u.held.iter().any(|(d, _)| *d == direction));
        if let Some(undecided) = held {
            if self.late && data.turn_start && identify::first_bytes(&undecided.prefix(direction)) == Guess::More {
                // A turn that came to nothing: this one is not its rest.
                self.decide(direction, Guess::Other, None, out);
                self.data(direction, data, out);
                return;
            }
            undecided.hold(direction, data);
            let guess = read(&undecided.prefix(direction));
            let full = undecided.bytes > MAX_UNDECIDED_BYTES || undecided.held.len() > MAX_UNDECIDED_SEGMENTS;
            match guess {
                Guess::More | Guess::LikelyRequest if !full => {}
                guess => self.decide(direction, guess, None, out),
            }
            return;
        }
        // Numbers of turns begin at 1: anything else was preceded by what was not seen.
        self.late |= !data.turn_start || data.turn > 1;
        if self.late && data.frame_start {
            let (_, side) = frame::start(&data.bytes);
            return self.decide(direction, Guess::Http2Frames(side), Some(data), out);
        }
        if self.late && !data.turn_start {
            self.missed.get_or_insert(CoverageReason::JoinedLate);
            return;
        }
        let read = if self.late {
            identify::later_bytes
        } else {
            identify::first_bytes
        };
        match read(&data.bytes) {
            Guess::More | Guess::LikelyRequest => {
                undecided.get_or_insert_default().hold(direction, data);
            }
            guess => self.decide(direction, guess, Some(data), out),
        }
    }

    /// Passes over a header of the PROXY protocol at the beginning. Gives what is to be identified; nothing while more of a
    /// header is to come.
    fn pass_preface(&mut self, direction: Direction, data: Data) -> Option<Data> {
        let Speech::Undecided(undecided) = &mut self.speech else {
            return Some(data);
        };
        let held = undecided
            .as_mut()
            .filter(|u| u.held.iter().any(|(d, _)| *d == direction));
        if held.is_none() && (!data.turn_start || data.turn > 1) {
            self.preface = Beginning::Over;
            return Some(data);
        }
        let read = match &held {
            None => proxy::read(&data.bytes),
            Some(undecided) => {
                let mut prefix = undecided.prefix(direction);
                prefix.extend_from_slice(&data.bytes);
                proxy::read(&prefix)
            }
        };
        match read {
            Preface::None => {
                self.preface = Beginning::Over;
                Some(data)
            }
            Preface::More => {
                undecided.get_or_insert_default().hold(direction, data);
                None
            }
            Preface::Whole(len, client) => {
                let before: usize = held.map_or(0, |u| u.drop_all(direction));
                let mut data = data;
                data.bytes.advance(len - before);
                data.offset += (len - before) as u64;
                data.turn_start = true;
                self.understood += len as u64;
                self.proxied = client.map(Box::new);
                self.preface = if data.bytes.is_empty() {
                    Beginning::AfterHeader
                } else {
                    Beginning::Over
                };
                (!data.bytes.is_empty()).then_some(data)
            }
        }
    }

    /// `direction` speaks `guess`, told from what is held, or from `data` alone.
    fn decide(&mut self, direction: Direction, guess: Guess, data: Option<Data>, out: &mut Vec<Message>) {
        if guess == Guess::Other
            && let Speech::Undecided(Some(undecided)) = &self.speech
            && identify::first_bytes(&undecided.prefix(direction.reverse())) == Guess::LikelyRequest
        {
            // What is answered so was HTTP/0.9, if anything.
            self.decide(direction.reverse(), Guess::LikelyRequest, None, out);
            if let Some(data) = data {
                self.data(direction, data, out);
            }
            return;
        }
        let (speech, client) = match guess {
            Guess::HttpRequest | Guess::LikelyRequest => (Some(App::Http1), Some(direction)),
            Guess::HttpResponse => (Some(App::Http1), Some(direction.reverse())),
            Guess::TlsClient => (Some(App::Tls), Some(direction)),
            Guess::Http2 | Guess::Http2Frames(Some(Side::Client)) => (Some(App::Http2), Some(direction)),
            Guess::Http2Frames(None) => (Some(App::Http2), self.client),
            Guess::Http2Settings | Guess::Http2Frames(Some(Side::Server)) => {
                (Some(App::Http2), Some(direction.reverse()))
            }
            Guess::Tls => (Some(App::Tls), self.client),
            Guess::DnsQuery => (Some(App::Dns), Some(direction)),
            Guess::DnsResponse => (Some(App::Dns), Some(direction.reverse())),
            Guess::Other | Guess::More => (None, self.client),
        };
        // Which end connected is known for certain, or not at all: what contradicts it is something else.
        let contradicts = self.client.is_some() && self.client != client;
        // Frames that either end may have sent tell nothing where it is not known who connected.
        let anybodys = guess == Guess::Http2Frames(None) && self.client.is_none();
        let Some(app) = speech.filter(|_| !contradicts && !anybodys) else {
            self.strikes += 1;
            if self.late && self.strikes < MAX_STRIKES {
                self.missed.get_or_insert(CoverageReason::JoinedLate);
                if let Speech::Undecided(Some(undecided)) = &mut self.speech {
                    undecided.drop_all(direction);
                }
            } else {
                self.close(CoverageReason::Unsupported);
            }
            return;
        };
        // In a tunnel: the connection is still what carries it.
        self.app = self.app.or(Some(app));
        self.client = client;
        let held = match &mut self.speech {
            Speech::Undecided(undecided) => undecided.take().unwrap_or_default(),
            Speech::Http1(_) | Speech::Http2(_) | Speech::Tls(_) | Speech::Dns(_) | Speech::Opaque(_) => Box::default(),
        };
        match (app, guess) {
            (App::Tls, Guess::TlsClient) => self.speech = Speech::Tls(Box::default()),
            (App::Tls, _) => self.close(CoverageReason::Encrypted),
            (App::Dns, _) => self.speech = Speech::Dns(Box::new(DnsTcp::new(self.late))),
            (App::Http2, Guess::Http2Frames(_)) => {
                let side = self.side(direction);
                self.speech = Speech::Http2(Box::new(Http2::joined_late(side, Arc::clone(&self.reading))));
            }
            (App::Http2, _) => self.speech = Speech::Http2(Box::new(Http2::new(Arc::clone(&self.reading)))),
            (App::Websocket, _) => self.close(CoverageReason::Unsupported),
            (App::Http1, _) => self.speech = Speech::Http1(Box::new(Http1::new(self.late, Arc::clone(&self.reading)))),
        }
        if let Speech::Http1(http) = &mut self.speech {
            for direction in held.rewritten {
                let side = if client == Some(direction) {
                    Side::Client
                } else {
                    Side::Server
                };
                http.rewritten(side, 0, 0);
            }
        }
        for (direction, data) in held.held.into_iter().chain(data.map(|data| (direction, data))) {
            self.data(direction, data, out);
        }
    }

    /// No more will come of what is held undecided: takes it for what it is most like.
    pub(super) fn settle_undecided(&mut self, out: &mut Vec<Message>) {
        while let Speech::Undecided(Some(undecided)) = &self.speech {
            let Some((direction, _)) = undecided.held.first() else {
                self.speech = Speech::Undecided(None);
                break;
            };
            let direction = *direction;
            let read = if self.late {
                identify::later_bytes
            } else {
                identify::first_bytes
            };
            let guess = read(&undecided.prefix(direction));
            self.decide(direction, guess, None, out);
        }
    }
}

impl Undecided {
    /// Bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of a direction came again with other content.
    pub(super) fn rewritten(&mut self, direction: Direction) {
        if !self.rewritten.contains(&direction) {
            self.rewritten.push(direction);
        }
    }

    fn hold(&mut self, direction: Direction, mut data: Data) {
        // A copy: the chunk may be a slice of a large batch, which must not live as long as the doubt.
        data.bytes = Bytes::copy_from_slice(&data.bytes);
        self.bytes += data.bytes.len();
        self.held.push((direction, data));
    }

    /// Drops what is held of `direction`; gives its bytes.
    fn drop_all(&mut self, direction: Direction) -> usize {
        let before = self.bytes;
        self.held.retain(|(d, _)| *d != direction);
        self.bytes = self.held.iter().map(|(_, data)| data.bytes.len()).sum();
        before - self.bytes
    }

    /// What is held of `direction`, in one piece.
    fn prefix(&self, direction: Direction) -> Vec<u8> {
        self.held
            .iter()
            .filter(|(d, _)| *d == direction)
            .flat_map(|(_, data)| &data.bytes)
            .copied()
            .collect()
    }
}
