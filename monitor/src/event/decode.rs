//! Kernel records from bytes. The only code of the daemon that knows their layout.
//!
//! Fields are read at the offsets of the shared structs, never by casting: a cut or hostile record is an ordinary outcome
//! ([`DecodeError`]), counted by the caller.

use std::mem::offset_of;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use monitor_common as abi;

use super::{
    Chunk, ChunkFlags, Counters, Direction, Event, FlowCause, FlowFlags, FlowId, FlowSnapshot, Living, Orphan, Owner,
    OwnerSince, Parent, Program, ProgramId, Role,
};
use crate::flow::{FiveTuple, Transport, ip_from_kernel};
use crate::time::Timestamp;

/// Why a record could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its struct, or than it says.
    #[error("record of {0} bytes is cut short")]
    Short(usize),
    /// A kind this version does not know.
    #[error("unknown record kind {0}")]
    Kind(u8),
    /// A field with a value that is not allowed.
    #[error("unknown {0} {1}")]
    Value(&'static str, u8),
}

/// Turns the kernel's monotonic clock into event time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// `CLOCK_REALTIME` less `CLOCK_MONOTONIC`, nanoseconds.
    pub offset_ns: u64,
}

impl Clock {
    /// Event time of a kernel stamp.
    pub const fn at(self, monotonic_ns: u64) -> Timestamp {
        Timestamp::from_nanos(self.offset_ns.saturating_add(monotonic_ns))
    }

    /// The clock with a new reading of the offset. Forward at once; backward slowly, so that event time never goes back:
    /// `elapsed_ns` since the last call gives up at most a hundredth.
    #[must_use]
    pub const fn follow(self, offset_ns: u64, elapsed_ns: u64) -> Self {
        let lowest = self.offset_ns.saturating_sub(elapsed_ns / 100);
        Self {
            offset_ns: if offset_ns > lowest { offset_ns } else { lowest },
        }
    }

    /// Like [`Self::at`]; 0 means never.
    fn maybe(self, monotonic_ns: u64) -> Option<Timestamp> {
        (monotonic_ns != 0).then(|| self.at(monotonic_ns))
    }
}

/// Kernel stamp of a record, without reading the rest; what a reader of two rings merges by.
pub fn stamp(record: &[u8]) -> Option<u64> {
    Fields(record).u64(offset_of!(abi::Header, time_ns)).ok()
}

/// Reads the output of a walk over one network namespace; its entries have no length of their own.
pub fn walked(bytes: &[u8], living: &mut Living) -> Result<(), DecodeError> {
    use abi::Walked as W;
    for entry in bytes.chunks(size_of::<W>()) {
        let f = Fields(entry);
        let cookie = f.u64(offset_of!(W, cookie))?;
        let netns = f.u64(offset_of!(W, netns))?;
        let generation = f.u32(offset_of!(W, generation))?;
        if cookie == 0 {
            living.namespaces.insert(netns);
        } else {
            living.flows.insert(FlowId { cookie, generation });
        }
    }
    Ok(())
}

/// Reads one record. `payload` makes the bytes after a chunk's struct into a [`Bytes`]: the caller owns how.
pub fn record(bytes: &[u8], clock: Clock, payload: impl FnOnce(&[u8]) -> Bytes) -> Result<Event, DecodeError> {
    let fields = Fields(bytes);
    match fields.u8(offset_of!(abi::Header, kind))? {
        abi::KIND_FLOW => flow(fields, clock).map(|snapshot| Event::Flow(Box::new(snapshot))),
        abi::KIND_PROCESS => program(fields).map(|p| Event::Process(Arc::new(p))),
        abi::KIND_CHUNK => chunk(fields, clock, size_of::<abi::ChunkRecord>(), payload).map(Event::Chunk),
        abi::KIND_ORPHAN => {
            let at = offset_of!(abi::OrphanRecord, tuple);
            let (tuple, netns) = tuple(fields, at)?;
            let chunk = chunk(fields, clock, size_of::<abi::OrphanRecord>(), payload)?;
            let tuple = tuple.ok_or(DecodeError::Value("orphan tuple", 0))?;
            Ok(Event::Orphan(Box::new(Orphan { tuple, netns, chunk })))
        }
        other => Err(DecodeError::Kind(other)),
    }
}

