//! Messages from bytes: HTTP/1.x, TLS hellos, DNS. Nothing here knows of detection, processes or addresses.
//!
//! [`conversation`] is the way in for TCP: one [`conversation::Conversation`] a flow. [`dns::parse`] is the way in for
//! datagrams. Malformed input is an anomaly on the message, lost bytes are a gap; neither is an error or a panic.

pub mod conversation;
pub mod dns;
pub mod http1;
pub mod http2;
pub mod identify;
pub mod proxy;
pub mod reading;
pub mod taps;
pub mod text;
pub mod tls;
pub mod transaction;

/// The name of what may be odd in a message, as it is written here; nothing for a name that nothing has.
pub fn anomaly(name: &str) -> Option<&'static str> {
    let mut names = http1::anomaly::NAMES.iter().chain(&http2::anomaly::NAMES);
    names.find(|known| **known == name).copied()
}
