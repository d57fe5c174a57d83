"""Fragment queues grow old in the capture's time: the kernel's own timeout is out of reach, later fragments of a queue
that would have expired get another identification instead."""

from __future__ import annotations

import struct
from pathlib import Path

from .packets import ICMP6, TCP, UDP, Prepared

_NS = 1_000_000_000
_TRANSPORT_HEADER = {TCP: 20, UDP: 8, ICMP6: 8}


class _Queue:
    """What an IPv6 queue holds, to know when the kernel gives one up (IPv4 queues can be counted instead)."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, int]] = []
        self.length = 0
        self.last = False

    def add(self, start: int, end: int, more: bool) -> bool:
        """False if the queue is given up."""
        if not more:
            if end < self.length or (self.last and end != self.length):
                return True  # only the fragment is dropped
            self.last, self.length = True, end
        elif end & 7:
            return False
        elif end > self.length:
            if self.last:
                return True
            self.length = end
        touching = [(a, b) for a, b in self.runs if start < b and a < end]
        if end == start or any(a <= start and end <= b for a, b in touching):
            return True
        if touching:
            return False
        joined = [(a, b) for a, b in self.runs if end == a or start == b]
        self.runs = [run for run in self.runs if run not in joined]
        self.runs.append((min([start, *(a for a, _ in joined)]), max([end, *(b for _, b in joined)])))
        return True


class FragmentQueues:
    """Knows when each of the kernel's reassembly queues was created. `present`: identifications of the capture."""

    def __init__(self, timeout4_s: int, timeout6_s: int) -> None:
        self._timeout = {4: timeout4_s * _NS, 6: timeout6_s * _NS}
        self._born: dict[tuple[object, ...], int] = {}
        self._ident: dict[tuple[object, ...], int] = {}
        self._queues: dict[tuple[object, ...], _Queue] = {}
        self._next = {4: 0xFFFF, 6: 0xFFFFFFFF}
        self.present: set[int] = set()

    def _fresh(self, family: int) -> int:
        """An identification that no packet has, and that was not given before."""
        while self._next[family] in self.present:
            self._next[family] -= 1
        self._next[family] -= 1
        return self._next[family] + 1

    @staticmethod
    def _key(packet: Prepared) -> tuple[object, ...]:
        return packet.family, packet.src, packet.dst, packet.ident, packet.proto if packet.family == 4 else 0

    def before(self, packet: Prepared, now: int) -> None:
        """Give the fragment its identification."""
        key = self._key(packet)
        born = self._born.get(key)
        if born is not None and now - born >= self._timeout[packet.family]:
            self._forget(key)
            self._ident[key] = self._fresh(packet.family)
        ident = self._ident.get(key)
        if ident is not None:
            struct.pack_into("!H" if packet.family == 4 else "!I", packet.raw, packet.ident_at, ident)

    def after(self, packet: Prepared, now: int, queues_before: int, completed: bool, passed_on: bool) -> None:
        """Note what the kernel did with it (`queues_before`: `count()` from before the write; `completed`: conntrack
        saw the whole datagram; `passed_on`: conntrack saw the fragment by itself)."""
        key = self._key(packet)
        if packet.family == 4:
            change = self.count() - queues_before
            if change < 0:
                self._forget(key)
            elif change > 0:
                self._born[key] = now
            return
        if passed_on and (self._cut(packet) or not (packet.more and self._end(packet) & 7)):
            return
        self._born.setdefault(key, now)
        queue = self._queues.setdefault(key, _Queue())
        if completed or not queue.add(packet.offset, self._end(packet), packet.more):
            self._forget(key)

    @staticmethod
    def _cut(packet: Prepared) -> bool:
        """Whether a first fragment lacks a part of its transport header: such a one touches no queue."""
        return packet.offset == 0 and len(packet.raw) - packet.l4 < _TRANSPORT_HEADER.get(packet.proto, 1)

    @staticmethod
    def _end(packet: Prepared) -> int:
        return packet.offset + len(packet.raw) - packet.ident_at - 4

    def _forget(self, key: tuple[object, ...]) -> None:
        self._born.pop(key, None)
        self._queues.pop(key, None)

    @staticmethod
    def count() -> int:
        """IPv4 queues in the namespace."""
        for line in Path("/proc/self/net/sockstat").read_text().splitlines():
            if line.startswith("FRAG:"):
                return int(line.split()[2])
        return 0