fn flow(f: Fields<'_>, clock: Clock) -> Result<FlowSnapshot, DecodeError> {
    use abi::FlowRecord as R;
    f.u8(size_of::<R>() - 1)?;
    let cause = match f.u8(offset_of!(abi::Header, cause))? {
        abi::CAUSE_OPEN => FlowCause::Open,
        abi::CAUSE_FOUND => FlowCause::Found,
        abi::CAUSE_OWNER => FlowCause::Owner,
        abi::CAUSE_PROGRESS => FlowCause::Progress,
        abi::CAUSE_CLOSE => FlowCause::Close,
        abi::CAUSE_ESTABLISHED => FlowCause::Established,
        other => return Err(DecodeError::Value("cause", other)),
    };
    let (ends, netns) = tuple(f, offset_of!(R, tuple))?;
    let role = match f.u8(offset_of!(R, tuple) + offset_of!(abi::Tuple, role))? {
        abi::ROLE_ACTIVE => Role::Active,
        abi::ROLE_PASSIVE => Role::Passive,
        _ => Role::Unknown,
    };
    let flags = f.u32(offset_of!(R, flags))?;
    let flag = |bit: u32| flags & bit != 0;
    Ok(FlowSnapshot {
        id: f.flow_id()?,
        time: clock.at(f.u64(offset_of!(abi::Header, time_ns))?),
        cause,
        tuple: ends,
        netns,
        role,
        opened: clock.at(f.u64(offset_of!(R, opened_ns))?),
        owner: owner(f, offset_of!(R, owner))?,
        owner_since: OwnerSince {
            turn: f.u32(offset_of!(R, owner_turn))?,
            changes: f.u16(offset_of!(R, owner_changes))?,
        },
        parent: parent(f, offset_of!(R, parent))?,
        counters: counters(f, offset_of!(R, counters), clock)?,
        first_bytes: [None; 2],
        flags: FlowFlags {
            joined_late: flag(abi::FLOW_JOINED_LATE),
            fin_sent: flag(abi::FLOW_FIN_SENT),
            fin_received: flag(abi::FLOW_FIN_RECEIVED),
            fin_local_first: flag(abi::FLOW_FIN_LOCAL_FIRST),
            rst_sent: flag(abi::FLOW_RST_SENT),
            rst_received: flag(abi::FLOW_RST_RECEIVED),
            established: flag(abi::FLOW_ESTABLISHED),
            opaque: flag(abi::FLOW_OPAQUE),
            truncated_duplex: flag(abi::FLOW_TRUNCATED_DUPLEX),
            over_budget: flag(abi::FLOW_OVER_BUDGET),
            local_peer: flag(abi::FLOW_LOCAL_PEER),
            nat: flag(abi::FLOW_NAT),
        },
        tcp_state: f.u8(offset_of!(R, state))?,
        error: f.u16(offset_of!(R, error))?,
        first_seqs: Some((
            f.u32(offset_of!(R, first_seq_sent))?,
            f.u32(offset_of!(R, first_seq_received))?,
        ))
        .filter(|both| *both != (0, 0)),
        named: flag(abi::FLOW_NAT)
            .then(|| {
                let address = ip_from_kernel(f.array(offset_of!(R, named))?);
                Ok(SocketAddr::new(address, f.u16(offset_of!(R, named_port))?))
            })
            .transpose()?
            .filter(|named| named.port() != 0),
    })
}

