"""When to hand which packet to the kernel, and which deadlines have passed in the capture's time.

Kernel timers are never waited for: entries are parked far in the future and deleted at their deadline. Only UDP's
rule "older than two seconds" reads the kernel's own clock, so real time must agree with it: packets of a replied flow
whose age in the capture is over two seconds must be over two seconds old for the kernel too, and the others must not.
That is a set of difference constraints; the earliest schedule that satisfies them is the least waiting.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from .packets import UDP, Prepared, udp_accepted

NS = 1_000_000_000
STREAM_NS = 2 * NS
LASTING_S = {"sip": 3600, "RAS": 300}  # helpers set it: SIP's with every message, RAS's usually at registration
_YOUNG_S, _OLD_S = 1.90, 2.03  # real ages to aim at; the kernel's tick is at most 10 ms
_PER_PACKET_S = 0.0003
_ROUNDS = 300


@dataclass(slots=True)
class _Flow:
    first: int
    created: int
    source: tuple[bytes, int]
    replied: bool
    lasts: int
    deadline: int


def constraints(
    packets: list[tuple[int, Prepared]],
    unreplied_s: int,
    stream_s: int,
    verify_checksums: bool,
    lasting: Mapping[int, int] | None = None,
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """`(old, young)`: pairs (packet, first packet of its flow), by index, whose real distance must be over (under)
    two seconds. `lasting`: seconds that entries to a port live on after each packet, whatever the timeouts."""
    flows: dict[object, _Flow] = {}
    datagrams: dict[object, list[int]] = {}
    old, young = [], []
    for index, (ts, packet) in enumerate(packets):
        if packet.proto != UDP or not (packet.fragment or udp_accepted(packet, verify_checksums)):
            continue
        sport, dport = packet.sport, packet.dport
        if packet.fragment:
            whole = datagrams.setdefault((packet.src, packet.dst, packet.ident), [0, 0, -1, 0, 0])
            if packet.offset == 0:
                whole[0], whole[1] = sport, dport
                whole[4] = int.from_bytes(packet.raw[packet.l4 + 4 : packet.l4 + 6], "big")
            whole[3] += len(packet.raw) - packet.l4
            if not packet.more:
                whole[2] = packet.offset + len(packet.raw) - packet.l4
            if whole[2] != whole[3]:
                continue
            sport, dport = whole[0], whole[1]
            del datagrams[packet.src, packet.dst, packet.ident]
            if not 8 <= whole[4] <= whole[3]:
                continue
        here, there = (packet.src, sport), (packet.dst, dport)
        key = (min(here, there), max(here, there))
        flow = flows.get(key)
        if flow is None or flow.deadline <= ts:
            lasts = lasting.get(dport, 0) * NS if lasting else 0
            flow = flows[key] = _Flow(index, ts, here, False, lasts, ts + unreplied_s * NS)
        elif not flow.replied:
            flow.replied = flow.source != here
            flow.deadline = ts + unreplied_s * NS
        elif ts - flow.created > STREAM_NS:
            old.append((index, flow.first))
            flow.deadline = ts + stream_s * NS
        else:
            young.append((index, flow.first))
            flow.deadline = ts + unreplied_s * NS
        flow.deadline = max(flow.deadline, ts + flow.lasts)
    return old, young


def schedule(times: list[int], old: list[tuple[int, int]], young: list[tuple[int, int]]) -> list[float]:
    """Earliest start of each packet in seconds from the first one. Falls back to the capture's own pace (gaps cut to
    just over two seconds) when the constraints do not settle."""
    count = len(times)
    start = [0.0] * count
    after: dict[int, list[int]] = {}
    for index, first in old:
        after.setdefault(index, []).append(first)
    for _ in range(_ROUNDS):
        now = 0.0
        for index in range(count):
            now = max(now, start[index])
            for first in after.get(index, ()):
                now = max(now, start[first] + _OLD_S)
            start[index] = now
            now += _PER_PACKET_S
        settled = True
        for index, first in young:
            least = start[index] - _YOUNG_S
            if least > start[first] + 1e-9:
                start[first] = least
                settled = False
        if settled:
            return start
    now, pace = 0.0, []
    for index in range(count):
        gap = (times[index] - times[index - 1]) / NS if index else 0.0
        now += min(max(gap, 0.0), 2.1) * 1.02
        pace.append(now)
    return pace


class Deadlines:
    """Deadlines of entries by number. Moving one later or earlier just adds a note; stale notes are skipped."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._of: dict[int, int] = {}

    def set(self, number: int, deadline: int) -> None:
        if self._of.get(number) != deadline:
            self._of[number] = deadline
            heapq.heappush(self._heap, (deadline, number))

    def get(self, number: int) -> int:
        return self._of[number]

    def drop(self, number: int) -> None:
        self._of.pop(number, None)

    def passed(self, now: int) -> list[tuple[int, int]]:
        """`(deadline, number)` of every deadline up to and including `now`, in order; they are forgotten."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            deadline, number = heapq.heappop(self._heap)
            if self._of.get(number) == deadline:
                del self._of[number]
                found.append((deadline, number))
        return found
