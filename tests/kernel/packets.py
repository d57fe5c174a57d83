"""The scenario language: one packet per line.

    # comment
    sysctl nf_conntrack_tcp_loose=0
    +0.1 A>B tcp S seq=1000 win=64240 opts=mss,ws7,sackok

nf_conntrack_checksum is 0 unless set. `+T`: seconds since the line before (0.001 within a line that expands to several
packets). Hosts `A B C D` are IPv4 10.0.0.1-4, `a b c d` IPv6 2001:db8::1-4, `R`/`r` a router. The conversation has two
ports: `sport=` (40000) is `A`'s (or, where neither end is `A`, the sender's), `dport=` (80) the other's.

    tcp FLAGS seq= ack= win= len= opts= offset=        FLAGS: letters of SAFRPUEC or . for none
    udp len= length=      udplite len= coverage=       length/coverage: the header's field
    icmp|icmp6 TYPE code= id= seq= len=                queries
    icmp|icmp6 TYPE code= quote=N cut=BYTES            an error about packet N of the scenario
    sctp TAG CHUNK...      INIT:tag INIT_ACK:tag DATA SACK COOKIE_ECHO COOKIE_ACK ABORT[.T] SHUTDOWN SHUTDOWN_ACK
                           SHUTDOWN_COMPLETE[.T] HEARTBEAT HEARTBEAT_ACK ERROR ZERO (a chunk of length 0)
    gre VERSION proto= key=      proto NUMBER len=
    hs seq= peer= win=     a TCP handshake in three packets      hex BYTES   a packet as it is

Everywhere: `sum=bad`, `sum=none` (field 0) · `cut=N` keep N bytes of the IP payload · `ipopts=N` bytes of IPv4 options
· `hdr=hop,rt,dst,ah,atomic,none` IPv6 chain (`hop:HEX` with these options) · `frag=8,16` cut at these offsets
(`order=2,1`, `id=`, `pause=` seconds).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from tests.traffic import build as b

_HOSTS = {
    **{n: bytes((10, 0, 0, i)) for i, n in enumerate("ABCD", 1)},
    **{n: bytes.fromhex("20010db8") + bytes(11) + bytes((i,)) for i, n in enumerate("abcd", 1)},
    "R": bytes((192, 0, 2, 1)),
    "r": bytes.fromhex("20010db8ffff") + bytes(9) + b"\1",
}
_FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128, ".": 0}
_CHUNKS = {
    "DATA": 0, "INIT": 1, "INIT_ACK": 2, "SACK": 3, "HEARTBEAT": 4, "HEARTBEAT_ACK": 5, "ABORT": 6, "SHUTDOWN": 7,
    "SHUTDOWN_ACK": 8, "ERROR": 9, "COOKIE_ECHO": 10, "COOKIE_ACK": 11, "SHUTDOWN_COMPLETE": 14,
}  # fmt: skip
_START = 1_700_000_000 * 10**9


@dataclass
class Scenario:
    packets: list[tuple[int, bytes]] = field(default_factory=list)
    sysctls: dict[str, int] = field(default_factory=lambda: {"nf_conntrack_checksum": 0})


def _options(text: str) -> bytes:
    out = b""
    for word in filter(None, text.split(",")):
        if word == "mss":
            out += b"\x02\x04\x05\xb4"
        elif word == "sackok":
            out += b"\x04\x02"
        elif word == "ts":
            out += b"\x08\x0a" + bytes(8)
        elif word == "nop":
            out += b"\x01"
        elif word.startswith("ws"):
            out += bytes((3, 3, int(word[2:])))
        elif word.startswith("sack:"):
            left, right = map(int, word[5:].split("-"))
            out += struct.pack("!BBII", 5, 10, left, right)
        elif word.startswith("hex:"):
            out += bytes.fromhex(word[4:])
        else:
            raise ValueError(f"unknown TCP option {word}")
    return out


def _chain(text: str) -> tuple[list[tuple[int, bytes]], bool]:
    headers, ends = [], False
    for word in filter(None, text.split(",")):
        if word == "none":
            ends = True
        elif word == "atomic":
            headers.append((44, bytes(4) + b"\0\0\0\7"))
        elif word == "ah":
            headers.append((51, b"\0\4" + bytes(22)))
        elif word.startswith("hop:"):
            options = bytes.fromhex(word[4:])
            headers.append((0, bytes((0, (len(options) + 2) // 8 - 1)) + options))
        else:
            kind = {"hop": 0, "rt": 43, "dst": 60}[word]
            headers.append((kind, b"\0\0\xfd\0" + bytes(4) if word == "rt" else b"\0\0\1\4" + bytes(4)))
    return headers, ends


class Parser:
    def __init__(self) -> None:
        self.scenario = Scenario()
        self.now = _START

    def parse(self, text: str) -> Scenario:
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split("#")[0].split()
            try:
                if words and words[0] == "sysctl":
                    name, value = words[1].split("=")
                    self.scenario.sysctls[name] = int(value)
                elif words:
                    self._line(words)
            except (KeyError, ValueError, IndexError) as error:
                raise ValueError(f"line {number}: {line.strip()}: {error!r}") from error
        return self.scenario

    def _emit(self, packet: bytes) -> None:
        self.scenario.packets.append((self.now, packet))

    def _line(self, words: list[str]) -> None:
        whole, _, fraction = words[0].removeprefix("+").partition(".")
        self.now += int(whole or 0) * 10**9 + int((fraction + "0" * 9)[:9])
        if words[1] == "hex":
            self._emit(bytes.fromhex(words[2]))
            return
        sender, receiver = words[1].split(">")
        keys = dict(word.split("=", 1) for word in words[3:] if "=" in word)
        plain = [word for word in words[3:] if "=" not in word]
        if words[2] == "hs":
            self._handshake(sender, receiver, keys)
            return
        src, dst = _HOSTS[sender], _HOSTS[receiver]
        proto, segment = self._segment(words[2], plain, keys, self._ports(sender, receiver, keys))
        if keys.get("sum") != "none":
            segment = b.with_checksum(src, dst, proto, segment, 1 if keys.get("sum") == "bad" else 0)
        if "cut" in keys and "quote" not in keys:
            segment = segment[: int(keys["cut"])]
        if len(src) == 4:
            packet = b.ipv4(src, dst, proto, segment, options=b"\x01" * int(keys.get("ipopts", 0)))
        else:
            chain, ends = _chain(keys.get("hdr", ""))
            packet = b.ipv6(src, dst, 59 if ends else proto, segment, chain)
        if "frag" in keys:
            self._fragments(packet, keys)
        else:
            self._emit(packet)

    @staticmethod
    def _ports(sender: str, receiver: str, keys: dict[str, str]) -> tuple[int, int]:
        client, server = int(keys.get("sport", 40000)), int(keys.get("dport", 80))
        if receiver in "Aa" and sender not in "Aa":
            return server, client
        return client, server

    def _segment(self, kind: str, plain: list[str], keys: dict[str, str], ports: tuple[int, int]) -> tuple[int, bytes]:
        def number(name: str, default: int = 0) -> int:
            return int(keys.get(name, default), 0) if isinstance(keys.get(name), str) else default

        data = bytes(number("len"))
        if kind == "tcp":
            flags = sum(_FLAGS[letter] for letter in plain[0])
            offset = number("offset") if "offset" in keys else None
            options = _options(keys.get("opts", ""))
            seq, ack, win = number("seq"), number("ack"), number("win", 64240)
            return b.TCP, b.tcp(*ports, seq, ack, flags, win, options, data, offset)
        if kind == "udp":
            return b.UDP, b.udp(*ports, data, number("length") if "length" in keys else None)
        if kind == "udplite":
            return b.UDPLITE, b.udp(*ports, data, number("coverage"))
        if kind in ("icmp", "icmp6"):
            proto = b.ICMP if kind == "icmp" else b.ICMP6
            if "quote" in keys:
                quoted = self.scenario.packets[number("quote") - 1][1]
                return proto, b.icmp(int(plain[0]), number("code"), data=quoted[: number("cut", len(quoted))])
            ends = struct.pack("!HH", number("id", 7), number("seq", 1))
            return proto, b.icmp(int(plain[0]), number("code"), ends, data)
        if kind == "sctp":
            chunks = []
            for word in plain[1:]:
                name, _, tag = word.partition(":")
                name, _, t_bit = name.partition(".")
                if name == "ZERO":
                    chunks.append(bytes(4))
                    continue
                body = struct.pack("!IIHHI", int(tag, 0), 1000, 1, 1, 5) if tag else b""
                chunks.append(b.chunk(_CHUNKS[name], bool(t_bit), body or bytes(12 if name == "DATA" else 0)))
            return b.SCTP, b.sctp(*ports, int(plain[0], 0), chunks)
        if kind == "gre":
            rest = struct.pack("!HH", 8, number("key")) + data
            return b.GRE, b.gre(int(plain[0]), number("proto", 0x880B), rest, 0x20)
        if kind == "proto":
            return int(plain[0]), bytes(number("len", 8))
        raise ValueError(f"unknown packet kind {kind}")

    def _handshake(self, sender: str, receiver: str, keys: dict[str, str]) -> None:
        seq, peer = int(keys.get("seq", 1000)), int(keys.get("peer", 5000))
        rest = [f"{name}={value}" for name, value in keys.items() if name not in ("seq", "peer", "opts")]
        options = [f"opts={keys['opts']}"] if "opts" in keys else []
        there, back = f"{sender}>{receiver}", f"{receiver}>{sender}"
        self._line(["+0", there, "tcp", "S", f"seq={seq}", *rest, *options])
        self._line(["+0.001", back, "tcp", "SA", f"seq={peer}", f"ack={seq + 1}", *rest, *options])
        self._line(["+0.001", there, "tcp", "A", f"seq={seq + 1}", f"ack={peer + 1}", *rest])

    def _fragments(self, packet: bytes, keys: dict[str, str]) -> None:
        cuts = [int(cut) for cut in keys["frag"].split(",")]
        cut_up = b.fragments4 if packet[0] >> 4 == 4 else b.fragments6
        pieces = cut_up(packet, cuts, int(keys.get("id", 99)))
        order = [int(n) for n in keys["order"].split(",")] if "order" in keys else range(1, len(pieces) + 1)
        for position, which in enumerate(order):
            if position:
                self.now += int(float(keys.get("pause", "0.001")) * 10**9)
            self._emit(pieces[which - 1])


def load(folder: Path) -> Scenario:
    """The packets of a scenario folder."""
    return Parser().parse((folder / "packets.txt").read_text())
