//! Captured packets to the events that the engine takes: what the kernel programs and their sweeps do on a live host.
//!
//! ```text
//! Packet -> link layer -> IP, fragments put together -> TCP connections, UDP flows -> Event
//!           (link.rs)     (ip.rs, fragments.rs)         (tracker.rs, connection.rs, datagrams.rs)
//! ```
//!
//! Pure: packets in, events out, no clock and no files. The headers are read here rather than by a crate, since a capture
//! may have cut a packet anywhere, and what is there counts: ports without options, a segment's length without its bytes.
//! Nothing here fails; what is not read is counted ([`PacketCounts`]). Checksums are not looked at: the captures of the
//! sending host hold packets whose checksum the network card had yet to write.

mod connection;
mod counts;
mod datagrams;
mod fragments;
mod half;
pub mod hosts;
mod ip;
mod link;
#[cfg(test)]
mod tests;
mod tracker;
mod transport;

pub use counts::PacketCounts;
pub use link::LinkType;
pub use tracker::Tracker;

use bytes::Bytes;

use crate::event::Event;
use crate::time::Timestamp;

/// What came of packets, each at its time.
type Events = Vec<(Timestamp, Event)>;

/// One packet as a capture holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its stamp.
    pub time: Timestamp,
    /// What `data` begins with.
    pub link: LinkType,
    /// Bytes it had on the wire, from the link layer's header on; `data` may hold fewer.
    pub wire_len: u32,
    /// What was captured.
    pub data: Bytes,
}
