"""A server that several processes share, in the way that MODE says. Each answer holds the pid of whom it was asked of
first: of the process that was the first to read from the request. That is the truth the records are compared with.

    shared.py MODE ADDRESS PORT

Prints `ready` once it listens. Its processes end with their parents.
"""
import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading

WORKERS = 3
# `PR_SET_PDEATHSIG` (prctl(2)).
PDEATHSIG = 1
# Somebody's that is nobody's here.
STRANGER = 61234


def respond(connection, pid):
    body = str(pid).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def read(connection):
    """One request; false at the end."""
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(65536)
        if not piece:
            return False
        request += piece
    return True


def serve(connection, before_first=lambda: None, after_first=lambda: None):
    with connection, contextlib.suppress(ConnectionError):
        before_first()
        while read(connection):
            after_first()
            respond(connection, os.getpid())


def accept_all(listener):
    while True:
        serve(listener.accept()[0])


def listen(address, port, reuse=False):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, port))
    listener.listen(64)
    return listener


def child(work):
    """`work` in a process of its own."""
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)
        try:
            work()
        finally:
            os._exit(0)


def inboxes(count):
    return [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(count)]


def hand(inbox, connection, note=b"-"):
    socket.send_fds(inbox[0], [note], [connection.fileno()])
    connection.close()


def handed(inbox):
    note, (descriptor,), _, _ = socket.recv_fds(inbox[1], 64, 1)
    return note, socket.socket(fileno=descriptor)


def prefork(address, port):
    listener = listen(address, port)
    for _ in range(WORKERS):
        child(lambda: accept_all(listener))


def reuseport(address, port):
    for _ in range(WORKERS):
        listener = listen(address, port, reuse=True)
        child(lambda: accept_all(listener))
        listener.close()


def threads(address, port):
    listener = listen(address, port)

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def dispatched(address, port):
    """One process accepts and reads nothing; others serve, in turn."""
    listener, boxes = listen(address, port), inboxes(WORKERS)

    def work(box):
        while True:
            serve(handed(box)[1])

    for box in boxes:
        child(lambda: work(box))

    def accept():
        turn = 0
        while True:
            hand(boxes[turn % WORKERS], listener.accept()[0])
            turn += 1

    child(accept)


def in_turns(address, port):
    """Each request of a connection is another process's."""
    listener, boxes = listen(address, port), inboxes(2)

    def work(mine, other):
        while True:
            connection = handed(mine)[1]
            if read(connection):
                respond(connection, os.getpid())
                hand(other, connection)
            else:
                connection.close()

    child(lambda: work(boxes[0], boxes[1]))
    child(lambda: work(boxes[1], boxes[0]))

    def accept():
        while True:
            hand(boxes[0], listener.accept()[0])

    child(accept)


def midway(address, port):
    """One process reads the beginning of each request, another the rest, and answers."""
    listener, boxes = listen(address, port), inboxes(2)

    def begin():
        while True:
            connection = handed(boxes[0])[1]
            if connection.recv(4):
                hand(boxes[1], connection, str(os.getpid()).encode())
            else:
                connection.close()

    def finish():
        while True:
            first, connection = handed(boxes[1])
            read(connection)
            respond(connection, int(first))
            hand(boxes[0], connection)

    child(begin)
    child(finish)

    def accept():
        while True:
            hand(boxes[0], listener.accept()[0])

    child(accept)


def inherited(address, port):
    """As systemd starts a service: the listening socket is descriptor 3 of a program that it runs (sd_listen_fds(3))."""
    listener = listen(address, port)

    def run():
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.execv(sys.executable, [sys.executable, __file__, "activated"])

    child(run)


def activated():
    assert os.environ["LISTEN_FDS"] == "1" and os.environ["LISTEN_PID"] == str(os.getpid())
    accept_all(socket.socket(fileno=3))


def each_in_a_child(address, port, **how):
    listener = listen(address, port)

    def accept():
        while True:
            connection = listener.accept()[0]
            child(lambda: serve(connection, **how))
            connection.close()

    child(accept)


def other_user_before(address, port):
    """Another user's from the accept on."""
    each_in_a_child(address, port, before_first=lambda: os.setuid(STRANGER))


def other_user_after(address, port):
    """Another user's from the first request on."""
    each_in_a_child(address, port, after_first=lambda: os.setuid(STRANGER))


MODES = {
    mode.__name__: mode
    for mode in [
        prefork,
        reuseport,
        threads,
        dispatched,
        in_turns,
        midway,
        inherited,
        other_user_before,
        other_user_after,
    ]
}

if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if sys.argv[1] == "activated":
        activated()
    MODES[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    print("ready", flush=True)
    # Until whoever started it ends it, or is gone.
    sys.stdin.read()
