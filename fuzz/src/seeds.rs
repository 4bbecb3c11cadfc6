//! Inputs to begin with: the conversations of `tests/conversations`, in the form that each target takes.

use std::mem::offset_of;
use std::path::Path;

use monitor::event::Direction;
use monitor::protocol::conversation::{Origin, StreamEnd};
use monitor_common as abi;

use super::conversation::step;
use super::fixture::{Fixture, Step};

/// Seeds of a target, each with a name.
pub fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (name, fixture) in fixtures() {
        let is = |prefix: &str| name.starts_with(prefix);
        match target {
            "http1" => seeds.push((name, script(&fixture))),
            "http2" if is("http2") || is("h2") || is("grpc") => seeds.push((name, script(&without_preface(fixture)))),
            "dns" if is("dns") => {
                for (n, bytes) in runs(&fixture).into_iter().map(|(_, bytes)| bytes).enumerate() {
                    seeds.push((format!("{name}-{n}-stream"), bytes.clone()));
                    seeds.push((format!("{name}-{n}"), bytes.get(2..).unwrap_or_default().to_vec()));
                }
            }
            "tls" if is("tls") => {
                let said = |client: bool| {
                    let of = |(is_client, bytes): &(bool, Vec<u8>)| (*is_client == client).then(|| bytes.clone());
                    runs(&fixture).iter().filter_map(of).collect::<Vec<_>>().concat()
                };
                let client = said(true);
                seeds.push((
                    name,
                    [&(client.len() as u16).to_le_bytes()[..], &client, &said(false)].concat(),
                ));
            }
            "pcap" => seeds.push((name, capture_file(&fixture))),
            "pipeline" => seeds.push((name, kernel_records(&fixture))),
            _ => {}
        }
    }
    match target {
        "record" => {
            for (kind, size) in [
                (abi::KIND_FLOW, size_of::<abi::FlowRecord>()),
                (abi::KIND_PROCESS, size_of::<abi::ProcessRecord>()),
                (abi::KIND_CHUNK, size_of::<abi::ChunkRecord>()),
                (abi::KIND_ORPHAN, size_of::<abi::OrphanRecord>()),
            ] {
                let mut bytes = vec![1; size + 8];
                bytes[offset_of!(abi::Header, kind)] = kind;
                seeds.push((format!("kind-{kind}"), bytes));
            }
        }
        "stream" => {
            for settings in 0..4 {
                let mut bytes = vec![settings];
                for n in 0..40u8 {
                    // A segment of 60 bytes, every third one early, every seventh one twice.
                    let at = u16::from(n ^ u8::from(n % 3 == 0)) * 60;
                    for _ in 0..=u8::from(n % 7 == 0) {
                        bytes.push(n << 3);
                        bytes.extend(at.to_le_bytes());
                        bytes.extend([n % 32, 60]);
                    }
                }
                bytes.extend([0x84, 0, 12, 0x1d, 0xff, 14, 0xe6, 0x1f]);
                seeds.push((format!("settings-{settings}"), bytes));
            }
        }
        _ => {}
    }
    seeds
}

fn fixtures() -> Vec<(String, Fixture)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conversations");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a fixture");
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, Fixture::parse(&text).expect("a fixture that can be read"))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn is_client(fixture: &Fixture, direction: Direction) -> bool {
    (direction == Direction::Sent) == (fixture.origin == Origin::Local)
}

/// What was said without a break, and whether by the client.
fn runs(fixture: &Fixture) -> Vec<(bool, Vec<u8>)> {
    let mut runs: Vec<(bool, Vec<u8>)> = Vec::new();
    for step in &fixture.steps {
        if let Step::Bytes(direction, bytes) = step {
            let client = is_client(fixture, *direction);
            match runs.last_mut() {
                Some((last, run)) if *last == client => run.extend(bytes),
                _ => runs.push((client, bytes.clone())),
            }
        }
    }
    runs
}

/// Without the client's preface, which that driver says by itself.
fn without_preface(mut fixture: Fixture) -> Fixture {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for step in &mut fixture.steps {
        if let Step::Bytes(_, bytes) = step
            && bytes.starts_with(PREFACE)
        {
            bytes.drain(..PREFACE.len());
            break;
        }
    }
    fixture
}

