//! Captures of one connection, made by hand.

const CLIENT: ([u8; 4], u16) = ([198, 51, 100, 7], 40_000);
const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 80);
const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

fn segment(from_client: bool, seq: u32, ack: u32, flags: u8, payload: &str) -> Vec<u8> {
    let (from, to) = if from_client {
        (CLIENT, SERVER)
    } else {
        (SERVER, CLIENT)
    };
    let mut packet = vec![0x45, 0];
    packet.extend((40 + payload.len() as u16).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 6, 0, 0]);
    packet.extend(from.0);
    packet.extend(to.0);
    packet.extend(from.1.to_be_bytes());
    packet.extend(to.1.to_be_bytes());
    packet.extend(seq.to_be_bytes());
    packet.extend(ack.to_be_bytes());
    packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(payload.bytes());
    packet
}

/// One connection with one transaction, a packet a millisecond.
pub(crate) fn packets(request: &str, response: &str) -> Vec<Vec<u8>> {
    let (asked, answered) = (1 + request.len() as u32, 1 + response.len() as u32);
    vec![
        segment(true, 0, 0, SYN, ""),
        segment(false, 0, 1, SYN | ACK, ""),
        segment(true, 1, 1, ACK, request),
        segment(false, 1, asked, ACK, response),
        segment(true, asked, answered, FIN | ACK, ""),
        segment(false, answered, asked + 1, FIN | ACK, ""),
        segment(true, asked + 1, answered + 1, ACK, ""),
    ]
}

/// A pcap file of raw IP with those of the packets that `take` says.
pub(crate) fn pcap(packets: Vec<Vec<u8>>, take: impl Fn(usize) -> bool) -> Vec<u8> {
    let word = u32::to_le_bytes;
    let mut file: Vec<u8> = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101]
        .into_iter()
        .flat_map(word)
        .collect();
    for (number, packet) in packets.into_iter().enumerate().filter(|(number, _)| take(*number)) {
        let len = packet.len() as u32;
        file.extend(
            [1_700_000_000, number as u32 * 1_000, len, len]
                .into_iter()
                .flat_map(word),
        );
        file.extend(packet);
    }
    file
}
