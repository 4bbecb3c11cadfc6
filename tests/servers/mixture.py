"""Connections of chance, each by any mixture of the calls that move bytes, each ended in any way; and datagrams.

    mixture.py PORT DATAGRAM_PORT SEED CONNECTIONS

Both ends are this process's. It prints one line of JSON for each connection as it ends: what the accepting end's calls
have returned, and how it must have ended. The seed makes the choices.
"""

import ctypes
import fcntl
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import tempfile
import termios
import time

# Bytes on their way to an end that has not read them: well within the smallest receive window.
MOST_WAITING = 24_000
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000

libc = ctypes.CDLL(None, use_errno=True)
nothing = open("/dev/null", "wb")
zeros = tempfile.TemporaryFile()
zeros.truncate(1 << 20)


class End:
    """A socket, what its calls have returned, and what waits for it."""

    def __init__(self, s):
        self.s = s
        self.sent = self.received = self.waiting = 0
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def by_pipe(_, end, size):
    r, w = os.pipe()
    left = os.write(w, bytes(min(size, 60_000)))
    total = left
    while left:
        left -= os.splice(r, end.s.fileno(), left)
    os.close(r)
    os.close(w)
    return total


def without_copy(_, end, size):
    end.s.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    return end.s.send(bytes(size), MSG_ZEROCOPY)


SENDS = [
    lambda _, end, size: end.s.send(bytes(size)),
    lambda _, end, size: end.s.sendmsg([bytes(size // 3), b"", bytes(size - size // 3)]),
    lambda _, end, size: os.writev(end.s.fileno(), [bytes(1), bytes(size - 1)]),
    lambda chance, end, size: os.sendfile(end.s.fileno(), zeros.fileno(), chance.randrange(1000), size),
    by_pipe,
    without_copy,
]


def thrown_away(end, most):
    buffer = ctypes.create_string_buffer(most)
    return libc.recv(end.s.fileno(), buffer, most, socket.MSG_TRUNC)


def into_pipe(end, most):
    r, w = os.pipe()
    left = total = os.splice(end.s.fileno(), w, most)
    while left:
        left -= os.splice(r, nothing.fileno(), left)
    os.close(r)
    os.close(w)
    return total


RECEIVES = [
    lambda end, most: len(end.s.recv(most)),
    lambda end, most: os.readv(end.s.fileno(), [bytearray(most)]),
    lambda end, most: end.s.recvmsg_into([bytearray(most // 2 + 1), bytearray(most)])[0],
    thrown_away,
    into_pipe,
]


def send(chance, end, other, size):
    n = chance.choice(SENDS)(chance, end, size)
    end.sent += n
    other.waiting += n


def receive(chance, end):
    most = chance.randint(1, end.waiting)
    if chance.random() < 0.2:
        end.s.recv(most, socket.MSG_PEEK)
    n = chance.choice(RECEIVES)(end, most)
    assert 0 < n <= end.waiting, n
    end.received += n
    end.waiting -= n


def move(chance, ends, steps):
    """Pieces of any size in any of the directions, read in pieces of any other size."""
    for _ in range(steps):
        end, other = chance.choice(ends)
        room = MOST_WAITING - other.waiting
        if room and chance.random() < 0.6:
            send(chance, end, other, min(room, chance.choice([1, 2, 100, 1460, 9000, MOST_WAITING])))
        elif other.waiting:
            receive(chance, other)


def drain(chance, end):
    while end.waiting:
        receive(chance, end)


def settle(chance, end):
    """All that waits for this end has arrived: a full receive window holds some of it back, and a reset throws that away."""
    tries = 0
    while struct.unpack("i", fcntl.ioctl(end.s, termios.FIONREAD, bytes(4)))[0] != end.waiting:
        tries += 1
        if tries > 20:
            receive(chance, end)
        else:
            time.sleep(0.001)


def reset(end):
    end.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.s.close()


def until_over(end):
    """What is not read stays unread; waits for the other side's FIN or RST."""
    poll = select.poll()
    poll.register(end.s, select.POLLRDHUP)
    assert poll.poll(10_000)


def killed(end):
    """The last process that holds it does not close it: it dies."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
    end.s.close()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def client_closes(_, c, s):
    unread = c.waiting > 0
    c.s.close()
    until_over(s)
    unread_here = s.waiting > 0
    s.s.close()
    # RFC 2525 section 2.17: whoever closes with data unread resets.
    return "reset_remote" if unread else "reset_local" if unread_here else "fin_remote"


def server_closes(chance, c, s):
    unread = s.waiting > 0
    chance.choice([lambda: s.s.close(), lambda: killed(s)])()
    until_over(c)
    if not unread:
        drain(chance, c)
    c.s.close()
    return "reset_local" if unread else "fin_local"


def client_closes_half(chance, c, s):
    c.s.shutdown(socket.SHUT_WR)
    move(chance, [(s, c)], chance.randrange(20))
    unread = s.waiting > 0
    s.s.close()
    until_over(c)
    c.s.close()
    return "reset_local" if unread else "fin_remote"


def server_closes_half(chance, c, s):
    s.s.shutdown(socket.SHUT_WR)
    move(chance, [(c, s)], chance.randrange(20))
    settle(chance, s)
    drain(chance, c)
    c.s.close()
    until_over(s)
    s.s.close()
    return "fin_local"


def client_resets(_, c, s):
    reset(c)
    until_over(s)
    s.s.close()
    return "reset_remote"


def server_resets(_, c, s):
    reset(s)
    until_over(c)
    c.s.close()
    return "reset_local"


ENDINGS = [client_closes, server_closes, client_closes_half, server_closes_half, client_resets, server_resets]


def connection(chance, listener, port, again):
    """One connection; gives the client's port where it may come again at once, since a reset leaves no `TIME_WAIT`."""
    c = socket.socket()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    c.bind(("127.0.0.1", again or 0))
    c.connect(("127.0.0.1", port))
    s, (_, client_port) = listener.accept()
    c, s = End(c), End(s)
    move(chance, [(c, s), (s, c)], chance.choice([0, 1, 5, 60]))
    if chance.random() < 0.5:
        drain(chance, c)
        drain(chance, s)
    settle(chance, s)
    ending = chance.choice(ENDINGS)
    reason = ending(chance, c, s)
    account = {"port": client_port, "sent": s.sent, "received": s.received, "unread": s.waiting, "reason": reason}
    print(json.dumps(account | {"ending": ending.__name__}), flush=True)
    return client_port if ending in (client_resets, server_resets) and chance.random() < 0.7 else None


def datagrams(chance, port):
    """One conversation of datagrams, from a socket that is connected or not."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connected = chance.random() < 0.5
    if connected:
        c.connect(("127.0.0.1", port))
    sent = received = 0
    for _ in range(chance.randint(1, 30)):
        size = chance.randint(0, 1400)
        c.send(bytes(size)) if connected else c.sendto(bytes(size), ("127.0.0.1", port))
        data, client = s.recvfrom(2000)
        received += len(data)
        if chance.random() < 0.5:
            sent += s.sendto(bytes(chance.randint(0, 1400)), client)
            c.recv(2000)
    c.close()
    s.close()
    print(json.dumps({"datagrams": port, "port": client[1], "sent": sent, "received": received}), flush=True)


def main(port, datagram_port, seed, connections):
    chance = random.Random(seed)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(8)
    again = None
    for _ in range(connections):
        again = connection(chance, listener, port, again)
    datagrams(chance, datagram_port)


main(*map(int, sys.argv[1:]))
