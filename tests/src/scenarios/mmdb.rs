//! Databases of addresses in `MaxMind`'s format (version 2.0 of its specification), as small as the worlds are.

use std::net::IpAddr;

/// A value in a database.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number without sign.
    Number(u32),
    /// A number with a fraction.
    Fraction(f64),
    /// Names and values.
    Map(Vec<(&'static str, Value)>),
}

/// A database in the making: an IPv6 tree with records of 28 bits would be smaller; 32 bits are simpler.
#[derive(Debug)]
pub struct Database {
    kind: &'static str,
    nodes: Vec<[Child; 2]>,
    section: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Child {
    Nothing,
    Node(u32),
    Entry(u32),
}

/// Zeroes between the tree and the data section, bytes.
const SEPARATOR: u32 = 16;

impl Database {
    /// Of this kind: `GeoLite2-City` and the like.
    pub fn new(kind: &'static str) -> Self {
        Self {
            kind,
            nodes: vec![[Child::Nothing; 2]],
            section: Vec::new(),
        }
    }

    /// Adds a network; none may be inside another.
    pub fn add(&mut self, network: IpAddr, prefix: u8, value: &Value) {
        let (bits, len) = match network {
            // IPv4 is at ::/96.
            IpAddr::V4(address) => (u128::from(u32::from(address)), 96 + u32::from(prefix)),
            IpAddr::V6(address) => (u128::from(address), u32::from(prefix)),
        };
        let entry = Child::Entry(self.section.len() as u32);
        write(value, &mut self.section);
        let mut at = 0;
        for depth in 0..len {
            let bit = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == len {
                self.nodes[at][bit] = entry;
                return;
            }
            at = match self.nodes[at][bit] {
                Child::Node(next) => next as usize,
                Child::Nothing | Child::Entry(_) => {
                    let next = self.nodes.len();
                    self.nodes.push([Child::Nothing; 2]);
                    self.nodes[at][bit] = Child::Node(next as u32);
                    next
                }
            };
        }
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len() as u32;
        let mut out = Vec::new();
        for child in self.nodes.iter().flatten() {
            let record = match *child {
                Child::Nothing => count,
                Child::Node(next) => next,
                Child::Entry(offset) => count + SEPARATOR + offset,
            };
            out.extend(record.to_be_bytes());
        }
        out.extend([0; SEPARATOR as usize]);
        out.extend_from_slice(&self.section);
        out.extend(b"\xab\xcd\xefMaxMind.com");
        let number = Value::Number;
        let metadata = Value::Map(vec![
            ("node_count", number(count)),
            ("record_size", number(32)),
            ("ip_version", number(6)),
            ("database_type", Value::Text(self.kind.to_owned())),
            ("languages", Value::Map(Vec::new())),
            ("binary_format_major_version", number(2)),
            ("binary_format_minor_version", number(0)),
            ("build_epoch", number(1_780_000_000)),
            ("description", Value::Map(Vec::new())),
        ]);
        write_metadata(&metadata, &mut out);
        out
    }
}

/// Types of the format, its section "Data Field Format".
const DOUBLE: u8 = 3;
const TEXT: u8 = 2;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
/// Extended types: 7 is taken off, and a byte of its own has the rest.
const UINT64: u8 = 9 - 7;
const ARRAY: u8 = 11 - 7;

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    match size {
        0..29 => out.push(kind << 5 | size as u8),
        29..285 => out.extend([kind << 5 | 0x1d, (size - 29) as u8]),
        _ => {
            out.push(kind << 5 | 0x1e);
            out.extend(((size - 285) as u16).to_be_bytes());
        }
    }
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            control(TEXT, text.len(), out);
            out.extend(text.as_bytes());
        }
        Value::Number(number) => {
            control(UINT32, 4, out);
            out.extend(number.to_be_bytes());
        }
        Value::Fraction(number) => {
            control(DOUBLE, 8, out);
            out.extend(number.to_be_bytes());
        }
        Value::Map(pairs) => {
            control(MAP, pairs.len(), out);
            for (name, value) in pairs {
                control(TEXT, name.len(), out);
                out.extend(name.as_bytes());
                write(value, out);
            }
        }
    }
}

/// The metadata's fields have types of their own.
fn write_metadata(value: &Value, out: &mut Vec<u8>) {
    let Value::Map(pairs) = value else { return };
    control(MAP, pairs.len(), out);
    for (name, value) in pairs {
        control(TEXT, name.len(), out);
        out.extend(name.as_bytes());
        match (*name, value) {
            ("languages", _) => out.extend([0, ARRAY]),
            ("build_epoch", Value::Number(number)) => {
                out.extend([8, UINT64]);
                out.extend(u64::from(*number).to_be_bytes());
            }
            ("node_count", value) => write(value, out),
            (_, Value::Number(number)) => {
                control(UINT16, 2, out);
                out.extend((*number as u16).to_be_bytes());
            }
            (_, value) => write(value, out),
        }
    }
}
