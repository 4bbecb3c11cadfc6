//! A body on its way: counted, never kept.

use super::anomaly::Anomalies;
use super::chunked::Chunked;
use super::head::Framing;
use crate::stream::Interest;
use crate::time::Timestamp;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By counting down.
    Length {
        /// Bytes to come.
        left: u64,
    },
    /// By its framing.
    Chunked(Chunked),
    /// By the end of the connection.
    UntilClose,
    /// By the next message: framing was not seen, or says nothing.
    Unknown,
}

/// A body in progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    /// How its end is found.
    pub kind: Kind,
    /// Bytes on the wire so far.
    pub wire: u64,
    /// Of which data.
    decoded: u64,
    /// When the last byte of the message so far moved.
    pub last: Timestamp,
    /// It may be left out: none of it came yet, and the final response did (a client that asked with `Expect:
    /// 100-continue` need not send the body then, RFC 9110 section 10.1.1), or it answers what may have been HEAD. The
    /// next turn decides.
    pub doubtful: bool,
}

/// What a run of bytes was to the body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    /// Bytes that belong to it.
    pub used: u64,
    /// It is over.
    pub done: bool,
    /// What was odd.
    pub anomalies: Anomalies,
}

impl Body {
    /// The body that `framing` announces, after a header whose last byte passed at `last`; `None` where there is none.
    pub(super) fn new(framing: Framing, last: Timestamp) -> Option<Self> {
        let kind = match framing {
            Framing::Nothing | Framing::Tunnel(_) => return None,
            Framing::Length(left) => Kind::Length { left },
            Framing::Chunked => Kind::Chunked(Chunked::START),
            Framing::UntilClose => Kind::UntilClose,
            Framing::Unknown => Kind::Unknown,
        };
        Some(Self {
            kind,
            wire: 0,
            decoded: 0,
            last,
            doubtful: false,
        })
    }

    /// Bytes that were seen.
    pub(super) fn read(&mut self, bytes: &[u8], time: Timestamp) -> Step {
        let all = bytes.len() as u64;
        self.doubtful = false;
        let mut step = Step {
            used: all,
            ..Step::default()
        };
        match &mut self.kind {
            Kind::Length { .. } => return self.skip(all, time),
            Kind::UntilClose => self.decoded += all,
            Kind::Unknown => {}
            Kind::Chunked(chunked) => {
                let read = chunked.read(bytes);
                step.anomalies = read.anomalies;
                if read.bad {
                    self.kind = Kind::Unknown;
                } else {
                    self.decoded += read.decoded;
                    step.used = read.used as u64;
                    step.done = read.done;
                }
            }
        }
        self.wire += step.used;
        self.last = time;
        step
    }

    /// Bytes that were not seen.
    pub(super) fn skip(&mut self, len: u64, time: Timestamp) -> Step {
        self.doubtful = false;
        let mut step = Step {
            used: len,
            ..Step::default()
        };
        match &mut self.kind {
            Kind::Length { left } => {
                step.used = len.min(*left);
                *left -= step.used;
                step.done = *left == 0;
                self.decoded += step.used;
            }
            Kind::Chunked(chunked) => {
                if chunked.skip(len) {
                    self.decoded += len;
                } else {
                    self.kind = Kind::Unknown;
                }
            }
            Kind::UntilClose => self.decoded += len,
            Kind::Unknown => {}
        }
        self.wire += step.used;
        self.last = time;
        step
    }

    /// Bytes without framing, where all of the framing was seen.
    pub(super) fn decoded(&self) -> Option<u64> {
        match self.kind {
            Kind::Length { .. } | Kind::Chunked(_) | Kind::UntilClose => Some(self.decoded),
            Kind::Unknown => None,
        }
    }

    /// Which bytes from `next` on must be seen.
    pub(super) fn interest(&self, next: u64) -> Interest {
        match self.kind {
            _ if self.doubtful => Interest::EVERYTHING,
            Kind::Length { left } => Interest {
                count_to: next.saturating_add(left),
                ..Interest::EVERYTHING
            },
            Kind::Chunked(chunked) => Interest {
                count_to: next.saturating_add(chunked.data_left()),
                peer_settles: true,
            },
            Kind::UntilClose => Interest::NOTHING,
            Kind::Unknown => Interest::NEXT_TURN,
        }
    }
}
