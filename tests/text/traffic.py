"""One packet mix with an entry of every kind that conntrack prints differently."""

from __future__ import annotations

import socket

from tests.helpers import dialogues
from tests.traffic import build as b

A4, B4 = socket.inet_aton("10.9.0.2"), socket.inet_aton("10.9.1.2")
A6, B6 = (socket.inet_pton(socket.AF_INET6, f"fd00:{n}::2") for n in ("a", "b"))
_SYN_OPTIONS = b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x00\x00"


def _ip(forward: bool, proto: int, segment: bytes, six: bool = False) -> bytes:
    src, dst = (A6, B6) if six else (A4, B4)
    if not forward:
        src, dst = dst, src
    return b.ip(src, dst, proto, b.with_checksum(src, dst, proto, segment))


def _tcp(port: int, steps: list[tuple[bool, int, int, int, bytes]], six: bool = False) -> list[bytes]:
    found = []
    for forward, flags, seq, ack, data in steps:
        ports = (port, 80) if forward else (80, port)
        options = _SYN_OPTIONS if flags & b.SYN else b""
        found.append(_ip(forward, b.TCP, b.tcp(*ports, seq, ack, flags, 64240, options, data), six))
    return found


S, SA, A, FA, R, RA = b.SYN, b.SYN | b.ACK, b.ACK, b.FIN | b.ACK, b.RST, b.RST | b.ACK
_SHAKE = [(True, S, 1000, 0, b""), (False, SA, 5000, 1001, b""), (True, A, 1001, 5001, b"")]
_DATA = [*_SHAKE, (True, A, 1001, 5001, b"x" * 100)]
_FIN = [*_SHAKE, (True, FA, 1001, 5001, b"")]
_CLOSE_WAIT = [*_FIN, (False, A, 5001, 1002, b"")]
_LAST_ACK = [*_CLOSE_WAIT, (False, FA, 5001, 1002, b"")]
_TIME_WAIT = [*_LAST_ACK, (True, A, 1002, 5002, b"")]


def _sctp(forward: bool, tag: int, *chunks: bytes) -> bytes:
    ports = (7000, 7001) if forward else (7001, 7000)
    return _ip(forward, b.SCTP, b.sctp(*ports, tag, chunks))


def packets() -> list[bytes]:
    """IP packets, in order; no two need a pause between them."""
    init = (0x11111111).to_bytes(4, "big") + b"\0\0\xff\xff\0\x0a\0\x0a" + bytes(4)
    init_ack = (0x22222222).to_bytes(4, "big") + b"\0\0\xff\xff\0\x0a\0\x0a" + bytes(4)
    found: list[bytes] = []
    for number, steps in enumerate((_SHAKE[:1], _SHAKE[:2], _SHAKE, _DATA, _FIN, _CLOSE_WAIT, _LAST_ACK, _TIME_WAIT)):
        found += _tcp(3000 + number, steps)
        found += _tcp(3000 + number, steps, six=True)
    found += _tcp(3100, [*_SHAKE, (False, R, 5001, 0, b"")])
    # reset before any reply was seen: comes and goes
    found += _tcp(3101, [(True, S, 1000, 0, b""), (False, RA, 0, 1001, b"")])
    # picked up mid-stream
    found += _tcp(3102, [(True, A, 100, 200, b"")])
    found += _tcp(3103, [(True, A, 100, 200, b""), (False, A, 200, 100, b""), (True, A, 100, 200, b"")])
    # reopened
    found += _tcp(3104, [*_TIME_WAIT, (True, S, 90000, 0, b"")])
    for six in (False, True):
        found.append(_ip(True, b.UDP, b.udp(4000, 53, b"q"), six))
        found += [_ip(True, b.UDP, b.udp(4001, 53, b"q"), six), _ip(False, b.UDP, b.udp(53, 4001, b"a"), six)]
        kind, answer, proto = (128, 129, b.ICMP6) if six else (8, 0, b.ICMP)
        found.append(_ip(True, proto, b.icmp(kind, 0, b"\0\x07\0\x01"), six))
        pings = ((True, kind), (False, answer))
        found += [_ip(forward, proto, b.icmp(k, 0, b"\0\x08\0\x01"), six) for forward, k in pings]
    found.append(_ip(True, b.UDPLITE, b.udp(4100, 4101, b"x" * 4, length=0)))
    found.append(_ip(True, b.GRE, b.gre(0, 0x0800, b"\x45" + bytes(19))))
    found.append(_ip(True, 99, b"whatever"))
    found.append(_ip(True, 33, b"\x10\x00\x20\x00" + bytes(20)))
    found += [_sctp(True, 0, b.chunk(1, 0, init)), _sctp(False, 0x11111111, b.chunk(2, 0, init_ack))]
    return found


def expecting() -> list[bytes]:
    """IP packets for helpers at their ports: sessions that announce connections, some of which come."""
    return [packet for _, packet in dialogues.generate(4711, ["ftp", "irc", "sip", "tftp"], 40)]
