//! Writes small databases in `MaxMind`'s format (version 2.0 of its specification), for tests.

use ipnet::IpNet;

/// A database in the making: records of 24 bits, addresses of 128.
pub(crate) struct Writer {
    name: String,
    /// Children; `Some(Err(offset))` is data.
    nodes: Vec<[Option<Result<usize, usize>>; 2]>,
    data: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            nodes: vec![[None; 2]],
            data: Vec::new(),
        }
    }

    pub(crate) fn add(mut self, network: &str, value: &[u8]) -> Self {
        let network: IpNet = network.parse().unwrap();
        let (bits, len) = match network {
            IpNet::V4(net) => (u128::from(u32::from(net.network())), 96 + u32::from(net.prefix_len())),
            IpNet::V6(net) => (u128::from(net.network()), u32::from(net.prefix_len())),
        };
        let offset = self.data.len();
        self.data.extend_from_slice(value);
        let mut at = 0;
        for depth in 0..len {
            let bit = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == len {
                self.nodes[at][bit] = Some(Err(offset));
            } else if let Some(Ok(next)) = self.nodes[at][bit] {
                at = next;
            } else {
                self.nodes.push([None; 2]);
                let next = self.nodes.len() - 1;
                self.nodes[at][bit] = Some(Ok(next));
                at = next;
            }
        }
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        let count = self.nodes.len();
        let mut out = Vec::new();
        for node in &self.nodes {
            for child in node {
                let value = match child {
                    None => count,
                    Some(Ok(next)) => *next,
                    Some(Err(offset)) => count + 16 + offset,
                };
                out.extend_from_slice(&(value as u32).to_be_bytes()[1..]);
            }
        }
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&self.data);
        out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        out.extend_from_slice(&map(&[
            ("node_count", uint(count as u32)),
            ("record_size", short(24)),
            ("ip_version", short(6)),
            ("database_type", text(&self.name)),
            ("languages", vec![0, 4]),
            ("binary_format_major_version", short(2)),
            ("binary_format_minor_version", short(0)),
            ("build_epoch", long(1)),
            ("description", map(&[])),
        ]));
        out
    }
}

pub(crate) fn city(country: &str, city: &str, (latitude, longitude): (f64, f64)) -> Vec<u8> {
    map(&[
        ("continent", map(&[("code", text("EU"))])),
        ("country", map(&[("iso_code", text(country))])),
        ("city", map(&[("names", map(&[("de", text("?")), ("en", text(city))]))])),
        (
            "location",
            map(&[("latitude", double(latitude)), ("longitude", double(longitude))]),
        ),
    ])
}

pub(crate) fn asn(number: u32, organization: &str) -> Vec<u8> {
    map(&[
        ("autonomous_system_number", uint(number)),
        ("autonomous_system_organization", text(organization)),
    ])
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![7 << 5 | pairs.len() as u8];
    for (key, value) in pairs {
        out.extend(text(key));
        out.extend(value);
    }
    out
}

fn text(text: &str) -> Vec<u8> {
    let mut out = match text.len() {
        len @ 0..0x1d => vec![2 << 5 | len as u8],
        len => vec![2 << 5 | 0x1d, (len - 0x1d) as u8],
    };
    out.extend_from_slice(text.as_bytes());
    out
}

fn uint(number: u32) -> Vec<u8> {
    let mut out = vec![6 << 5 | 4];
    out.extend_from_slice(&number.to_be_bytes());
    out
}

fn short(number: u16) -> Vec<u8> {
    let mut out = vec![5 << 5 | 2];
    out.extend_from_slice(&number.to_be_bytes());
    out
}

fn long(number: u64) -> Vec<u8> {
    // An extended type, 9: its number less 7 follows.
    let mut out = vec![8, 2];
    out.extend_from_slice(&number.to_be_bytes());
    out
}

fn double(number: f64) -> Vec<u8> {
    let mut out = vec![3 << 5 | 8];
    out.extend_from_slice(&number.to_be_bytes());
    out
}