/// As the drivers of conversations take it.
fn script(fixture: &Fixture) -> Vec<u8> {
    let origin = match fixture.origin {
        Origin::Unknown => 0,
        Origin::Local => 1,
        Origin::Remote => 2,
    };
    let end = match fixture.end {
        StreamEnd::Closed => 0,
        StreamEnd::Reset => 1,
        StreamEnd::TimedOut => 2,
        StreamEnd::StillOpen => 3,
        StreamEnd::Evicted => 4,
    };
    let mut script = vec![origin | u8::from(fixture.joined_late) << 2 | end << 4];
    for step in &fixture.steps {
        let side = |direction: &Direction| {
            if is_client(fixture, *direction) {
                0
            } else {
                step::SERVER
            }
        };
        let eights = |len: &u32| len.div_ceil(8).min(255) as u8;
        match step {
            Step::Bytes(direction, bytes) => {
                for piece in bytes.chunks(255) {
                    script.extend([step::BYTES | side(direction), piece.len() as u8]);
                    script.extend(piece);
                }
            }
            Step::LeftOut(direction, len) => script.extend([step::LEFT_OUT | side(direction), eights(len)]),
            Step::Lost(direction, len) => script.extend([step::LOST | side(direction), eights(len)]),
            Step::Told(direction) => script.push(step::TOLD | side(direction)),
            Step::Wait(time) => script.extend([step::WAIT, (time.as_millis() / 4).clamp(1, 255) as u8]),
            Step::Again(direction, bytes) => {
                let count = bytes.len().min(255);
                script.extend([step::AGAIN | side(direction), count as u8, count as u8]);
                script.extend(&bytes[..count]);
            }
        }
    }
    script
}

