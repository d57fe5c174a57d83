"""Seeded control sessions for every helper, with damaged payloads and with the connections they announce.

`generate(seed, kinds)` gives (time in ns, IP packet) pairs, ready for `tests.traffic.pcap.write`.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Iterator
from typing import Any

from ctreplay.helpers import h225_types, h245_types
from tests.helpers.per_encode import encode, random_value
from tests.traffic import build as b

START = 1_700_000_000 * 10**9
Step = tuple[int, bytes]
MS = 10**6
SECOND = 10**9

_NUMBERS = (b"0", b"1", b"255", b"256", b"1023", b"1024", b"65535", b"65536", b"70000", b"4294967295", b"4294967296",
            b"18446744073709551616", b"00021", b"-1", b"", b"+5", b"0x1f4", b"010")  # fmt: skip
_BYTES = b" \t\r\n,.:;|()@<>[]=\x00\x01\xff0179afgzAZ/-"


def mutate(rng: random.Random, data: bytes, amount: float) -> bytes:
    """Damage a payload, or leave it."""
    while data and rng.random() < amount:
        at = rng.randrange(len(data))
        what = rng.randrange(9)
        if what == 0:
            data = data[:at] if rng.random() < 0.7 else data[at:]
        elif what == 1:
            data = data[:at] + data[at + 1 :]
        elif what == 2:
            data = data[:at] + bytes([rng.choice(_BYTES)]) + data[at:]
        elif what == 3:
            data = data[:at] + bytes([rng.choice(_BYTES)]) + data[at + 1 :]
        elif what == 4:
            data = bytes(c ^ 0x20 if chr(c).isalpha() and rng.random() < 0.3 else c for c in data)
        elif what == 5:
            numbers = list(re.finditer(rb"\d+", data))
            if numbers:
                hit = rng.choice(numbers)
                data = data[: hit.start()] + rng.choice(_NUMBERS) + data[hit.end() :]
        elif what == 6:
            end = min(len(data), at + rng.randrange(1, 40))
            data = data[:end] + data[at:end] + data[end:]
        elif what == 7:
            data = data.replace(
                b"\r\n", rng.choice((b"\n", b"\r", b"\n\r", b"\r\n\r\n", b"\r\n ")), rng.randrange(1, 4)
            )
        else:
            end = min(len(data), at + rng.randrange(1, 12))
            data = data[:at] + data[end:]
    return data[:1400]


class Talk:
    """Two hosts; `lines` are produced by the helper's own script."""

    def __init__(self, rng: random.Random, number: int, six: bool, server: int) -> None:
        self.rng = rng
        if six:
            self.a = bytes.fromhex("20010db8000000000000000000000000")[:14] + struct.pack("!H", number)
            self.c = bytes.fromhex("20010db8ffff00000000000000000000")[:14] + struct.pack("!H", server)
        else:
            self.a = bytes((10, 0, number >> 8, number & 255))
            self.c = bytes((192, 0, 2, server))
        self.six = six
        self.sport = rng.randrange(1024, 65536)
        self.seq = [rng.choice((rng.getrandbits(32), 0xFFFFFF00)), rng.getrandbits(32)]
        self.damage = rng.choice((0.0, 0.0, 0.3, 0.6))
        self.dport = 0
        self.proto = b.TCP

    def text(self, way: int) -> str:
        import socket

        return socket.inet_ntop(socket.AF_INET6 if self.six else socket.AF_INET, self.c if way else self.a)

    def ip(self, way: int, proto: int, segment: bytes) -> bytes:
        src, dst = (self.c, self.a) if way else (self.a, self.c)
        return b.ip(src, dst, proto, b.with_checksum(src, dst, proto, segment))

    def gap(self) -> int:
        r = self.rng.random()
        if r < 0.9:
            return self.rng.randrange(1, 20) * MS
        return self.rng.choice((1, 2, 3, 100, 179, 181, 299, 301)) * SECOND + self.rng.randrange(100) * MS

    def segment(self, way: int, flags: int, data: bytes = b"", seq: int | None = None) -> bytes:
        sport, dport = (self.dport, self.sport) if way else (self.sport, self.dport)
        at = self.seq[way] if seq is None else seq
        return self.ip(way, b.TCP, b.tcp(sport, dport, at, self.seq[1 - way], flags, 64240, data=data))

    def open(self) -> Iterator[Step]:
        """TCP handshake, or (sometimes) a pick-up in the middle."""
        if self.rng.random() < 0.1:
            return
        yield MS, self.segment(0, b.SYN)
        self.seq[0] = self.seq[0] + 1 & 0xFFFFFFFF
        yield MS, self.segment(1, b.SYN | b.ACK)
        self.seq[1] = self.seq[1] + 1 & 0xFFFFFFFF
        yield MS, self.segment(0, b.ACK)

    def say(self, way: int, data: bytes) -> Iterator[Step]:
        """A payload: damaged, split, repeated, or as it is; the other side acknowledges."""
        rng = self.rng
        data = mutate(rng, data, self.damage)
        if self.proto == b.UDP:
            sport, dport = (self.dport, self.sport) if way else (self.sport, self.dport)
            yield self.gap(), self.ip(way, b.UDP, b.udp(sport, dport, data))
            if rng.random() < 0.1:
                yield MS, self.ip(way, b.UDP, b.udp(sport, dport, data))
            return
        pieces = [data]
        if len(data) > 2 and rng.random() < 0.12:
            cuts = sorted(rng.sample(range(1, len(data)), min(len(data) - 1, rng.randrange(1, 3))))
            pieces = [data[i:j] for i, j in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        sent = []
        for piece in pieces:
            if piece:
                sent.append((self.seq[way], piece))
                self.seq[way] = self.seq[way] + len(piece) & 0xFFFFFFFF
        if rng.random() < 0.05:
            rng.shuffle(sent)
        if sent and rng.random() < 0.12:
            sent.append(rng.choice(sent))
        for seq, piece in sent:
            yield self.gap(), self.segment(way, b.ACK | b.PSH, piece, seq)
        if rng.random() < 0.7:
            yield MS, self.segment(1 - way, b.ACK)

    def child(self, way: int, proto: int, dport: int, dst_way: int | None = None) -> Iterator[Step]:
        """The announced connection: from the right or a wrong side, now or late, with any first packet."""
        rng = self.rng
        if rng.random() < 0.15:
            way ^= 1
        if rng.random() < 0.15:
            dport += rng.choice((-1, 1))
        sport = rng.choice((20, rng.randrange(1024, 65536)))
        if rng.random() < 0.05:
            sport = self.sport
        if proto == b.UDP:
            yield self.gap(), self.ip(way, b.UDP, b.udp(sport, dport & 0xFFFF, b"child"))
            if rng.random() < 0.4:
                yield MS, self.ip(1 - way, b.UDP, b.udp(dport & 0xFFFF, sport, b"answer"))
            return
        flags = rng.choice((b.SYN, b.SYN, b.SYN, b.SYN, b.ACK, b.FIN | b.ACK))
        seq = rng.getrandbits(32)
        for _ in range(rng.choice((1, 1, 2))):
            yield self.gap(), self.ip(way, b.TCP, b.tcp(sport, dport & 0xFFFF, seq, 0, flags, 1000))
        if rng.random() < 0.4:
            yield MS, self.ip(1 - way, b.TCP, b.tcp(dport & 0xFFFF, sport, 5, seq + 1, b.SYN | b.ACK, 1000))

    def close(self) -> Iterator[Step]:
        """Sometimes the control connection ends with a reset: its expectations go with it."""
        if self.proto == b.TCP and self.rng.random() < 0.3:
            yield self.gap(), self.segment(1, b.RST)
            yield self.rng.choice((MS, 11 * SECOND)), self.segment(0, b.ACK)


def ftp(t: Talk) -> Iterator[Step]:
    """Login, then announcements in both directions."""
    rng = t.rng
    t.dport = 21
    yield from t.open()
    yield from t.say(1, b"220 hello\r\n")
    yield from t.say(0, b"USER x\r\n")
    yield from t.say(1, b"331 password\r\n")
    for _ in range(rng.randrange(2, 9)):
        port = rng.choice((rng.randrange(1024, 65536), 5000))
        foreign = rng.random() < 0.1
        if rng.random() < 0.5:
            way = 0
            address = t.text(0) if not foreign else ("2001:db8::9" if t.six else "10.9.9.9")
            form = rng.randrange(4)
            if t.six or form == 3:
                d = rng.choice("|||!/:%")
                line = f"EPRT {d}{2 if t.six else 1}{d}{address}{d}{port}{d}\r\n"
            else:
                line = (
                    f"{rng.choice(('PORT', 'port', 'Port'))} {address.replace('.', ',')},{port >> 8},{port & 255}\r\n"
                )
        else:
            way = 1
            yield from t.say(0, b"PASV\r\n" if not t.six else b"EPSV\r\n")
            address = t.text(1) if not foreign else "10.9.9.9"
            if t.six or rng.random() < 0.4:
                d = rng.choice("|||!")
                line = f"229 Entering Extended Passive Mode ({d}{d}{d}{port}{d})\r\n"
            else:
                opening, closing = rng.choice((("(", ")."), ("", "."), ("=", "")))
                numbers = f"{address.replace('.', ',')},{port >> 8},{port & 255}"
                line = f"227 Entering Passive Mode {opening}{numbers}{closing}\r\n"
        if rng.random() < 0.1:
            yield from t.say(way, b"200-first\r\n" if way else b"NOOP\r\n")
        yield from t.say(way, line.encode())
        if rng.random() < 0.6:
            yield from t.child(1 - way, b.TCP, port)
        if rng.random() < 0.5:
            yield from t.say(1, b"150 ok\r\n")
    yield from t.close()


def tftp(t: Talk) -> Iterator[Step]:
    """Requests, repeated or not; the transfer comes from another port of the server."""
    t.proto = b.UDP
    t.dport = 69
    for _ in range(t.rng.randrange(1, 4)):
        opcode = t.rng.choice((1, 1, 2, 3, 4, 5, 0, 257))
        yield from t.say(0, struct.pack("!H", opcode) + b"file name\0octet\0")
        if t.rng.random() < 0.7:
            yield from t.child(1, b.UDP, t.sport)
        if t.rng.random() < 0.2:
            yield from t.say(1, struct.pack("!H", t.rng.choice((1, 5))) + b"x\0")


def irc(t: Talk) -> Iterator[Step]:
    """DCC offers."""
    rng = t.rng
    t.dport = 6667
    yield from t.open()
    own = int.from_bytes(t.a[:4], "big")
    for _ in range(rng.randrange(2, 8)):
        port = rng.randrange(1024, 65536)
        address = rng.choice((own, own, own, own, 1, own + (1 << 32), int.from_bytes(t.c[:4], "big")))
        verb = rng.choice(("SEND", "SEND", "CHAT", "MOVE", "TSEND", "SCHAT", "RESUME", "send"))
        name = rng.choice(("file.txt", "f", "a-very-long-file-name-indeed.bin", '"with'))
        offer = f":\x01DCC {verb} {name} {address}{rng.choice((' ', ' ', '  '))}{port}{rng.choice((' 12345', ''))}\x01"
        prefix = rng.choice(("", "", "", " \r\n", "NICK x\r\n", ":me "))
        target = rng.choice(("you", "#channel", "u", "a :b"))
        line = f"{prefix}{rng.choice(('PRIVMSG', 'privmsg', 'NOTICE'))} {target} {offer}\r\n"
        if rng.random() < 0.1:
            line += line
        yield from t.say(0 if rng.random() < 0.9 else 1, line.encode())
        if rng.random() < 0.6:
            yield from t.child(1, b.TCP, port)
        if rng.random() < 0.3:
            yield from t.say(1, b"PING :x\r\n")
    yield from t.close()


def sane(t: Talk) -> Iterator[Step]:
    """NET_START and its answers."""
    rng = t.rng
    t.dport = 6566
    yield from t.open()
    for _ in range(rng.randrange(2, 8)):
        code = rng.choice((7, 7, 7, 7, 0, 1, 8))
        extra = rng.choice((b"\0\0\0\1", b"\0\0\0\1", b"\0\0\0\1", b"", b"\0" * 8))
        yield from t.say(0, struct.pack("!I", code) + extra)
        for _ in range(rng.choice((1, 1, 1, 2))):
            port = rng.randrange(0, 65536)
            answer = struct.pack("!IHH", rng.choice((0, 0, 0, 1)), rng.choice((0, 0, 0, 1)), port)
            yield from t.say(1, answer + bytes(rng.choice((0, 3, 4, 4, 4, 9))))
            if rng.random() < 0.6:
                yield from t.child(0, b.TCP, port)
    yield from t.close()


def amanda(t: Talk) -> Iterator[Step]:
    """CONNECT answers."""
    rng = t.rng
    t.proto = b.UDP
    t.dport = 10080
    for _ in range(rng.randrange(1, 4)):
        yield from t.say(0, b"Amanda 2.4 REQ HANDLE 000-00 SEQ 1\nSERVICE sendbackup\n")
        ports = [rng.choice((rng.randrange(1, 65536), 0, 70000, 123456)) for _ in range(4)]
        words = [f"{name} {port} " for name, port in zip(("DATA", "MESG", "INDEX", "STATE"), ports, strict=True)]
        if rng.random() < 0.3:
            rng.shuffle(words)
        line = f"Amanda 2.4 REP HANDLE 000-00 SEQ 1\nCONNECT {''.join(words)[: rng.choice((99, 99, 30))]}\nOPTIONS ;\n"
        yield from t.say(1, line.encode())
        for port in rng.sample(ports, 2):
            yield from t.child(0, b.TCP, port & 0xFFFF)


def _pptp(kind: int, body: bytes) -> bytes:
    size = {1: 144, 2: 144, 3: 4, 4: 4, 7: 156, 8: 20, 9: 208, 10: 12, 11: 16, 12: 4, 13: 136, 15: 12}.get(kind, 4)
    body = body[:size] + bytes(max(0, size - len(body)))
    return struct.pack("!HHIHH", 12 + size, 1, 0x1A2B3C4D, kind, 0) + body


def pptp(t: Talk) -> Iterator[Step]:
    """Session, calls, tunnels."""
    rng = t.rng
    t.dport = 1723
    t.damage = rng.choice((0.0, 0.0, 0.1))
    yield from t.open()
    yield from t.say(0, _pptp(1, b"\1\0"))
    yield from t.say(1, _pptp(2, b"\1\0" + bytes([rng.choice((1, 1, 1, 1, 2))])))
    pns, pac = rng.randrange(65536), rng.randrange(65536)
    for _ in range(rng.randrange(1, 7)):
        what = rng.choice(("out", "out", "in", "clear", "disconnect", "gre", "gre", "stop", "again", "link"))
        if what == "out":
            if rng.random() < 0.5:
                pns, pac = rng.randrange(65536), rng.randrange(65536)
            yield from t.say(0, _pptp(7, struct.pack("!HH", pns, 1)))
            answer = struct.pack("!HHBB", pac, pns if rng.random() < 0.9 else 1, rng.choice((1, 1, 1, 2)), 0)
            yield from t.say(1, _pptp(8, answer))
        elif what == "in":
            if rng.random() < 0.5:
                pns, pac = rng.randrange(65536), rng.randrange(65536)
            yield from t.say(1, _pptp(9, struct.pack("!HH", pac, 1)))
            yield from t.say(0, _pptp(10, struct.pack("!HHBB", pns, pac, rng.choice((1, 1, 1, 2)), 0)))
            yield from t.say(1, _pptp(11, struct.pack("!H", pns)))
        elif what == "clear":
            yield from t.say(0, _pptp(12, struct.pack("!H", pns)))
        elif what == "disconnect":
            yield from t.say(rng.choice((1, 1, 0)), _pptp(13, struct.pack("!H", pac)))
        elif what == "stop":
            yield from t.say(0, _pptp(3, b"\1"))
            yield from t.say(1, _pptp(4, b"\1"))
        elif what == "again":
            yield from t.say(0, _pptp(1, b"\1\0"))
            yield from t.say(1, _pptp(2, b"\1\0\1"))
        elif what == "link":
            yield from t.say(0, _pptp(15, struct.pack("!H", pac)))
        if what in ("gre", "out", "in") and rng.random() < 0.8:
            for _ in range(rng.randrange(1, 5)):
                way = rng.randrange(2)
                key = (pns if way else pac) if rng.random() < 0.9 else rng.randrange(65536)
                packet = struct.pack("!HHHHI", 0x3001, 0x880B, 4, key, 1) + b"\xff\x03\xc0\x21"
                yield t.gap(), t.ip(way, b.GRE, packet)
    yield from t.close()


# types of PPTP messages in orders that are right, or nearly so
_ORDERS = (
    (7, 8), (7, 8, 8), (9, 10, 11), (9, 10, 10, 11, 11), (9, 10, 12, 11), (7, 12, 8), (13,), (7, 8, 13), (3, 4, 7, 8),
    (3, 4, 1, 2, 7, 8), (4, 7, 8), (2, 7, 8), (1, 7, 8), (9, 7, 8), (7, 9, 8), (7, 8, 9, 10, 11), (3, 7, 8),
    (9, 10, 7, 11),
)  # fmt: skip
_BY_SERVER = (2, 4, 8, 9, 11, 13)


def pptp_calls(t: Talk) -> Iterator[Step]:
    """Calls with messages left out, refused, of the other side and of other calls; their tunnels."""
    rng = t.rng
    t.dport = 1723
    t.damage = 0.0
    yield from t.open()
    yield from t.say(0, b"-")
    yield from t.say(1, b"-")
    ids = (rng.randrange(65536), rng.randrange(65536))

    def tunnelled(way: int) -> bytes:
        packet = struct.pack("!HHHHI", 0x3001, 0x880B, 4, ids[1 - way], 1) + b"\xff\x03\xc0\x21"
        return t.ip(way, b.GRE, packet)

    for kind in (1, 2, *(kind for _ in range(rng.randrange(1, 5)) for kind in rng.choice(_ORDERS))):
        if rng.random() < 0.05:
            continue
        pns, pac = ids if rng.random() < 0.95 else (rng.randrange(65536), ids[1])
        result = rng.choice((1, 1, 1, 1, 1, 1, 1, 2, 0))
        body = {
            2: struct.pack("!HB", 256, result), 4: bytes([result]), 7: struct.pack("!HH", pns, 1),
            8: struct.pack("!HHBB", pac, pns, result, 0), 9: struct.pack("!HH", pac, 1),
            10: struct.pack("!HHBB", pns, pac, result, 0), 11: struct.pack("!H", pns), 12: struct.pack("!H", pns),
            13: struct.pack("!H", pac),
        }.get(kind, b"\1")  # fmt: skip
        yield from t.say((kind in _BY_SERVER) ^ (rng.random() < 0.04), _pptp(kind, body))
        for _ in range(rng.choice((0, 0, 1, 2))):
            yield t.gap(), tunnelled(rng.randrange(2))
    for way in rng.choice(((), (0,), (1,))):
        # ten seconds later the entry goes, and the tunnel's with it
        yield MS, t.segment(way, b.RST)
        for _ in range(6):
            yield rng.choice((1, 2, 5)) * SECOND, tunnelled(rng.randrange(2))


def _sip_body(t: Talk, way: int, ports: list[int]) -> bytes:
    rng = t.rng
    kind = "IP6" if t.six else "IP4"
    own = t.text(way) if rng.random() < 0.85 else ("2001:db8::9" if t.six else "10.9.9.9")
    lines = ["v=0", f"o=u 1 1 IN {kind} {own}", "s=-"]
    if rng.random() < 0.85:
        lines.append(f"c=IN {kind} {own}")
    lines.append("t=0 0")
    for port in ports:
        media = rng.choice(("audio", "audio", "video", "image", "text", "application"))
        lines.append(f"m={media} {port} RTP/AVP 0 8")
        if rng.random() < 0.25:
            lines.append(f"c=IN {kind} {t.text(way)}")
        lines.append("a=sendrecv")
    return ("\r\n".join(lines) + rng.choice(("\r\n", "", "\n"))).encode()


def sip(t: Talk) -> Iterator[Step]:
    """Registrations and calls, over UDP or TCP."""
    rng = t.rng
    t.proto = rng.choice((b.UDP, b.TCP))
    t.dport = 5060
    if rng.random() < 0.4:
        t.sport = 5060
    layer = "UDP" if t.proto == b.UDP else "TCP"
    host = ["", ""]
    for way in (0, 1):
        host[way] = f"[{t.text(way)}]" if t.six else t.text(way)
    if t.proto == b.TCP:
        yield from t.open()
    compact = rng.random() < 0.2
    names = ("m", "l", "f", "v") if compact else ("Contact", "Content-Length", "From", "Via")
    cseq = 1

    def message(way: int, first: str, method: str, number: int, extra: list[str], body: bytes = b"") -> bytes:
        lines = [
            first,
            f"{names[3]}: SIP/2.0/{layer} {host[way]}:{t.sport if not way else 5060};branch=z9hG4bK1",
            f"{names[2]}: <sip:u@example.org>;tag=1",
            "To: <sip:v@example.org>",
            f"{rng.choice(('CSeq', 'CSeq', 'cseq', 'CSEQ'))}:{rng.choice((' ', '', '  '))}{number} {method}",
            *extra,
        ]
        length = len(body) if rng.random() < 0.93 else rng.choice((0, len(body) + 5, max(0, len(body) - 3)))
        if t.proto == b.TCP or rng.random() < 0.8:
            lines.append(f"{names[1]}: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    ports: list[int] = []
    contact_port = 5060
    for _ in range(rng.randrange(2, 8)):
        what = rng.choice(("register", "register", "registered", "registered", "invite", "invite", "answer", "answer",
                           "bye", "other", "call"))  # fmt: skip
        cseq += rng.random() < 0.6
        if what == "register":
            contact_port = rng.choice((5060, 5060, t.sport, rng.randrange(1, 65536), rng.choice((80, 1023, 1024))))
            seconds = rng.choice((0, 60, 300, 3600, 2))
            where = host[0] if rng.random() < 0.9 else "10.9.9.9"
            parameter = rng.choice(("", f";expires={seconds}", f";transport={layer.lower()}", ";transport=tls",
                                    f";q=0.5;expires={seconds};transport={layer}"))  # fmt: skip
            port_text = f":{contact_port}" if contact_port != 5060 or rng.random() < 0.5 else ""
            extra = [f"{names[0]}: <sip:u@{where}{port_text}>{parameter}"]
            if rng.random() < 0.1:
                extra = [f"{names[0]}: *"]
            if rng.random() < 0.1:
                extra = ["Contact: <sip:u@10.9.9.9>,", f" <sip:u@{where}{port_text}>{parameter}"]
            if rng.random() < 0.15:
                joint = rng.choice((",", ", ", "\r\nContact: "))
                extra = [f"Contact: <sip:u@{where}:80>{joint}{extra[-1].partition(': ')[2]}"]
            if rng.random() < 0.6:
                extra.append(f"Expires: {seconds}")
            yield from t.say(0, message(0, "REGISTER sip:example.org SIP/2.0", "REGISTER", cseq, extra))
        elif what == "registered":
            code = rng.choice((200, 200, 200, 200, 100, 401, 302, 0))
            seconds = rng.choice((0, 1, 2, 60, 300, 3600))
            bindings = [f"<sip:u@{host[0]}:{contact_port}>;expires={seconds}"]
            if rng.random() < 0.3:
                bindings.insert(rng.randrange(2), "<sip:w@10.8.8.8:5060>;expires=77")
            if rng.random() < 0.2:
                bindings.insert(0, f"<sip:u@{host[0]}:{rng.choice((contact_port ^ 1, 80))}>")
            extra = [f"{names[0]}: " + rng.choice((",", ", ", ",\r\n ")).join(bindings)]
            if rng.random() < 0.2:
                extra = [f"{names[0]}: {binding}" for binding in bindings]
            if rng.random() < 0.1:
                extra = []
            if rng.random() < 0.4:
                extra.append(f"Expires: {seconds}")
            yield from t.say(1, message(1, f"SIP/2.0 {code} x", "REGISTER", cseq, extra))
            if rng.random() < 0.5:
                yield from t.child(1, t.proto, contact_port)
        elif what in ("invite", "answer", "other"):
            way = rng.randrange(2) if what != "answer" else rng.choice((1, 1, 0))
            count = rng.choice((1, 1, 2, 4))
            ports = [rng.choice((rng.randrange(1024, 65536), 4000, 4001, 0, 80)) for _ in range(count)]
            body = _sip_body(t, way, ports)
            extra = ["Content-Type: application/sdp"]
            if what == "answer":
                first = f"SIP/2.0 {rng.choice((183, 200, 200, 180, 486, 600))} x"
                method = rng.choice(("INVITE", "INVITE", "INVITE", "UPDATE", "PRACK"))
            else:
                method = rng.choice(("ACK", "UPDATE", "PRACK", "OPTIONS", "INFO")) if what == "other" else "INVITE"
                first = f"{method} sip:v@example.org SIP/2.0"
            yield from t.say(way, message(way, first, method, cseq, extra, body if rng.random() < 0.9 else b""))
            for port in ports:
                if rng.random() < 0.3:
                    yield from t.child(1 - way, b.UDP, port + rng.randrange(2))
        elif what == "bye":
            way = rng.randrange(2)
            yield from t.say(way, message(way, "BYE sip:v@example.org SIP/2.0", "BYE", cseq, []))
        else:
            yield from t.child(1, t.proto, contact_port)
    yield from t.close()


def _address(t: Talk, way: int, port: int, control: bool) -> Any:
    """A transport address of one side (sometimes of nobody) for H.245 (`control`) or H.225.0."""
    rng = t.rng
    host = (t.c if way else t.a) if rng.random() < 0.9 else rng.randbytes(16 if t.six else 4)
    found = ("ip6" if t.six else "ip4", {"network": host, "port": port})
    if rng.random() < 0.05:
        return random_value(rng, h245_types.ADDRESS if control else h225_types.ADDRESS)
    return ("unicast", found) if control else found


def _channel(t: Talk, way: int, ports: list[int], kind: Any) -> Any:
    """A logical channel with addresses of one side."""
    rng = t.rng
    value = random_value(rng, kind, 0.5)
    stack: list[Any] = [value.get("stack")] if "stack" in value else []
    sides = [value.get("forward"), value.get("reverse")]
    for side in sides:
        if side is None:
            continue
        if isinstance(side, dict):
            if side.get("multiplex", ("",))[0] != "h2250":
                continue
            parameters = side["multiplex"][1]
        else:
            parameters = side[1]
        for name in ("media", "control"):
            if name in parameters:
                parameters[name] = _address(t, way, rng.choice(ports), True)
    for one in stack:
        if rng.random() < 0.7:
            one["address"] = ("local", _address(t, way, rng.choice(ports), True))
    if rng.random() < 0.3 and isinstance(value.get("forward"), dict):
        value["forward"]["data_type"] = (
            "data",
            {"application": ("t120", ("separate_lan_stack", None)), "bit_rate": 100},
        )
    return value


def _control(t: Talk, way: int, ports: list[int]) -> Any:
    """An H.245 message."""
    if t.rng.random() < 0.7:
        return "request", ("open", _channel(t, way, ports, h245_types.OPEN_CHANNEL))
    return "response", ("open_ack", _channel(t, way, ports, h245_types.OPEN_CHANNEL_ACK))


def _tpkt(rng: random.Random, *bodies: bytes) -> bytes:
    data = b"".join(struct.pack("!BBH", 3, 0, 4 + len(body)) + body for body in bodies)
    return data if rng.random() < 0.95 else data[: rng.randrange(len(data))]


def q931(t: Talk) -> Iterator[Step]:
    """Call signalling with fast start and tunnelled control, then the H.245 connection."""
    rng = t.rng
    t.dport = 1720
    t.damage = rng.choice((0.0, 0.0, 0.0, 0.2))
    yield from t.open()
    for _ in range(rng.randrange(2, 7)):
        way = rng.randrange(2)
        ports = [rng.randrange(1, 65536) for _ in range(3)]
        value = random_value(rng, h225_types.USER_INFORMATION, 0.3)
        name, body = value["pdu"]["body"]
        if isinstance(body, dict):
            if "h245" in body:
                body["h245"] = _address(t, way, ports[0], False)
            if "fast_start" in body:
                body["fast_start"] = [_channel(t, way, ports, h245_types.OPEN_CHANNEL) for _ in body["fast_start"]]
        if "control" in value["pdu"]:
            value["pdu"]["control"] = [_control(t, way, ports) for _ in value["pdu"]["control"]]
        if name == "facility" and body["reason"][0] == "call_forwarded":
            body["reason"] = ("undefined", None)
        content = encode(h225_types.USER_INFORMATION, value)[:1000]
        uuie = struct.pack("!BHB", 0x7E, 1 + len(content), 5) + content
        ies = rng.choice((b"", b"\x04\x03\x88\x93\xa5", b"\x28\x02hi", b"\xa1"))
        message = b"\x08" + rng.choice((b"\x02\x12\x34", b"\x01\x05")) + b"\x05" + ies + uuie
        messages = [message] if rng.random() < 0.85 else [message, message]
        if rng.random() < 0.08:
            yield t.gap(), t.segment(way, b.ACK | b.PSH, struct.pack("!BBH", 3, 0, 4 + len(message)))
            t.seq[way] = t.seq[way] + 4 & 0xFFFFFFFF
            yield from t.say(way, message)
        else:
            yield from t.say(way, _tpkt(rng, *messages))
        if rng.random() < 0.3:
            yield from t.child(1 - way, b.UDP, ports[0] & ~1)
        if rng.random() < 0.5:
            sub = Talk(rng, 1, t.six, 1)
            sub.a, sub.c = (t.a, t.c) if way else (t.c, t.a)
            sub.dport = ports[0]
            sub.damage = rng.choice((0.0, 0.2))
            yield from sub.open()
            for _ in range(rng.randrange(1, 4)):
                side = rng.randrange(2)
                more = [rng.randrange(1, 65536) for _ in range(2)]
                bodies = [encode(h245_types.MESSAGE, _control(sub, side, more)) for _ in range(rng.choice((1, 1, 2)))]
                yield from sub.say(side, _tpkt(rng, *bodies))
                if rng.random() < 0.4:
                    yield from sub.child(1 - side, rng.choice((b.UDP, b.UDP, b.TCP)), more[0] & ~1)
    yield from t.close()


def ras(t: Talk) -> Iterator[Step]:
    """Discovery, registration, admission."""
    rng = t.rng
    t.proto = b.UDP
    t.dport = 1719
    t.damage = rng.choice((0.0, 0.0, 0.2))
    if rng.random() < 0.3:
        t.sport = 1719
    for _ in range(rng.randrange(2, 7)):
        way = rng.randrange(2)
        port = rng.choice((1720, rng.randrange(0, 65536)))
        name, value = random_value(rng, h225_types.RAS_MESSAGE, 0.3)
        for field in ("ras", "destination", "signal"):
            if field in value and name != "unregistration_request":
                if isinstance(value[field], list):
                    value[field] = [_address(t, way, port, False) for _ in range(rng.choice((0, 1, 1, 2, 12)))]
                else:
                    value[field] = _address(t, way if rng.random() < 0.5 else 1 - way, port, False)
        if "lifetime" in value:
            value["lifetime"] = rng.choice((1, 10, 60, 300, 3600))
        yield from t.say(way, encode(h225_types.RAS_MESSAGE, (name, value)))
        if rng.random() < 0.4:
            yield from t.child(1 - way, rng.choice((b.TCP, b.TCP, b.UDP)), port)


# by helper, with what is said about it behind a _
SCRIPTS = {
    "q931": q931,
    "ras": ras,
    "ftp": ftp,
    "tftp": tftp,
    "irc": irc,
    "sane": sane,
    "amanda": amanda,
    "pptp": pptp,
    "pptp_calls": pptp_calls,
    "sip": sip,
}
ONLY_V4 = ("irc", "pptp", "pptp_calls")


def generate(seed: int, kinds: list[str], talks: int = 60) -> list[Step]:
    """Many sessions, interleaved by time."""
    rng = random.Random(seed)
    found: list[tuple[int, int, bytes]] = []
    for number in range(1, talks + 1):
        kind = rng.choice(kinds)
        six = kind not in ONLY_V4 and rng.random() < 0.25
        # a few clients are shared, so that expectations of different masters meet
        client = number if rng.random() < 0.8 else 1000 + rng.randrange(3)
        talk = Talk(rng, client, six, rng.randrange(1, 4))
        now = START + rng.randrange(1000) * MS
        for gap, data in SCRIPTS[kind](talk):
            now += gap
            found.append((now, len(found), data))
    found.sort()
    return [(ts, data) for ts, _, data in found]
