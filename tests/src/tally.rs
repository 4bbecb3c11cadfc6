//! Somebody else's program on a cgroup: counts the packets that its sockets send, as other tools on a host do.
#![expect(
    unsafe_code,
    reason = "three bpf(2) calls of its own, so that nothing of the monitor's loader is in it"
)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::cgroup::ChildCgroup;

/// `enum bpf_cmd` (include/uapi/linux/bpf.h), and what else is named there.
const MAP_CREATE: i64 = 0;
const MAP_LOOKUP: i64 = 1;
const PROG_LOAD: i64 = 5;
const LINK_CREATE: i64 = 28;
const MAP_TYPE_ARRAY: u32 = 2;
const PROG_TYPE_CGROUP_SKB: u32 = 8;
const CGROUP_INET_EGRESS: u32 = 1;

/// The program, attached while this lives.
#[derive(Debug)]
pub struct Tally {
    map: OwnedFd,
    _link: OwnedFd,
}

impl Tally {
    /// Counts what is sent in this cgroup.
    #[track_caller]
    pub fn attach(cgroup: &ChildCgroup) -> Self {
        Self::try_attach(cgroup).expect("a program of the test's own on a cgroup")
    }

    fn try_attach(cgroup: &ChildCgroup) -> io::Result<Self> {
        // One element: key 4 bytes, value 8.
        let map = fd(bpf(MAP_CREATE, &[MAP_TYPE_ARRAY, 4, 8, 1])?);
        let number = |fd: BorrowedFd| fd.as_raw_fd().cast_unsigned();
        // key = 0; value = lookup(map, &key); if value { atomic value += 1 }; return 1 (let it pass).
        let program: [u64; 12] = [
            instruction(0x62, 0x0a, -4, 0),
            instruction(0xbf, 0xa2, 0, 0),
            instruction(0x07, 0x02, 0, -4),
            instruction(0x18, 0x11, 0, map.as_raw_fd()),
            0,
            instruction(0x85, 0, 0, 1),
            instruction(0x15, 0x00, 2, 0),
            instruction(0xb7, 0x01, 0, 1),
            instruction(0xdb, 0x10, 0, 0),
            instruction(0xb7, 0x00, 0, 1),
            instruction(0x95, 0, 0, 0),
            0,
        ];
        let mut load = [0_u32; 18];
        (load[0], load[1]) = (PROG_TYPE_CGROUP_SKB, 11);
        put_address(&mut load[2..4], program.as_ptr().addr());
        put_address(&mut load[4..6], c"GPL".as_ptr().addr());
        load[17] = CGROUP_INET_EGRESS;
        let program = fd(bpf(PROG_LOAD, &load)?);
        let target = File::open(cgroup.path())?;
        let link = [number(program.as_fd()), number(target.as_fd()), CGROUP_INET_EGRESS, 0];
        let link = fd(bpf(LINK_CREATE, &link)?);
        Ok(Self { map, _link: link })
    }

    /// Packets so far.
    #[track_caller]
    pub fn packets(&self) -> u64 {
        let (key, mut value) = (0_u32, 0_u64);
        let mut lookup = [0_u32; 8];
        lookup[0] = self.map.as_raw_fd().cast_unsigned();
        put_address(&mut lookup[2..4], (&raw const key).addr());
        put_address(&mut lookup[4..6], (&raw mut value).expose_provenance());
        bpf(MAP_LOOKUP, &lookup).expect("look the count up");
        // SAFETY: a live local; the kernel has written it behind the compiler's back.
        unsafe { std::ptr::read_volatile(&raw const value) }
    }
}

/// `struct bpf_insn`: code, registers (source above destination), offset, immediate.
fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = immediate.to_le_bytes();
    u64::from_le_bytes([code, registers, low, high, a, b, c, d])
}

fn put_address(words: &mut [u32], address: usize) {
    for (word, half) in words.iter_mut().zip([address as u64, (address as u64) >> 32]) {
        *word = half as u32;
    }
}

/// A bpf(2) call; attributes in words, as the little-endian kernel reads them.
fn bpf(command: i64, attributes: &[u32]) -> io::Result<i32> {
    // SAFETY: the layout is the command's, and what it points to lives until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes)) };
    match i32::try_from(result) {
        Ok(result @ 0..) => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

fn fd(number: i32) -> OwnedFd {
    // SAFETY: new, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(number) }
}
