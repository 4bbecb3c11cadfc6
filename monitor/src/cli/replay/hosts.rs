//! Whose traffic it is.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Read;
use std::net::IpAddr;

use crate::capture::pcap::Merge;
use crate::packet::Packet;
use crate::packet::hosts::{Guess, Hosts};

/// Packets that are looked at before it is decided ...
const MAX_PACKETS: usize = 100_000;
/// ... and their bytes: they are kept meanwhile, since standard input cannot be read twice.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The addresses that were said, or those that the first packets tell of. Gives these packets too.
pub(super) fn choose<R: Read>(
    said: &[IpAddr],
    configured: &[IpAddr],
    merge: &mut Merge<R>,
) -> (Hosts, VecDeque<Packet>) {
    let said = if said.is_empty() { configured } else { said };
    let mut packets = VecDeque::new();
    if !said.is_empty() {
        return (Hosts::new(said.iter().copied()), packets);
    }
    let mut guess = Guess::default();
    let mut bytes = 0;
    while packets.len() < MAX_PACKETS
        && bytes < MAX_BYTES
        && let Some(packet) = merge.next()
    {
        bytes += packet.data.len();
        let more = guess.look(&packet);
        packets.push_back(packet);
        if !more {
            break;
        }
    }
    let found = guess.found();
    let mut line = String::from("monitor: ");
    if found.is_empty() {
        line.push_str("no address of this host could be told from the packets");
    } else {
        line.push_str("taken as this host's, from the packets: ");
    }
    for (at, host) in found.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let without = if at == 0 { "" } else { " other" };
        let _ = write!(
            line,
            "{comma}{} (an end of {} of {}{without} connections, accepting {})",
            host.address, host.connections, host.of, host.accepted
        );
    }
    eprintln!("{line}; --host-ip says it");
    (Hosts::new(found.into_iter().map(|host| host.address)), packets)
}
