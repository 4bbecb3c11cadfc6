//! Readers of single messages.

use monitor::protocol::dns;
use monitor::protocol::http1::Side;
use monitor::protocol::tls::Handshake;
use monitor::time::Timestamp;

use super::Taker;

/// A DNS message, and what its shape is taken for.
pub fn dns(bytes: &[u8]) {
    let _ = dns::shape::of_stream(bytes);
    let _ = dns::shape::of_message(bytes, bytes.len());
    let Ok(message) = dns::parse(bytes) else { return };
    assert!(message.answers.len() <= dns::MAX_ANSWERS);
    assert!(message.response == message.rcode.is_some());
    if let Some(question) = &message.question {
        assert!(question.name.is_ascii(), "{question:?}");
        assert!(message.addresses(&question.name).count() <= message.answers.len());
    }
}

/// Both sides of a handshake: the number of the client's bytes, those, then the server's. Each is given whole, and in
/// pieces: with the same result.
pub fn tls(bytes: &[u8]) {
    let mut taker = Taker(bytes);
    let count = usize::from(taker.u16());
    let (client, server) = (taker.take(count), taker.0);
    let run = |piece: usize| {
        let mut handshake = Handshake::default();
        let (mut name, mut outcome) = (None, None);
        for (side, bytes) in [(Side::Client, client), (Side::Server, server)] {
            for piece in bytes.chunks(piece) {
                if outcome.is_none() {
                    handshake.data(side, piece, Timestamp::ZERO);
                    name = name.or(handshake.take_name());
                    outcome = handshake.take_outcome();
                }
                assert!(handshake.held_bytes() <= 64 * 1024);
            }
        }
        if outcome.is_none() {
            handshake.give_up();
            name = name.or(handshake.take_name());
            outcome = handshake.take_outcome();
        }
        let outcome = outcome.expect("an outcome once it is given up");
        assert!(outcome.understood <= (client.len() + server.len()) as u64);
        if let Ok(hellos) = &outcome.hellos {
            assert_eq!(hellos.client.server_name, name);
            assert!(hellos.client.truncated == hellos.client.ja4.is_none());
        }
        outcome
    };
    let whole = run(usize::MAX);
    assert_eq!(whole, run(1));
    assert_eq!(whole, run(7));
}
