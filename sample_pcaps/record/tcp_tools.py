"""Stepping through TCP connections between the lab's hosts, and building packets a kernel would not send."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import NamedTuple

import dpkt
from lab import CLIENT, SERVER, Lab, Node

RESET = struct.pack("ii", 1, 0)
FIN, SYN, RST, PUSH, ACK = (
    dpkt.tcp.TH_FIN,
    dpkt.tcp.TH_SYN,
    dpkt.tcp.TH_RST,
    dpkt.tcp.TH_PUSH,
    dpkt.tcp.TH_ACK,
)


def pause(seconds: float = 0.06) -> None:
    """Long enough for delayed acknowledgements (40 ms) to be on the wire."""
    time.sleep(seconds)


def connected(lab: Lab, port: int, sport: int = 0) -> tuple[socket.socket, socket.socket]:
    """A connection client:sport → server:port, both ends in hand."""
    listener = lab.server.listen(SERVER, port)
    here = lab.client.tcp(CLIENT, sport)
    here.connect((SERVER, port))
    there, _ = listener.accept()
    there.settimeout(20)
    listener.close()
    pause()
    return here, there


def say(sender: socket.socket, receiver: socket.socket, data: bytes) -> None:
    """Send, and read it all at the other end."""
    sender.sendall(data)
    left = len(data)
    while left:
        left -= len(receiver.recv(left))
    pause()


def reset(sock: socket.socket) -> None:
    """Close with a RST (SO_LINGER 0)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()
    pause()


class Ends(NamedTuple):
    """What one side would send next."""

    seq: int
    ack: int
    win: int


class Tap:
    """Looks at one interface's frames to learn the sequence numbers of live connections."""

    def __init__(self, node: Node, interface: str = "eth0") -> None:
        self.socket = node.packet(interface)
        self.socket.setblocking(False)
        self.last: dict[tuple[str, int, str, int], Ends] = {}

    def next_from(self, src: str, sport: int, dst: str, dport: int) -> Ends:
        """The state of src:sport → dst:dport after everything seen so far."""
        with contextlib.suppress(BlockingIOError):
            while frame := self.socket.recv(70000):
                ip = dpkt.ethernet.Ethernet(frame).data
                if isinstance(ip, dpkt.ip.IP) and isinstance(ip.data, dpkt.tcp.TCP):
                    tcp = ip.data
                    consumed = len(tcp.data) + bool(tcp.flags & FIN) + bool(tcp.flags & SYN)
                    key = (socket.inet_ntoa(ip.src), tcp.sport, socket.inet_ntoa(ip.dst), tcp.dport)
                    self.last[key] = Ends((tcp.seq + consumed) & 0xFFFFFFFF, tcp.ack, tcp.win)
        return self.last[(src, sport, dst, dport)]


def ipv4(src: str, dst: str, payload: dpkt.Packet | bytes, proto: int, *, ident: int = 1) -> bytes:
    packet = dpkt.ip.IP(src=socket.inet_aton(src), dst=socket.inet_aton(dst), p=proto, id=ident, data=payload)
    packet.len = len(packet)
    return bytes(packet)


Endpoint = tuple[str, int]


def tcp_packet(
    src: Endpoint, dst: Endpoint, flags: int, seq: int, ack: int = 0, *, data: bytes = b"", win: int = 64240
) -> bytes:
    """A whole IPv4 packet with correct checksums."""
    segment = dpkt.tcp.TCP(
        sport=src[1],
        dport=dst[1],
        seq=seq & 0xFFFFFFFF,
        ack=ack & 0xFFFFFFFF,
        flags=flags,
        win=win,
        data=data,
    )
    return ipv4(src[0], dst[0], segment, dpkt.ip.IP_PROTO_TCP, ident=seq & 0xFFFF)


def inject(node: Node, packet: bytes) -> None:
    """Send a ready-made IPv4 packet from a node."""
    destination = socket.inet_ntoa(packet[16:20])
    with contextlib.closing(node.raw_ip()) as raw:
        raw.sendto(packet, (destination, 0))
    pause(0.02)
