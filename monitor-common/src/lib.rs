//! Layouts that the kernel programs and the daemon share: records in the two rings, keys and values of the maps, knobs.
//!
//! Every struct is `repr(C)`, pads explicitly, holds neither `bool` nor `enum`, and has its size asserted beside it, so
//! that both sides, built by different compilers, agree on every byte. Byte order is the host's; addresses and the
//! bytes of names are as on the wire. The daemon never transmutes: `monitor::event::decode` reads fields from bytes.
#![no_std]
#![forbid(unsafe_code)]

pub mod knobs;
pub mod loss;
pub mod record;
pub mod socket;

pub use knobs::*;
pub use record::*;
pub use socket::*;