/// Reads a value of the map of UDP flows, which has no header of its own.
pub fn udp_flow(
    cookie: u64,
    bytes: &[u8],
    cause: FlowCause,
    now: Timestamp,
    clock: Clock,
) -> Result<FlowSnapshot, DecodeError> {
    use abi::UdpFlow as R;
    let f = Fields(bytes);
    f.u8(size_of::<R>() - 1)?;
    let (ends, netns) = tuple(f, offset_of!(R, tuple))?;
    let half = |direction: u8| offset_of!(R, half) + usize::from(direction) * size_of::<abi::UdpHalf>();
    let (sent, received) = (half(abi::SENT), half(abi::RECEIVED));
    let last = |at: usize| -> Result<Option<(u32, Timestamp)>, DecodeError> {
        Ok(clock
            .maybe(f.u64(at + offset_of!(abi::UdpHalf, last_ns))?)
            .map(|moved| (0, moved)))
    };
    Ok(FlowSnapshot {
        id: FlowId {
            cookie,
            generation: f.u32(offset_of!(R, generation))?,
        },
        time: now,
        cause,
        tuple: ends,
        netns,
        role: match f.u8(offset_of!(R, tuple) + offset_of!(abi::Tuple, role))? {
            abi::ROLE_ACTIVE => Role::Active,
            abi::ROLE_PASSIVE => Role::Passive,
            _ => Role::Unknown,
        },
        opened: clock.at(f.u64(offset_of!(R, opened_ns))?),
        owner: owner(f, offset_of!(R, owner))?,
        owner_since: OwnerSince::default(),
        parent: parent(f, offset_of!(R, parent))?,
        counters: Counters {
            sent: f.u64(sent + offset_of!(abi::UdpHalf, bytes))?,
            received: f.u64(received + offset_of!(abi::UdpHalf, bytes))?,
            packets_sent: f.u64(sent + offset_of!(abi::UdpHalf, packets))?,
            packets_received: f.u64(received + offset_of!(abi::UdpHalf, packets))?,
            sent_end: last(sent)?,
            received_end: last(received)?,
            ..Counters::default()
        },
        first_bytes: [None; 2],
        flags: FlowFlags::default(),
        tcp_state: 0,
        error: 0,
        first_seqs: None,
        named: None,
    })
}

fn parent(f: Fields<'_>, at: usize) -> Result<Option<Parent>, DecodeError> {
    let cookie = f.u64(at + offset_of!(abi::Parent, cookie))?;
    if cookie == 0 {
        return Ok(None);
    }
    Ok(Some(Parent {
        flow: FlowId {
            cookie,
            generation: f.u32(at + offset_of!(abi::Parent, generation))?,
        },
        turn: f.u32(at + offset_of!(abi::Parent, turn))?,
        in_flight: f.u32(at + offset_of!(abi::Parent, in_flight))?,
    }))
}

fn counters(f: Fields<'_>, at: usize, clock: Clock) -> Result<Counters, DecodeError> {
    use abi::Counters as C;
    let u64_at = |offset: usize| f.u64(at + offset);
    let u32_at = |offset: usize| f.u32(at + offset);
    let end = |seq: u32, last: u64| clock.maybe(last).map(|moved| (seq, moved));
    Ok(Counters {
        sent: u64_at(offset_of!(C, sent))?,
        received: u64_at(offset_of!(C, received))?,
        acked: u64_at(offset_of!(C, acked))?,
        unread: u64_at(offset_of!(C, unread))?,
        packets_sent: u64_at(offset_of!(C, packets_sent))?,
        packets_received: u64_at(offset_of!(C, packets_received))?,
        retransmits: u32_at(offset_of!(C, retransmits))?,
        rtt_us: u32_at(offset_of!(C, rtt_us))?,
        sent_end: end(
            u32_at(offset_of!(C, sent_end_seq))?,
            u64_at(offset_of!(C, sent_last_ns))?,
        ),
        received_end: end(
            u32_at(offset_of!(C, received_end_seq))?,
            u64_at(offset_of!(C, received_last_ns))?,
        ),
    })
}

fn tuple(f: Fields<'_>, at: usize) -> Result<(Option<FiveTuple>, u64), DecodeError> {
    use abi::Tuple as T;
    let netns = f.u64(at + offset_of!(T, netns))?;
    if f.u8(at + offset_of!(T, known))? == 0 {
        return Ok((None, netns));
    }
    let transport = match f.u8(at + offset_of!(T, protocol))? {
        6 => Transport::Tcp,
        17 => Transport::Udp,
        other => return Err(DecodeError::Value("transport", other)),
    };
    let end = |address: usize, port: usize| -> Result<SocketAddr, DecodeError> {
        Ok(SocketAddr::new(
            ip_from_kernel(f.array(at + address)?),
            f.u16(at + port)?,
        ))
    };
    let local = end(offset_of!(T, local), offset_of!(T, local_port))?;
    let remote = end(offset_of!(T, remote), offset_of!(T, remote_port))?;
    Ok((
        Some(FiveTuple {
            transport,
            local,
            remote,
        }),
        netns,
    ))
}

