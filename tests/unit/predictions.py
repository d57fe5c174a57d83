"""Header prediction beside the whole judgement, on entries and segments close to every bound; run uncompiled."""

from __future__ import annotations

import json
import random
import struct
import sys
from typing import Any

from ctreplay.decode.checksum import Checksum
from ctreplay.packet import Packet
from ctreplay.tracker import sysctl
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.proto.tcp import Tcp
from ctreplay.tracker.settings import Settings

U32 = 0xFFFFFFFF
NOW = 10**18
ACK_CLASS = 4
EDGES = (0, 1, 2, 65535, 65536, 66000, 66001, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFF, 0x80000000, 0x80000001, U32)


def near(rng: random.Random, value: int) -> int:
    """`value`, mostly, or something a bound away from it."""
    if rng.random() < 0.6:
        return value
    return value + rng.choice((-1, 1)) * rng.choice((*EDGES, rng.randrange(3000))) & U32


def plain(thing: Any) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in thing.__slots__ if name not in ("buf", "reader")}


def scene(rng: random.Random) -> tuple[Entry, Packet]:
    """An entry in the middle of its life, and a segment."""
    e, p = Entry(), Packet()
    e.in_table = 1
    e.state = 3 if rng.random() < 0.95 else rng.randrange(10)
    e.status = 0xE if rng.random() < 0.95 else rng.choice((0x8, 0xA, 0xC))
    end, window = rng.choice((0, 5, 1 << 31, U32 - 3, rng.randrange(U32))), rng.choice((0, 1, 1000, 65535))
    peer_end = rng.choice((0, 5, 1 << 31, U32 - 3, rng.randrange(U32)))
    one, two = rng.sample((0, 1), 2)
    for side, last, other in ((one, end, peer_end), (two, peer_end, end)):
        values = {
            "end": last, "maxend": near(rng, last + 3000 & U32), "maxack": near(rng, other),
            "maxwin": rng.choice((0, 1, 3000, 70000, 0x3FFFFFFF, 0x40000000, U32)) if rng.random() < 0.3 else 3000,
            "scale": rng.choice((0, 0, 7, 14)), "tflags": rng.choice((0x20, 0x22, 0x2A, 0x30, 0x32, 0x02, 0x23)),
        }  # fmt: skip
        for name, value in values.items():
            setattr(e, f"{name}{side}", value)
    e.last_dir, e.last_index, e.retrans = rng.randrange(2), rng.randrange(6), rng.choice((0, 2, 3, 255))
    length = rng.choice((0, 0, 1, 1000, 3000))
    p.direction = one
    p.seq, p.ack, p.window = near(rng, end), near(rng, peer_end), window
    p.seg_end = p.seq + length & U32
    p.flags = rng.choice((0x10, 0x18))
    options = rng.choice((
        b"", b"\1\1\x08\x0a" + bytes(8), b"\1\1\5\x0a" + struct.pack("!II", peer_end, near(rng, peer_end)), bytes(4),
    ))  # fmt: skip
    p.doff, p.l4_len = 20 + len(options), 20 + len(options) + length
    p.buf = bytes(20) + options
    if rng.random() < 0.3:
        e.last_seq, e.last_ack, e.last_end, e.last_win, e.last_dir = p.seq, p.ack, p.seg_end, window, one
    return e, p


def twice(seed: int) -> tuple[tuple[Entry, Packet], tuple[Entry, Packet]]:
    return scene(random.Random(seed)), scene(random.Random(seed))


def main(first: int, count: int) -> dict[str, Any]:
    """How many segments were predicted and how many not, and the seeds where the two ways differ."""
    values = sysctl.defaults()
    tcp = Tcp(Settings(values | {"nf_conntrack_tcp_max_retrans": 3}), Checksum())
    found: dict[str, Any] = {"predicted": 0, "left": 0, "different": []}
    for seed in range(first, first + count):
        (e, p), (other, q) = twice(seed)
        before = plain(e), plain(p)
        if not tcp.predicted(e, p):
            found["left"] += 1
            same = before == (plain(e), plain(p))
        else:
            found["predicted"] += 1
            tcp.load(other)
            same = tcp.judge(other, q, ACK_CLASS, NOW) == 0
            tcp.store(other)
            same = same and (plain(e), plain(p)) == (plain(other), plain(q))
        if not same:
            found["different"].append(seed)
    return found


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