/// A capture of it: pcap, microseconds, link type 101 (raw IP).
fn capture_file(fixture: &Fixture) -> Vec<u8> {
    const SYN: u8 = 2;
    const ACK: u8 = 16;
    const FIN_ACK: u8 = 17;
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    let mut time = 1_700_000_000_000_000u64;
    // The client's first; then the server's. Both wrap before long.
    let mut seqs = [0u32.wrapping_sub(100), 0u32.wrapping_sub(50)];
    let mut packet = |client: bool, flags: u8, payload: &[u8], takes: u32| {
        time += 100;
        let (from, to) = (usize::from(!client), usize::from(client));
        let here = super::engine::HOST.octets();
        let there = [192, 0, 2, 9];
        let at_home = client == (fixture.origin == Origin::Local);
        let (source, destination) = if at_home { (here, there) } else { (there, here) };
        let ports = if client { [40_000u16, 80] } else { [80, 40_000] };
        let mut bytes = vec![0x45, 0];
        bytes.extend((40 + payload.len() as u16).to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        bytes.extend(source);
        bytes.extend(destination);
        bytes.extend(ports[0].to_be_bytes());
        bytes.extend(ports[1].to_be_bytes());
        bytes.extend(seqs[from].to_be_bytes());
        bytes.extend(seqs[to].to_be_bytes());
        bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(payload);
        seqs[from] = seqs[from].wrapping_add(takes);
        for word in [
            (time / 1_000_000) as u32,
            (time % 1_000_000) as u32,
            bytes.len() as u32,
            bytes.len() as u32,
        ] {
            file.extend(word.to_le_bytes());
        }
        file.extend(bytes);
    };
    if !fixture.joined_late {
        packet(true, SYN, &[], 1);
        packet(false, SYN | ACK, &[], 1);
    }
    for step in &fixture.steps {
        match step {
            Step::Bytes(direction, bytes) => {
                packet(is_client(fixture, *direction), ACK, bytes, bytes.len() as u32);
            }
            Step::LeftOut(direction, len) | Step::Lost(direction, len) => {
                // It is in the sequence numbers of what follows.
                packet(is_client(fixture, *direction), ACK, &[], *len);
            }
            // Said again or told: what the fuzzer finds by itself.
            Step::Again(..) | Step::Told(_) | Step::Wait(_) => {}
        }
    }
    packet(true, FIN_ACK, &[], 1);
    packet(false, FIN_ACK, &[], 1);
    file
}

/// As the kernel tells it, each record behind its length.
fn kernel_records(fixture: &Fixture) -> Vec<u8> {
    let mut out = Vec::new();
    let mut time = 1_000_000_000u64;
    let mut put = |bytes: Vec<u8>| {
        out.extend((bytes.len() as u16).to_le_bytes());
        out.extend(bytes);
    };
    let header = |kind: u8, cause: u8, time: u64, size: usize| {
        let mut bytes = vec![0; size];
        bytes[offset_of!(abi::Header, kind)] = kind;
        bytes[offset_of!(abi::Header, cause)] = cause;
        set(&mut bytes, offset_of!(abi::Header, time_ns), &time.to_ne_bytes());
        set(&mut bytes, offset_of!(abi::Header, cookie), &5u64.to_ne_bytes());
        set(&mut bytes, offset_of!(abi::Header, generation), &1u32.to_ne_bytes());
        bytes
    };
    let flow = |cause: u8, time: u64| {
        let mut bytes = header(abi::KIND_FLOW, cause, time, size_of::<abi::FlowRecord>());
        let at = offset_of!(abi::FlowRecord, tuple);
        let (here, there) = (
            super::engine::HOST.to_ipv6_mapped(),
            std::net::Ipv4Addr::new(192, 0, 2, 9).to_ipv6_mapped(),
        );
        set(&mut bytes, at + offset_of!(abi::Tuple, local), &here.octets());
        set(&mut bytes, at + offset_of!(abi::Tuple, remote), &there.octets());
        set(
            &mut bytes,
            at + offset_of!(abi::Tuple, local_port),
            &80u16.to_ne_bytes(),
        );
        set(
            &mut bytes,
            at + offset_of!(abi::Tuple, remote_port),
            &40_000u16.to_ne_bytes(),
        );
        bytes[at + offset_of!(abi::Tuple, protocol)] = 6;
        bytes[at + offset_of!(abi::Tuple, known)] = 1;
        bytes[at + offset_of!(abi::Tuple, role)] = match fixture.origin {
            Origin::Local => abi::ROLE_ACTIVE,
            Origin::Remote => abi::ROLE_PASSIVE,
            Origin::Unknown => abi::ROLE_UNKNOWN,
        };
        set(
            &mut bytes,
            offset_of!(abi::FlowRecord, owner) + offset_of!(abi::Owner, pid),
            &7u32.to_ne_bytes(),
        );
        bytes
    };
    put(flow(abi::CAUSE_OPEN, time));
    let (mut seqs, mut turn, mut last) = ([1_000u32, 2_000], 0u32, None);
    for step in &fixture.steps {
        time += 1_000_000;
        match step {
            Step::Bytes(direction, data) => {
                let mut bytes = header(abi::KIND_CHUNK, 0, time, size_of::<abi::ChunkRecord>());
                let sent = usize::from(*direction == Direction::Sent);
                let starts = last.replace(*direction) != Some(*direction);
                turn += u32::from(starts);
                set(&mut bytes, offset_of!(abi::ChunkRecord, seq), &seqs[sent].to_ne_bytes());
                set(
                    &mut bytes,
                    offset_of!(abi::ChunkRecord, segment_len),
                    &(data.len() as u32).to_ne_bytes(),
                );
                set(
                    &mut bytes,
                    offset_of!(abi::ChunkRecord, turn),
                    &turn.div_ceil(2).to_ne_bytes(),
                );
                set(
                    &mut bytes,
                    offset_of!(abi::ChunkRecord, captured),
                    &(data.len() as u16).to_ne_bytes(),
                );
                bytes[offset_of!(abi::ChunkRecord, direction)] = if sent == 1 { abi::SENT } else { abi::RECEIVED };
                bytes[offset_of!(abi::ChunkRecord, flags)] = if starts { abi::CHUNK_TURN_START } else { 0 };
                bytes.extend(data);
                seqs[sent] = seqs[sent].wrapping_add(data.len() as u32);
                put(bytes);
            }
            Step::LeftOut(direction, len) | Step::Lost(direction, len) => {
                let seq = &mut seqs[usize::from(*direction == Direction::Sent)];
                *seq = seq.wrapping_add(*len);
            }
            Step::Again(..) | Step::Told(_) | Step::Wait(_) => {}
        }
    }
    put(flow(abi::CAUSE_PROGRESS, time + 1));
    put(flow(abi::CAUSE_CLOSE, time + 2));
    out
}

fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}
