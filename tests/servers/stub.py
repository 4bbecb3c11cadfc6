"""A resolver in between: takes queries over UDP and hands them on, over UDP or TCP.

    stub.py ADDRESS PORT UPSTREAM udp|tcp

Prints `ready` once it is bound.
"""
import socket
import struct
import sys

address, port, upstream, how = sys.argv[1:]
here = socket.socket(type=socket.SOCK_DGRAM)
here.bind((address, int(port)))
print("ready", flush=True)
while True:
    question, asker = here.recvfrom(4096)
    if how == "udp":
        there = socket.socket(type=socket.SOCK_DGRAM)
        there.sendto(question, (upstream, 53))
        answer = there.recv(4096)
    else:
        there = socket.create_connection((upstream, 53))
        there.sendall(struct.pack(">H", len(question)) + question)
        answer = b""
        while len(answer) < 2 or len(answer) < 2 + struct.unpack(">H", answer[:2])[0]:
            answer += there.recv(4096)
        answer = answer[2:]
    there.close()
    here.sendto(answer, asker)
