"""Asks for names in the ways that programs do, then connects to each address it got.

    ask_dns.py SERVER PORT (HOW NAME)…

Prints `HOW PID LOCAL_PORT` for each connection.
"""
import os
import socket
import struct
import sys


def query(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", os.getpid() & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def connected(server, question):
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.connect(server)
    s.send(question)
    return s.recv(4096)


def unconnected(server, question):
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.sendto(question, server)
    return s.recvfrom(4096)[0]


def without_address(server, question):
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.sendto(question, server)
    return s.recv(4096)


def message(server, question):
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.connect(server)
    s.sendmsg([question[:5], question[5:]])
    return s.recvmsg(4096)[0]


def handed_on(server, question):
    """Connected by one process, asked by another."""
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.connect(server)
    if os.fork() == 0:
        s.send(question)
        os._exit(0)
    os.wait()
    return s.recv(4096)


def tcp(server, question):
    s = socket.create_connection(server)
    s.sendall(struct.pack(">H", len(question)) + question)
    answer = b""
    while len(answer) < 2 or len(answer) < 2 + struct.unpack(">H", answer[:2])[0]:
        answer += s.recv(4096)
    return answer[2:]


server = (sys.argv[1], int(sys.argv[2]))
for how, name in zip(sys.argv[3::2], sys.argv[4::2]):
    answer = globals()[how](server, query(name))
    # The address is the last thing in it.
    s = socket.create_connection((socket.inet_ntoa(answer[-4:]), 80))
    print(how, os.getpid(), s.getsockname()[1], flush=True)
    s.close()
