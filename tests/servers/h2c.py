"""A server that lets one client upgrade to HTTP/2 on a connection that began as HTTP/1.1 (RFC 7540 section 3.2), and then
serves it there: every request is answered with the number of its stream in bytes, a thousand times.

Usage: h2c.py ADDRESS PORT. Says `ready` when it listens. It reads no header fields of HTTP/2: it has nothing to choose.
"""
import socket
import struct
import sys

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, GOAWAY, CONTINUATION = 0, 1, 4, 7, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def answer(stream):
    body = b"x" * (1000 * stream)
    length = str(len(body)).encode()
    # RFC 7541: `:status: 200` is 8 of the static table, `content-length` 28, its value a literal that is not indexed.
    block = b"\x88" + b"\x0f\x0d" + bytes([len(length)]) + length
    frames = frame(HEADERS, END_HEADERS, stream, block)
    for at in range(0, len(body), 16_384):
        part = body[at : at + 16_384]
        last = at + len(part) == len(body)
        frames += frame(DATA, END_STREAM if last else 0, stream, part)
    return frames


class Reader:
    def __init__(self, connection):
        self.connection, self.bytes = connection, b""

    def until(self, done):
        """Takes what `done` says is whole, or nothing at the end."""
        while True:
            end = done(self.bytes)
            if end:
                taken, self.bytes = self.bytes[:end], self.bytes[end:]
                return taken
            more = self.connection.recv(65_536)
            if not more:
                return b""
            self.bytes += more


def whole_frame(have):
    if len(have) < 9:
        return 0
    end = 9 + int.from_bytes(have[:3], "big")
    return end if len(have) >= end else 0


def serve(connection):
    reader = Reader(connection)
    request = reader.until(lambda have: have.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in have else 0)
    assert b"upgrade: h2c" in request.lower(), request
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    connection.sendall(frame(SETTINGS, 0, 0) + answer(1))
    assert reader.until(lambda have: len(PREFACE) if len(have) >= len(PREFACE) else 0) == PREFACE
    stream = 0
    while header := reader.until(whole_frame):
        kind, flags = header[3], header[4]
        stream = int.from_bytes(header[5:9], "big") & 0x7FFF_FFFF
        if kind == SETTINGS and not flags & ACK:
            connection.sendall(frame(SETTINGS, ACK, 0))
        elif kind == GOAWAY:
            return
        elif kind in (HEADERS, CONTINUATION):
            assert flags & END_HEADERS, "one frame is enough for these fields"
            connection.sendall(answer(stream))


listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
accepted, _ = listener.accept()
serve(accepted)
accepted.close()
