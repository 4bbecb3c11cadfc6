//! From conversations to a capture: what a host's network card would have seen.

pub mod dns;
pub mod exchange;
pub mod http1;
pub mod http2;
pub mod outbound;
pub mod packet;
pub mod tape;
pub mod tcp;
pub mod tls;

pub use self::tape::{Counts, Tape};