fn owner(f: Fields<'_>, at: usize) -> Result<Option<Owner>, DecodeError> {
    use abi::Owner as O;
    let pid = f.u32(at + offset_of!(O, pid))?;
    if pid == 0 {
        return Ok(None);
    }
    Ok(Some(Owner {
        program: ProgramId {
            pid,
            exec_id: f.u32(at + offset_of!(O, exec_id))?,
            start_ns: f.u64(at + offset_of!(O, start_time_ns))?,
        },
        tid: f.u32(at + offset_of!(O, tid))?,
        uid: f.u32(at + offset_of!(O, uid))?,
        cgroup: f.u64(at + offset_of!(O, cgroup))?,
    }))
}

fn program(f: Fields<'_>) -> Result<Program, DecodeError> {
    use abi::ProcessRecord as R;
    f.u8(size_of::<R>() - 1)?;
    let owner = owner(f, offset_of!(R, owner))?.ok_or(DecodeError::Value("process owner", 0))?;
    let comm: [u8; 16] = f.array(offset_of!(R, comm))?;
    let path: [u8; abi::PATH_COMPONENTS * abi::PATH_NAME_BYTES] = f.array(offset_of!(R, path))?;
    let cgroup: [u8; abi::CGROUP_COMPONENTS * abi::CGROUP_NAME_BYTES] = f.array(offset_of!(R, cgroup))?;
    Ok(Program {
        id: owner.program,
        namespace_pid: f.u32(offset_of!(R, namespace_pid))?,
        parent_pid: f.u32(offset_of!(R, parent_pid))?,
        uid: owner.uid,
        name: printable(comm.split(|&b| b == 0).next().unwrap_or_default()),
        exe: path_from_leaf(path.chunks(abi::PATH_NAME_BYTES)),
        cgroup: match path_from_leaf(cgroup.chunks(abi::CGROUP_NAME_BYTES)) {
            path if path.is_empty() => "/".to_owned(),
            path => path,
        },
    })
}

/// NUL-terminated components, leaf first, as a path; empty for none.
fn path_from_leaf<'a>(slots: impl DoubleEndedIterator<Item = &'a [u8]>) -> String {
    let mut out = String::new();
    for name in slots
        .rev()
        .map(|slot| slot.split(|&b| b == 0).next().unwrap_or_default())
        .filter(|n| !n.is_empty())
    {
        out.push('/');
        out.push_str(&printable(name));
    }
    out
}

/// Names of files and processes are chosen by whoever runs them: control characters and what is not UTF-8 become `?`.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() || c == '\u{fffd}' { '?' } else { c })
        .collect()
}

fn chunk(f: Fields<'_>, clock: Clock, head: usize, payload: impl FnOnce(&[u8]) -> Bytes) -> Result<Chunk, DecodeError> {
    use abi::ChunkRecord as R;
    let captured = usize::from(f.u16(offset_of!(R, captured))?);
    let data = f.0.get(head..head + captured).ok_or(DecodeError::Short(f.0.len()))?;
    let direction = match f.u8(offset_of!(R, direction))? {
        abi::RECEIVED => Direction::Received,
        abi::SENT => Direction::Sent,
        other => return Err(DecodeError::Value("direction", other)),
    };
    let flags = f.u8(offset_of!(R, flags))?;
    let flag = |bit: u8| flags & bit != 0;
    let peer_end_seq = f.u32(offset_of!(R, peer_end_seq))?;
    Ok(Chunk {
        flow: f.flow_id()?,
        time: clock.at(f.u64(offset_of!(abi::Header, time_ns))?),
        direction,
        seq: f.u32(offset_of!(R, seq))?,
        segment_len: f.u32(offset_of!(R, segment_len))?,
        turn: f.u32(offset_of!(R, turn))?,
        data: payload(data),
        peer_end: clock
            .maybe(f.u64(offset_of!(R, peer_last_ns))?)
            .map(|moved| (peer_end_seq, moved)),
        flags: ChunkFlags {
            after_skip: flag(abi::CHUNK_AFTER_SKIP),
            after_hole: flag(abi::CHUNK_AFTER_HOLE),
            late: flag(abi::CHUNK_LATE),
            turn_start: flag(abi::CHUNK_TURN_START),
            datagram: flag(abi::CHUNK_DATAGRAM),
            frame_start: flag(abi::CHUNK_FRAME_START),
            with_repeats: false,
        },
    })
}

