"""A server on Python's own http.server whose log is an independent truth.

Every byte that a handler reads or writes passes through a counting file, so each line of the log says what was on the
wire: one line a transaction, one a connection when it ends. Usage: server.py ADDRESS PORT LOG
"""

import http.client
import http.server
import json
import os
import socket
import sys
import tempfile
import threading
import time

CHUNK = 65536
LOG_LOCK = threading.Lock()


class CountingReader:
    """What the handler took from the connection: the header by lines, the body by pieces."""

    def __init__(self, inner):
        self.inner = inner
        self.count = 0

    def readline(self, limit=-1):
        line = self.inner.readline(limit)
        self.count += len(line)
        return line

    def read(self, size=-1):
        piece = self.inner.read(size)
        self.count += len(piece)
        return piece

    def __getattr__(self, name):
        return getattr(self.inner, name)


class CountingWriter:
    """What the handler gave to the connection."""

    def __init__(self, inner):
        self.inner = inner
        self.count = 0

    def write(self, piece):
        self.inner.write(piece)
        self.count += len(piece)
        return len(piece)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Handler(http.server.BaseHTTPRequestHandler):
    """Routes: bytes, chunked, sendfile, status, slow, early, until-close, upload, call."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.rfile = CountingReader(self.rfile)
        self.wfile = CountingWriter(self.wfile)

    def finish(self):
        super().finish()
        log(connection=self.client_address[1], bytes_read=self.rfile.count, bytes_written=self.wfile.count)

    def handle_one_request(self):
        self.marks = [self.rfile.count, None, None, self.wfile.count, None]
        self.interim = 0
        self.status = None
        super().handle_one_request()
        if self.status is None:
            return
        request_start, request_body, request_end, response_start, response_body = self.marks
        log(
            method=self.command,
            target=self.path,
            status=self.status,
            version=self.request_version,
            client_port=self.client_address[1],
            request_header_bytes=request_body - request_start,
            request_body_bytes=(request_end or request_body) - request_body,
            interim_bytes=self.interim,
            response_header_bytes=response_body - response_start - self.interim,
            response_body_bytes=self.wfile.count - response_body,
            pid=os.getpid(),
            thread=threading.get_native_id(),
        )

    def handle_expect_100(self):
        self.mark_header()
        before = self.wfile.count
        super().handle_expect_100()
        self.interim += self.wfile.count - before
        return True

    def mark_header(self):
        if self.marks[1] is None:
            self.marks[1] = self.rfile.count

    def send_response(self, code, message=None):
        self.mark_header()
        self.status = code
        super().send_response(code, message)
        if self.close_connection:
            # Told, since a client that believes in keep-alive would send its next request to a closing connection.
            self.send_header("Connection", "close")

    def end_headers(self):
        super().end_headers()
        if self.status is not None:
            self.marks[4] = self.wfile.count

    def log_message(self, *_):
        pass

    def route(self):
        self.mark_header()
        word, _, argument = self.path.lstrip("/").partition("?")[0].partition("/")
        body = self.read_body()
        self.marks[2] = self.rfile.count
        getattr(self, "on_" + word.replace("-", "_"))(argument, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = route

    def read_body(self):
        """The body's decoded length; every byte of it is read."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.read_exactly(int(self.headers.get("Content-Length", 0)))
        total = 0
        while size := int(self.rfile.readline().split(b";")[0], 16):
            total += self.read_exactly(size)
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass  # trailers
        return total

    def read_exactly(self, size):
        left = size
        while left:
            piece = self.rfile.read(min(left, CHUNK))
            if not piece:
                break
            left -= len(piece)
        return size - left

    def plain(self, size, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command == "HEAD":
            return
        while size:
            self.wfile.write(b"x" * min(size, CHUNK))
            size -= min(size, CHUNK)

    def on_bytes(self, argument, _):
        self.plain(int(argument))

    def on_upload(self, _, received):
        text = str(received).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def on_chunked(self, argument, _):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in range(int(argument)):
            text = b"piece %d\n" % piece
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.write(b"0\r\n\r\n")

    def on_sendfile(self, argument, _):
        with tempfile.TemporaryFile() as content:
            content.truncate(int(argument))
            self.send_response(200)
            self.send_header("Content-Length", argument)
            self.end_headers()
            self.wfile.count += self.connection.sendfile(content)

    def on_status(self, argument, _):
        self.send_response(int(argument))
        if int(argument) == 304:
            # What a 200 would have had; nothing of it follows (RFC 9110 section 15.4.5).
            self.send_header("Content-Length", "4096")
        self.end_headers()

    def on_slow(self, argument, _):
        time.sleep(int(argument) / 1000)
        self.plain(16)

    def on_early(self, _, __):
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
        self.wfile.write(hints)
        self.interim += len(hints)
        self.plain(32)

    def on_until_close(self, argument, _):
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"y" * int(argument))

    def on_call(self, argument, _):
        host, port, path = argument.split("/", 2)
        upstream = http.client.HTTPConnection(host, int(port), timeout=10)
        upstream.request("GET", "/" + path)
        status = upstream.getresponse().read() and 200
        upstream.close()
        self.plain(8, status or 502)


class Server(http.server.ThreadingHTTPServer):
    """One thread a connection; the address family follows the address."""

    request_queue_size = 256

    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def log(**line):
    with LOG_LOCK:
        LOG.write(json.dumps(line) + "\n")
        LOG.flush()


address, port = sys.argv[1], int(sys.argv[2])
LOG = open(sys.argv[3], "a", encoding="utf-8")
Server.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
with Server((address, port), Handler) as server:
    print("ready", flush=True)
    server.serve_forever()
