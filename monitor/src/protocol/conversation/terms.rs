//! What a conversation is told and what it tells.

use crate::event::Direction;
use crate::protocol::dns::{DnsError, DnsMessage};
use crate::protocol::tls::{HelloError, Hellos};
use crate::protocol::transaction::Transaction;

/// Which end opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This socket connected: it sends the requests.
    Local,
    /// It was accepted: it receives them.
    Remote,
    /// Not known: the bytes tell.
    Unknown,
}

/// How a connection ended, as far as messages care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Both ends were done (FIN).
    Closed,
    /// RST, from either end.
    Reset,
    /// One end fell silent, or was found gone.
    TimedOut,
    /// It goes on, but the monitor stops or the input ends.
    StillOpen,
    /// It goes on, but its state is given up to stay within a bound.
    Evicted,
}

/// What a conversation yields.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A transaction ended or was cut off.
    Http(Box<Transaction>),
    /// A client of TLS said whom it wants to talk to; the rest of what it said comes with the server's answer.
    ServerName(String),
    /// A client of TLS introduced itself.
    Tls(Box<Hellos>),
    /// DNS over TCP.
    Dns(DnsMessage),
    /// A message that cannot be read.
    Unreadable(Unreadable),
}

/// What cannot be read; counted by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A DNS message.
    Dns(DnsError),
    /// The hello of a TLS client.
    Hello(HelloError),
}

impl From<Result<DnsMessage, DnsError>> for Message {
    fn from(read: Result<DnsMessage, DnsError>) -> Self {
        match read {
            Ok(message) => Self::Dns(message),
            Err(error) => Self::Unreadable(Unreadable::Dns(error)),
        }
    }
}

/// What a conversation asks of the capture; each is told once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// No more bytes are read: count them, copy none.
    pub count_only: bool,
    /// A response's body runs past what is copied: [`super::Conversation::advance`] will tell its end.
    pub watch_tail: bool,
    /// That end is known now.
    pub forget_tail: bool,
    /// A header of this direction did not fit in what is copied.
    pub header_truncated: Option<Direction>,
}

/// What was given up to stay within bounds, by cause, since the conversation began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Requests that waited for an answer behind too many others.
    pub requests: u32,
    /// Headers longer than what is read.
    pub headers: u32,
    /// Holes that were waited for while too much came after them.
    pub holes: u32,
    /// What waited for the rest of a message, or for a hole to fill, while all conversations held too much.
    pub waits: u32,
}