/// Reads integers at offsets; native byte order, as the kernel on this host wrote them.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], DecodeError> {
        let slice = self.0.get(at..at + N).ok_or(DecodeError::Short(self.0.len()))?;
        slice.try_into().map_err(|_| DecodeError::Short(self.0.len()))
    }

    fn u8(self, at: usize) -> Result<u8, DecodeError> {
        self.array(at).map(|[b]| b)
    }

    fn u16(self, at: usize) -> Result<u16, DecodeError> {
        self.array(at).map(u16::from_ne_bytes)
    }

    fn u32(self, at: usize) -> Result<u32, DecodeError> {
        self.array(at).map(u32::from_ne_bytes)
    }

    fn u64(self, at: usize) -> Result<u64, DecodeError> {
        self.array(at).map(u64::from_ne_bytes)
    }

    fn flow_id(self) -> Result<FlowId, DecodeError> {
        Ok(FlowId {
            cookie: self.u64(offset_of!(abi::Header, cookie))?,
            generation: self.u32(offset_of!(abi::Header, generation))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
        record(bytes, Clock { offset_ns: 1_000 }, Bytes::copy_from_slice)
    }

    /// A chunk as the kernel writes it, built by offsets that are written down here a second time.
    fn chunk_bytes(payload: &[u8]) -> Vec<u8> {
        let mut b = vec![0; 64];
        b[0] = abi::KIND_CHUNK;
        b[8..16].copy_from_slice(&500u64.to_ne_bytes());
        b[16..24].copy_from_slice(&77u64.to_ne_bytes());
        b[24..28].copy_from_slice(&2u32.to_ne_bytes());
        b[32..36].copy_from_slice(&0xffff_fff0u32.to_ne_bytes());
        b[36..40].copy_from_slice(&9_000u32.to_ne_bytes());
        b[40..44].copy_from_slice(&3u32.to_ne_bytes());
        b[44..46].copy_from_slice(&(payload.len() as u16).to_ne_bytes());
        b[46] = abi::SENT;
        b[47] = abi::CHUNK_TURN_START;
        b[48..52].copy_from_slice(&42u32.to_ne_bytes());
        b[56..64].copy_from_slice(&400u64.to_ne_bytes());
        b.extend_from_slice(payload);
        b
    }

    #[test]
    fn reads_a_chunk() {
        let Ok(Event::Chunk(chunk)) = decode(&chunk_bytes(b"HTTP/1.1 200 OK\r\n\r\n")) else {
            panic!("not a chunk")
        };
        assert_eq!(
            chunk.flow,
            FlowId {
                cookie: 77,
                generation: 2
            }
        );
        assert_eq!(chunk.time, Timestamp::from_nanos(1_500));
        assert_eq!((chunk.seq, chunk.segment_len, chunk.turn), (0xffff_fff0, 9_000, 3));
        assert_eq!(chunk.direction, Direction::Sent);
        assert_eq!(chunk.peer_end, Some((42, Timestamp::from_nanos(1_400))));
        assert!(chunk.flags.turn_start && !chunk.flags.late);
        assert_eq!(&chunk.data[..], b"HTTP/1.1 200 OK\r\n\r\n");
    }

    #[test]
    fn a_cut_record_is_an_error() {
        let whole = chunk_bytes(b"GET / HTTP/1.1\r\n");
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "{length} bytes were enough");
        }
    }

    #[test]
    fn the_clock_jumps_forward_and_creeps_back() {
        let clock = Clock { offset_ns: 10_000_000 };
        assert_eq!(clock.follow(99_000_000, 1_000).offset_ns, 99_000_000);
        assert_eq!(clock.follow(0, 1_000_000).offset_ns, 9_990_000);
        assert_eq!(clock.follow(9_999_999, 1_000_000).offset_ns, 9_999_999);
    }

    #[test]
    fn paths_are_walked_from_the_leaf() {
        let path = |slots: &[&'static [u8]]| path_from_leaf(slots.iter().copied());
        assert_eq!(
            path(&[b"nginx\0old", b"sbin\0", b"\0", b"usr\0", b"\0"]),
            "/usr/sbin/nginx"
        );
        assert_eq!(path(&[b"\0", b""]), "");
        assert_eq!(path(&[b"a\x1b[2J\0", b"\xff\0"]), "/?/a?[2J");
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(kind in 0u8..6, mut bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let _ = decode(&bytes);
        }
    }
}
