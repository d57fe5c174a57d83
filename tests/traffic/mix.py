"""Mixes conversations of every protocol into one stream of packets."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator

from . import other_walks, wrap
from .tcp_walk import Walk

_START = 1_700_000_000 * 10**9
_V4 = [bytes((10, 0, 0, n)) for n in (1, 2, 3)] + [bytes((192, 0, 2, 9))]
_V6 = [bytes.fromhex("20010db80000000000000000000000") + bytes((n,)) for n in (1, 2, 3)]
_OTHERS = {
    "udp": other_walks.udp,
    "icmp": other_walks.icmp,
    "sctp": other_walks.sctp,
    "gre": other_walks.gre,
    "generic": other_walks.generic,
}
DEFAULT_MIX = {
    "tcp": 8.0, "udp": 0.4, "icmp": 1.0, "sctp": 2.0, "gre": 0.4, "generic": 0.3,
    "errors": 0.06, "fragments": 0.04, "headers": 0.05, "bad_checksums": 0.0, "six": 0.35,
}  # fmt: skip


def _walk(rng: random.Random, kind: str, six: float, bad: float) -> Iterator[tuple[int, bytes]]:
    a, c = rng.sample(_V6 if rng.random() < six else _V4, 2)
    if kind == "tcp":
        return iter(Walk(rng, a, c, rng.choice((40000, 40001, 40002, 1)), rng.choice((80, 443)), bad))
    return _OTHERS[kind](rng, a, c, bad)


def generate(seed: int, packets: int, **mix: float) -> list[tuple[int, bytes]]:
    """`packets` raw IP packets as `(time in ns, bytes)`, the same for the same arguments.

    `mix`: weights of `tcp udp icmp sctp gre generic` among conversations; shares of packets that get an ICMP error
    (`errors`), are cut into `fragments` or get options or extension `headers`; `bad_checksums`; share of IPv6 (`six`).
    """
    rng = random.Random(seed)
    use = {**DEFAULT_MIX, **mix}
    kinds = ["tcp", *_OTHERS]
    weights = [use[kind] for kind in kinds]
    bad = use["bad_checksums"]
    heap: list[tuple[int, int, Iterator[tuple[int, bytes]], bytes]] = []
    serial, recent = 0, []

    def push(walk: Iterator[tuple[int, bytes]], now: int) -> None:
        nonlocal serial
        serial += 1
        pause, packet = next(walk)
        heapq.heappush(heap, (now + pause, serial, walk, packet))

    for _ in range(max(2, min(12, packets // 40))):
        push(_walk(rng, rng.choices(kinds, weights)[0], use["six"], bad), _START)
    out: list[tuple[int, bytes]] = []
    while len(out) < packets:
        now, _, walk, packet = heapq.heappop(heap)
        recent = [*recent[-30:], packet]
        if rng.random() < use["headers"]:
            packet = (wrap.ip_options if packet[0] >> 4 == 4 else wrap.extension_headers)(rng, packet)
        if rng.random() < use["fragments"] and len(packet) > 60:
            at = now
            for pause, piece in wrap.fragments(rng, packet):
                at += pause
                serial += 1
                heapq.heappush(heap, (at, serial, iter(()), piece))
        else:
            out.append((now, packet))
        if rng.random() < use["errors"]:
            error = wrap.icmp_error(rng, rng.choice(recent), bad)
            out.append((now, error))
            recent.append(error)
        try:
            push(walk, now)
        except StopIteration:
            continue  # a fragment
        if rng.random() < 0.004:  # another conversation takes this one's place
            heap = [row for row in heap if row[2] is not walk]
            heapq.heapify(heap)
            push(_walk(rng, rng.choices(kinds, weights)[0], use["six"], bad), now)
    return out[:packets]
