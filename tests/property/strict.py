"""Frames whose every read is watched: one outside the frame, or at a negative index, is an error.

The compiled decoder leaves out bounds checks behind its own length checks; run uncompiled over this buffer the same
source proves that the length checks are enough.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from ctreplay.build import compiled
from tests.traffic import build as b
from tests.unit.machine import RAW, Machine
from tests.unit.test_link import MACS, WRAPS
from tests.unit.test_network import AUTH, DEST, HOP, ROUTE


class Strict(bytes):
    """Only single reads within [0, len), and slices within it."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            start, stop, step = key.start or 0, len(self) if key.stop is None else key.stop, key.step
            assert step is None and 0 <= start <= len(self) and 0 <= stop <= len(self), key
        else:
            assert 0 <= key < len(self), (key, len(self))
        return bytes.__getitem__(self, key)


def bodies(rng: random.Random) -> list[bytes]:
    """IP packets of every protocol, sound and spoilt."""
    v4 = [bytes((10, 0, 0, n)) for n in (1, 2)]
    v6 = [bytes.fromhex("20010db8") + bytes(11) + bytes((n,)) for n in (1, 2)]
    options = rng.choice(
        [b"", rng.randbytes(rng.randrange(1, 40)), b"\x03\x03\x07\x04\x02", b"\x05\x12" + rng.randbytes(16)]
    )
    options += bytes(-len(options) % 4)
    tcp = b.tcp(1, 2, 3, 4, rng.choice([2, 0x12, 0x10, 4, 0x11]), 5, options[:40], b"xx", rng.choice([None, 5, 15]))
    udp = b.udp(1, 2, b"abc", rng.choice([None, 3, 900]))
    chunks = [
        b.chunk(
            rng.choice([0, 1, 2, 4, 5, 10, 14, 200]),
            0,
            rng.randbytes(rng.randrange(20)),
            rng.choice([None, 0, 3, 9000]),
        )
        for _ in range(rng.randrange(4))
    ]
    segments = {
        6: tcp, 17: udp, 136: udp, 132: b.sctp(1, 2, rng.randrange(3), chunks),
        47: b.gre(rng.randrange(3), 0x880B, bytes(rng.randrange(8))), 50: b"x",
        1: b.icmp(rng.randrange(20), 0, data=b.ipv4(*v4, 6, tcp)[: rng.randrange(50)]),
        58: b.icmp(rng.choice([1, 2, 128, 129, 135, 137]), 0, data=rng.randbytes(40) + b.ipv6(*v6, 17, udp)),
    }  # fmt: skip
    proto, segment = rng.choice(list(segments.items()))
    chain = rng.choices([HOP, ROUTE, DEST, AUTH, (44, rng.randbytes(8)), (44, bytes(8))], k=rng.randrange(4))
    word = rng.choice([0, 0, 0, 0x2000, 1, 0x2001, 0xFFFF])
    return [
        b.ipv4(*v4, proto, segment, rng.randrange(3), word, rng.choice([b"", bytes(8), bytes(40)])),
        b.ipv6(*v6, proto, segment, chain),
    ]


def frame(rng: random.Random) -> tuple[int, bytes, int]:
    """Link type, captured bytes, length on the wire."""
    body = rng.choice(bodies(rng))
    if rng.random() < 0.5:
        linktype, before4, before6, _ = rng.choice(list(WRAPS.values()))
        data = (before6 if before6 is not None and rng.random() < 0.5 else before4) + body
    else:
        linktype, data = rng.choice([(RAW, body), (1, MACS + (b"\x08\0" if body[0] >> 4 == 4 else b"\x86\xdd") + body)])
    spoilt = bytearray(data)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 5])):
        spoilt[rng.randrange(len(spoilt))] = rng.choice([0, 1, 4, 0x45, 0x80, 0xFF, rng.randrange(256)])
    wire = len(spoilt)
    if rng.random() < 0.4:
        del spoilt[rng.randrange(len(spoilt) + 1) :]
    return linktype, bytes(spoilt), rng.choice([wire, len(spoilt), 70000])


def main(seed: int, count: int) -> None:
    """Prints how many frames went through."""
    assert not compiled()
    rng = random.Random(seed)
    machine = Machine(checksum=seed % 2, max=rng.choice([0, 20]))
    for n in range(count):
        linktype, data, wire = frame(rng)
        try:
            machine.send(Strict(data), linktype=linktype, wirelen=wire, after=rng.choice([0, 0.1, 40]))
        except AssertionError:
            sys.exit(f"frame {n} of seed {seed}, link type {linktype}, wire length {wire}: {data.hex()}")
    print(count, len(machine.sink.verdicts))
