//! What is fuzzed: functions that take any bytes, and panic where an invariant does not hold.
//!
//! Two run them: the targets in `fuzz_targets/` under libFuzzer (`cargo xtask fuzz`), and `monitor/tests/fuzz.rs`, which
//! includes this file, with seeds that it changes by a generator of fixed seed. [`seeds`] makes the seeds of both from the
//! conversations in `tests/conversations`.

#[path = "../../monitor/tests/conversations/capture.rs"]
mod capture;
mod conversation;
mod engine;
#[path = "../../monitor/tests/conversations/fixture.rs"]
mod fixture;
mod messages;
pub mod seeds;
mod stream;

pub use conversation::{http1, http2};
pub use engine::{pcap, pipeline, record};
pub use messages::{dns, tls};
pub use stream::stream;

/// A driver.
pub type Driver = fn(&[u8]);

/// Every target by its name, with its driver.
pub const TARGETS: &[(&str, Driver)] = &[
    ("record", record),
    ("pipeline", pipeline),
    ("pcap", pcap),
    ("stream", stream),
    ("http1", http1),
    ("http2", http2),
    ("dns", dns),
    ("tls", tls),
];

/// Takes its fill of some bytes; of nothing it gives zeros.
#[derive(Clone, Copy, Debug)]
struct Taker<'a>(&'a [u8]);

impl<'a> Taker<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    /// So many bytes, or the rest.
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
