"""A small conversation as packets, ways to change it, ways to store it."""

from __future__ import annotations

import gzip
from pathlib import Path

from ctreplay.capture.write import PcapngWriter, PcapWriter
from tests.traffic.build import ACK, FIN, ICMP, PSH, RST, SYN, TCP, UDP, icmp, ip, tcp, udp, with_checksum

Packets = list[tuple[int, bytes]]

SECOND = 10**9
T0 = 1_700_000_000 * SECOND
CLIENT, SERVER, OTHER = bytes([10, 0, 0, 1]), bytes([192, 0, 2, 80]), bytes([10, 0, 0, 99])
RAW, ETHERNET = 101, 1


def packet(src: bytes, dst: bytes, proto: int, segment: bytes) -> bytes:
    return ip(src, dst, proto, with_checksum(src, dst, proto, segment))


class Tcp:
    """A connection that keeps its own sequence numbers."""

    def __init__(self, sport: int, dport: int) -> None:
        self.sport, self.dport = sport, dport
        self.next = {True: 1000, False: 9000}

    def send(self, from_client: bool, flags: int, data: bytes = b"", shift: int = 0) -> bytes:
        seq = self.next[from_client] + shift
        ack = self.next[not from_client] if flags & ACK else 0
        if not shift:
            self.next[from_client] += len(data) + bool(flags & (SYN | FIN))
        ports = (self.sport, self.dport) if from_client else (self.dport, self.sport)
        ends = (CLIENT, SERVER) if from_client else (SERVER, CLIENT)
        return packet(*ends, TCP, tcp(*ports, seq, ack, flags, 8000, data=data))


def talk() -> Packets:
    """A short HTTP connection, one that pauses for 100 s, one picked up mid-stream, DNS with a repetition, a ping."""
    found: list[tuple[float, bytes]] = []
    for sport, start, pause in ((40001, 0.0, 0.2), (40002, 1.0, 100.0)):
        one = Tcp(sport, 443)
        at = start
        for wait, args in (
            (0.0, (True, SYN)), (0.01, (False, SYN | ACK)), (0.01, (True, ACK)), (0.01, (True, PSH | ACK, b"x" * 300)),
            (0.01, (False, ACK)), (0.02, (False, PSH | ACK, b"y" * 900)), (0.01, (True, ACK)),
            (pause, (True, PSH | ACK, b"x" * 200)), (0.01, (False, PSH | ACK, b"y" * 100)), (0.01, (True, ACK)),
            (0.01, (True, FIN | ACK)), (0.01, (False, FIN | ACK)), (0.01, (True, ACK)),
        ):  # fmt: skip
            at += wait
            found.append((at, one.send(*args)))
    picked_up = Tcp(40003, 8080)
    for at, args in ((2.0, (True, ACK, b"a")), (2.1, (False, ACK)), (2.2, (False, PSH | ACK, b"b" * 50))):
        found.append((at, picked_up.send(*args)))
    for at in (3.0, 8.0):
        found.append((at, packet(CLIENT, SERVER, UDP, udp(5353, 53, b"question"))))
        found.append((at + 0.01, packet(SERVER, CLIENT, UDP, udp(53, 5353, b"answer"))))
    found.append((4.0, packet(CLIENT, SERVER, ICMP, icmp(8, 0, b"\0\7\0\1"))))
    found.append((4.01, packet(SERVER, CLIENT, ICMP, icmp(0, 0, b"\0\7\0\1"))))
    found.sort(key=lambda one: one[0])
    return [(T0 + round(at * SECOND), data) for at, data in found]


def without(packets: Packets, number: int) -> Packets:
    return packets[:number] + packets[number + 1 :]


def find(packets: Packets, sport: int, flags: int) -> int:
    """Number of the first TCP packet from this port with these flags."""
    for number, (_, data) in enumerate(packets):
        if data[9] == TCP and int.from_bytes(data[20:22]) == sport and data[33] == flags:
            return number
    raise AssertionError


def rewritten(packets: Packets, old: bytes, new: bytes) -> Packets:
    """Addresses exchanged in all packets, checksums right again."""
    found = []
    for ts, data in packets:
        src, dst = (new if one == old else one for one in (data[12:16], data[16:20]))
        found.append((ts, packet(src, dst, data[9], data[20:])))
    return found


def moved_port(packets: Packets, old: int, new: int) -> Packets:
    found = []
    for ts, data in packets:
        segment = data[20:]
        if data[9] in (TCP, UDP):
            ports = [
                new if int.from_bytes(segment[at : at + 2]) == old else int.from_bytes(segment[at : at + 2])
                for at in (0, 2)
            ]
            segment = ports[0].to_bytes(2) + ports[1].to_bytes(2) + segment[4:]
        found.append((ts, packet(data[12:16], data[16:20], data[9], segment)))
    return found


def with_rst(packets: Packets) -> Packets:
    """The server's RST, in window, after its first data on the paused connection."""
    at = find(packets, 443, PSH | ACK)
    answers = [
        n
        for n, (_, d) in enumerate(packets)
        if d[9] == TCP and int.from_bytes(d[22:24]) == 40002 and d[33] == PSH | ACK
    ]
    ts, data = packets[answers[0]]
    assert at
    seq = int.from_bytes(data[24:28]) + len(data) - 40
    rst = packet(SERVER, CLIENT, TCP, tcp(443, 40002, seq, int.from_bytes(data[28:32]), RST | ACK, 0))
    return sorted([*packets, (ts + SECOND // 2, rst)], key=lambda one: one[0])


def with_stray(packets: Packets) -> Packets:
    """A segment of the server far beyond the client's window."""
    at = find(packets, 40001, PSH | ACK)
    stray = packet(SERVER, CLIENT, TCP, tcp(443, 40001, 5_000_000, 1301, ACK, 8000, data=b"z" * 10))
    return sorted([*packets, (packets[at][0] + 1000, stray)], key=lambda one: one[0])


def delayed(packets: Packets, seconds: int) -> Packets:
    """Everything after the first ten seconds comes later."""
    return [(ts + (seconds * SECOND if ts - T0 > 10 * SECOND else 0), data) for ts, data in packets]


def longer(packets: Packets) -> Packets:
    """The last DNS answer has one byte more."""
    at = max(n for n, (_, data) in enumerate(packets) if data[9] == UDP)
    ts, _ = packets[at]
    changed = packet(SERVER, CLIENT, UDP, udp(53, 5353, b"answer!"))
    return [*packets[:at], (ts, changed), *packets[at + 1 :]]


def pcap(path: Path, packets: Packets, linktype: int = RAW) -> Path:
    with path.open("wb") as file:
        writer = PcapWriter(file, linktype)
        for ts, data in packets:
            writer.write(ts, bytes(12) + b"\x08\x00" + data if linktype == ETHERNET else data)
    return path


def zipped(path: Path, packets: Packets) -> Path:
    pcap(path, packets)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def pcapng(path: Path, packets: Packets) -> Path:
    with path.open("wb") as file:
        writer = PcapngWriter(file)
        interface = writer.interface(RAW, name="any")
        for ts, data in packets:
            writer.write(interface, ts, data)
    return path


def split(folder: Path, packets: Packets, parts: int = 5) -> Path:
    """Rotated files whose names are not in the order of time."""
    folder.mkdir()
    size = -(-len(packets) // parts)
    for number in range(parts):
        pcap(folder / f"{(number * 3) % parts}.pcap", packets[number * size : (number + 1) * size])
    return folder
