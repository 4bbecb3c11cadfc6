//! A client behind a TUN device whose every TCP segment the test writes itself: any order, any overlap, twice over.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use smoltcp::phy::{ChecksumCapabilities, Device, Medium, RxToken, TunTapInterface, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use crate::namespace::Namespace;
use crate::wait;

const DEVICE: &str = "segments0";
const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PORT: u16 = 80;
/// For an answer of the kernel.
const PATIENCE: Duration = Duration::from_secs(20);

/// A segment of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where its first byte is in the stream.
    pub at: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The client's end of the wire, and a real socket that listens at the other.
#[derive(Debug)]
pub struct Segments {
    device: TunTapInterface,
    listener: TcpListener,
    next_port: u16,
}

impl Segments {
    /// Makes the device in a namespace and runs `work` inside it.
    #[track_caller]
    pub fn within<T: Send>(namespace: &Namespace, work: impl FnOnce(Self) -> T + Send) -> T {
        namespace.ip(&["tuntap", "add", "dev", DEVICE, "mode", "tun"]);
        namespace.ip(&["address", "add", &format!("{HERE}/24"), "dev", DEVICE]);
        namespace.ip(&["link", "set", DEVICE, "up"]);
        namespace.inside(|| {
            work(Self {
                device: TunTapInterface::new(DEVICE, Medium::Ip).expect("the TUN device"),
                listener: TcpListener::bind((HERE, PORT)).expect("listen"),
                next_port: 1024,
            })
        })
    }

    /// One connection: `first` is the sequence number of the first byte, `on_syn` is sent with the SYN, then the
    /// segments as they are, then FIN after the highest byte of all. Gives what the application read up to the end.
    #[track_caller]
    pub fn exchange(&mut self, first: u32, on_syn: &[u8], segments: &[Segment]) -> Vec<u8> {
        self.next_port += 1;
        let mut repr = TcpRepr {
            src_port: self.next_port,
            dst_port: PORT,
            control: TcpControl::Syn,
            seq_number: seq(first.wrapping_sub(1)),
            ack_number: None,
            window_len: u16::MAX,
            window_scale: None,
            max_seg_size: Some(1460),
            sack_permitted: true,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: on_syn,
        };
        self.send(&repr);
        let begin = self.receive(|answer| answer.control == TcpControl::Syn && answer.dst_port == repr.src_port);
        repr.control = TcpControl::None;
        repr.seq_number = seq(first);
        repr.ack_number = Some(begin.seq_number + 1);
        repr.max_seg_size = None;
        repr.sack_permitted = false;
        repr.payload = &[];
        self.send(&repr);
        let (mut accepted, _) = self.listener.accept().expect("accept");
        accepted.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        for segment in segments {
            repr.seq_number = seq(first.wrapping_add(segment.at));
            repr.control = TcpControl::Psh;
            repr.payload = &segment.bytes;
            self.send(&repr);
        }
        let end = segments.iter().map(|s| s.at + s.bytes.len() as u32).max().unwrap_or(0);
        repr.seq_number = seq(first.wrapping_add(end));
        repr.control = TcpControl::Fin;
        repr.payload = &[];
        self.send(&repr);
        let mut read = Vec::new();
        accepted.read_to_end(&mut read).expect("the stream ends");
        drop(accepted);
        // The kernel's FIN would be sent again and again.
        repr.control = TcpControl::Rst;
        repr.seq_number = seq(first.wrapping_add(end + 1));
        self.send(&repr);
        read
    }

    fn send(&mut self, tcp: &TcpRepr<'_>) {
        let checksums = ChecksumCapabilities::default();
        let ip = Ipv4Repr {
            src_addr: CLIENT,
            dst_addr: HERE,
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len(),
            hop_limit: 64,
        };
        let len = ip.buffer_len() + tcp.buffer_len();
        let token = self.device.transmit(Instant::now()).expect("room on the wire");
        token.consume(len, |buffer| {
            ip.emit(&mut Ipv4Packet::new_unchecked(&mut buffer[..]), &checksums);
            let mut packet = TcpPacket::new_unchecked(&mut buffer[ip.buffer_len()..]);
            tcp.emit(
                &mut packet,
                &IpAddress::Ipv4(CLIENT),
                &IpAddress::Ipv4(HERE),
                &checksums,
            );
        });
    }

    /// Waits for a segment of the kernel; others are passed over.
    fn receive(&mut self, wanted: impl Fn(&TcpRepr<'_>) -> bool) -> TcpRepr<'static> {
        wait::until("a segment of the kernel", PATIENCE, || {
            while let Some((token, _)) = self.device.receive(Instant::now()) {
                let found = token.consume(|buffer| {
                    let ip = Ipv4Packet::new_checked(buffer).ok()?;
                    let (from, to) = (IpAddress::Ipv4(ip.src_addr()), IpAddress::Ipv4(ip.dst_addr()));
                    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
                    let repr = TcpRepr::parse(&tcp, &from, &to, &ChecksumCapabilities::default()).ok()?;
                    wanted(&repr).then_some(TcpRepr { payload: &[], ..repr })
                });
                if found.is_some() {
                    return found;
                }
            }
            None
        })
    }
}

fn seq(number: u32) -> TcpSeqNumber {
    TcpSeqNumber(number.cast_signed())
}
