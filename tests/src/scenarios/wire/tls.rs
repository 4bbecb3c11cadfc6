//! TLS as much as a host shows of it: the hellos, then bytes that nobody reads.

use crate::scenarios::chance::Chance;

/// A client that speaks TLS, as its hello tells.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    /// Cipher suites that it offers, in its order.
    pub suites: &'static [u16],
    /// Protocols that it offers inside (ALPN).
    pub inside: &'static [&'static str],
}

/// OpenSSL 3 under Python and curl.
pub const OPENSSL: Stack = Stack {
    suites: &[
        0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0x00ff,
    ],
    inside: &["http/1.1"],
};

/// Go's.
pub const GO: Stack = Stack {
    suites: &[0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0x1301, 0x1302, 0x1303],
    inside: &["h2", "http/1.1"],
};

/// The `ClientHello` record of TLS 1.3 (RFC 8446 section 4.1.2) for this name; without one where it is empty.
pub fn client_hello(stack: Stack, name: &str, chance: &mut Chance) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend((0..32).map(|_| chance.below(256) as u8));
    body.push(32);
    body.extend((0..32).map(|_| chance.below(256) as u8));
    sized16(&mut body, |out| {
        out.extend(stack.suites.iter().flat_map(|suite| suite.to_be_bytes()));
    });
    body.extend([1, 0]);
    sized16(&mut body, |out| {
        if !name.is_empty() {
            extension(out, 0, |out| {
                sized16(out, |out| {
                    out.push(0);
                    sized16(out, |out| out.extend(name.as_bytes()));
                });
            });
        }
        extension(out, 10, |out| {
            sized16(out, |out| out.extend([0, 0x1d, 0, 0x17, 0, 0x18]));
        });
        extension(out, 13, |out| {
            sized16(out, |out| out.extend([4, 3, 8, 4, 4, 1, 5, 3, 8, 5]));
        });
        extension(out, 16, |out| {
            sized16(out, |out| {
                for protocol in stack.inside {
                    out.push(protocol.len() as u8);
                    out.extend(protocol.as_bytes());
                }
            });
        });
        extension(out, 43, |out| out.extend([4, 3, 4, 3, 3]));
        extension(out, 51, |out| {
            sized16(out, |out| {
                out.extend([0, 0x1d]);
                sized16(out, |out| out.extend((0..32).map(|_| chance.below(256) as u8)));
            });
        });
    });
    record(1, &body)
}

/// The `ServerHello` that answers it.
pub fn server_hello(chance: &mut Chance) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend((0..32).map(|_| chance.below(256) as u8));
    body.push(0);
    body.extend([0x13, 1, 0]);
    sized16(&mut body, |out| {
        extension(out, 43, |out| out.extend([3, 4]));
        extension(out, 51, |out| {
            out.extend([0, 0x1d]);
            sized16(out, |out| out.extend((0..32).map(|_| chance.below(256) as u8)));
        });
    });
    record(2, &body)
}

/// The head of an application record of 16 KiB and less; its bytes follow as filler.
pub fn application(len: u64) -> Vec<u8> {
    let [a, b] = (len.min(16_384) as u16).to_be_bytes();
    vec![23, 3, 3, a, b]
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![22, 3, 1];
    out.extend(((body.len() + 4) as u16).to_be_bytes());
    out.push(kind);
    out.extend(&(body.len() as u32).to_be_bytes()[1..]);
    out.extend(body);
    out
}

fn extension(out: &mut Vec<u8>, number: u16, content: impl FnOnce(&mut Vec<u8>)) {
    out.extend(number.to_be_bytes());
    sized16(out, content);
}

/// Content with its length in two bytes before it.
fn sized16(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0, 0]);
    content(out);
    let len = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&len.to_be_bytes());
}
