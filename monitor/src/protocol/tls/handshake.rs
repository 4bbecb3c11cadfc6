//! The two hellos of a connection. The client's is told with the server's, which comes a round trip later, or without it
//! once it can no longer come: the server said something else, it was cut out, the connection ended, or time is over.

use std::time::Duration;

use super::HelloError;
use super::client::ClientHello;
use super::ja4::Transport;
use super::records::{Gathered, Gatherer};
use super::server::ServerHello;
use crate::protocol::http1::Side;
use crate::time::Timestamp;

/// How long the server's hello is waited for. A lost segment comes again after a second (RFC 6298 section 2.1), twice lost
/// after three.
const PATIENCE: Duration = Duration::from_secs(3);
/// Handshake messages (RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// What the two ends said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hellos {
    /// The client's.
    pub client: ClientHello,
    /// The server's, where it was seen.
    pub server: Option<ServerHello>,
}

/// How it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The hellos, or why there is none of the client.
    pub hellos: Result<Hellos, HelloError>,
    /// Bytes on the wire that they took.
    pub understood: u64,
}

/// The hellos under way.
#[derive(Debug, Default)]
pub struct Handshake {
    client: Gatherer,
    server: Gatherer,
    hello: Option<ClientHello>,
    /// The server name, until it was asked for.
    name: Option<String>,
    /// When the client's hello was whole.
    since: Timestamp,
    answer: Answer,
    understood: u64,
    outcome: Option<Result<Hellos, HelloError>>,
}

/// The server's hello.
#[derive(Debug, Default)]
enum Answer {
    #[default]
    Awaited,
    Seen(ServerHello),
    /// It will not be seen.
    Missing,
}

impl Handshake {
    /// Whether bytes of this side are needed.
    pub fn needs(&self, side: Side) -> bool {
        match side {
            Side::Client => self.outcome.is_none() && self.hello.is_none(),
            Side::Server => self.outcome.is_none() && matches!(self.answer, Answer::Awaited),
        }
    }

    /// Takes bytes that passed at `time`.
    pub fn data(&mut self, side: Side, bytes: &[u8], time: Timestamp) {
        if !self.needs(side) {
            return;
        }
        match side {
            Side::Client => {
                if let Some(read) = self.client.read(bytes) {
                    self.client_hello(read, time);
                }
            }
            Side::Server => {
                if let Some(read) = self.server.read(bytes) {
                    self.server_hello(read);
                }
            }
        }
    }

    /// The next bytes of this side, the last of which passed at `time`, are not seen.
    pub fn skip(&mut self, side: Side, time: Timestamp) {
        if !self.needs(side) {
            return;
        }
        match side {
            Side::Client => {
                let read = self.client.finish();
                self.client_hello(read, time);
            }
            Side::Server => {
                let read = self.server.finish();
                self.server_hello(read);
            }
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.hello.as_ref().map(|_| self.since + PATIENCE)
    }

    /// Time has come to `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.give_up();
        }
    }

    /// Waits no longer.
    pub fn give_up(&mut self) {
        self.skip(Side::Client, self.since);
        self.skip(Side::Server, self.since);
    }

    /// Whom the client wants to talk to: told once, at once.
    pub fn take_name(&mut self) -> Option<String> {
        self.name.take()
    }

    /// How it came out, once it has.
    pub fn take_outcome(&mut self) -> Option<Outcome> {
        let hellos = self.outcome.take()?;
        Some(Outcome {
            hellos,
            understood: self.understood,
        })
    }

    /// Bytes on the wire of hellos that were read.
    pub fn understood(&self) -> u64 {
        self.understood
    }

    /// Bytes held that wait for others.
    pub fn held_bytes(&self) -> usize {
        self.client.held_bytes() + self.server.held_bytes()
    }

    fn client_hello(&mut self, read: Result<Gathered, HelloError>, time: Timestamp) {
        let hello = read.and_then(|gathered| {
            if gathered.kind != CLIENT_HELLO {
                return Err(HelloError::OtherMessage);
            }
            let hello = ClientHello::read(&gathered.body, gathered.truncated, Transport::Tcp)?;
            self.understood += gathered.wire;
            Ok(hello)
        });
        match hello {
            Ok(hello) => {
                self.name.clone_from(&hello.server_name);
                self.hello = Some(hello);
                self.since = time;
                self.settle();
            }
            Err(error) => self.outcome = Some(Err(error)),
        }
    }

    fn server_hello(&mut self, read: Result<Gathered, HelloError>) {
        let hello = read.and_then(|gathered| {
            if gathered.kind != SERVER_HELLO {
                return Err(HelloError::OtherMessage);
            }
            let hello = ServerHello::read(&gathered.body, gathered.truncated)?;
            self.understood += gathered.wire;
            Ok(hello)
        });
        self.answer = hello.map_or(Answer::Missing, Answer::Seen);
        self.settle();
    }

    fn settle(&mut self) {
        if self.hello.is_none() || matches!(self.answer, Answer::Awaited) {
            return;
        }
        if let Some(client) = self.hello.take() {
            let server = match std::mem::take(&mut self.answer) {
                Answer::Seen(hello) => Some(hello),
                Answer::Awaited | Answer::Missing => None,
            };
            self.outcome = Some(Ok(Hellos { client, server }));
        }
    }
}
