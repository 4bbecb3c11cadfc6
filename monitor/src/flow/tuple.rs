//! The two ends of a flow.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// IANA protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// Name as it appears in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Both ends as one socket sees them. IPv4-mapped addresses are IPv4 here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FiveTuple {
    /// Transport.
    pub transport: Transport,
    /// This socket.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

impl FiveTuple {
    /// The same flow seen from the other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            transport: self.transport,
            local: self.remote,
            remote: self.local,
        }
    }

    /// Community ID version 1, seed 0: a hash of the unordered tuple that other tools compute alike
    /// (<https://github.com/corelight/community-id-spec>).
    pub fn community_id(&self) -> String {
        let key = |a: &SocketAddr| (ip_bytes(a.ip()), a.port());
        let (mut low, mut high) = (key(&self.local), key(&self.remote));
        if low > high {
            std::mem::swap(&mut low, &mut high);
        }
        let mut hash = Sha1::new();
        hash.update(0u16.to_be_bytes());
        hash.update(&low.0);
        hash.update(&high.0);
        hash.update([self.transport.number(), 0]);
        hash.update(low.1.to_be_bytes());
        hash.update(high.1.to_be_bytes());
        format!("1:{}", STANDARD.encode(hash.finalize()))
    }
}

/// An address from the kernel's 16 bytes; IPv4-mapped becomes IPv4.
pub(crate) fn ip_from_kernel(bytes: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(bytes).to_canonical()
}

fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(transport: Transport, local: &str, remote: &str, expected: &str) {
        let tuple = FiveTuple {
            transport,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        };
        assert_eq!(tuple.community_id(), expected);
        assert_eq!(tuple.reversed().community_id(), expected);
    }

    // Values of the specification's baseline tests.
    #[test]
    fn community_id_agrees_with_the_specification() {
        check(
            Transport::Tcp,
            "128.232.110.120:34855",
            "66.35.250.204:80",
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
        );
        check(
            Transport::Udp,
            "192.168.1.52:54585",
            "8.8.8.8:53",
            "1:d/FP5EW3wiY1vCndhwleRRKHowQ=",
        );
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let mut bytes = [0; 16];
        bytes[10..].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 1]);
        assert_eq!(ip_from_kernel(bytes).to_string(), "192.0.2.1");
    }
}
