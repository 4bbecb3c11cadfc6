"""io_uring by its system calls, as far as a test of sends and receives needs it.

io_uring_setup(2), io_uring_enter(2); layouts from include/uapi/linux/io_uring.h. One operation at a time.
"""

import ctypes
import mmap
import os
import struct

SETUP, ENTER = 425, 426
SQPOLL, ASYNC, GETEVENTS, SQ_WAKEUP, NEED_WAKEUP = 1 << 1, 1 << 4, 1, 2, 1
READ, WRITE, SEND, RECV, SEND_ZC = 22, 23, 26, 27, 47
CQE_MORE = 2
ENTRIES = 8

kernel = ctypes.CDLL(None, use_errno=True)


def call(*arguments):
    outcome = kernel.syscall(*arguments)
    if outcome < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return outcome


class Ring:
    """A ring; `flags` of its set-up, and `each` of every operation."""

    def __init__(self, flags=0, each=0):
        params = (ctypes.c_char * 120)()
        struct.pack_into("4I", params, 0, 0, 0, flags, 0)
        # SQPOLL: milliseconds until its thread sleeps.
        struct.pack_into("I", params, 16, 50)
        self.flags, self.each = flags, each
        self.fd = call(SETUP, ENTRIES, params)
        sq_entries, cq_entries = struct.unpack_from("2I", params, 0)
        self.sq = struct.unpack_from("7I", params, 40)  # head tail mask entries flags dropped array
        self.cq = struct.unpack_from("5I", params, 80)  # head tail mask entries overflow, then cqes
        self.cqes = struct.unpack_from("6I", params, 80)[5]
        size = max(self.sq[6] + 4 * sq_entries, self.cqes + 16 * cq_entries)
        self.rings = mmap.mmap(self.fd, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self.sqes = mmap.mmap(self.fd, 64 * sq_entries, mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=0x10000000)

    def word(self, at):
        return struct.unpack_from("I", self.rings, at)[0]

    def do(self, operation, fd, address, length, flags=0):
        """One operation to its end: what the system call of that name would have given."""
        tail = self.word(self.sq[1])
        slot = tail & self.word(self.sq[2])
        entry = struct.pack("BBHiQQIIQ", operation, self.each, 0, fd, 0, address, length, flags, 7)
        self.sqes[64 * slot : 64 * slot + 64] = entry.ljust(64, b"\0")
        struct.pack_into("I", self.rings, self.sq[6] + 4 * slot, slot)
        struct.pack_into("I", self.rings, self.sq[1], (tail + 1) & 0xFFFFFFFF)
        if self.flags & SQPOLL:
            wakeup = SQ_WAKEUP if self.word(self.sq[4]) & NEED_WAKEUP else 0
            call(ENTER, self.fd, 0, 1, GETEVENTS | wakeup, None, 0)
        else:
            call(ENTER, self.fd, 1, 1, GETEVENTS, None, 0)
        outcome, more = self.completion()
        while more:
            # A send without a copy says when the buffer is free again.
            _, more = self.completion()
        if outcome < 0:
            raise OSError(-outcome, os.strerror(-outcome))
        return outcome

    def completion(self):
        while self.word(self.cq[0]) == self.word(self.cq[1]):
            wakeup = SQ_WAKEUP if self.flags & SQPOLL and self.word(self.sq[4]) & NEED_WAKEUP else 0
            call(ENTER, self.fd, 0, 1, GETEVENTS | wakeup, None, 0)
        head = self.word(self.cq[0])
        at = self.cqes + 16 * (head & self.word(self.cq[2]))
        _, outcome, flags = struct.unpack_from("QiI", self.rings, at)
        struct.pack_into("I", self.rings, self.cq[0], (head + 1) & 0xFFFFFFFF)
        return outcome, bool(flags & CQE_MORE)


def send_all(ring, s, data, account, operation=SEND):
    buffer = ctypes.create_string_buffer(data, len(data))
    at = 0
    while at < len(data):
        n = ring.do(operation, s.fileno(), ctypes.addressof(buffer) + at, len(data) - at)
        account["sent"] += n
        at += n


def receive_all(ring, s, account, operation=RECV):
    buffer = ctypes.create_string_buffer(65536)
    while n := ring.do(operation, s.fileno(), ctypes.addressof(buffer), 65536):
        account["received"] += n
