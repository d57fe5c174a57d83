"""Fragment queues grow old in the capture's time: the kernel's own timeout is out of reach, later fragments of a queue
that would have expired get another identification instead."""

from __future__ import annotations

import struct
from bisect import insort
from pathlib import Path

from .packets import EXTENSIONS, FRAGMENT, ICMP6, TCP, UDP, Prepared, header_length

_NS = 1_000_000_000
_NONE = 59
_TRANSPORT_HEADER = {TCP: 20, UDP: 8, ICMP6: 8}


class _Queue:
    """What an IPv6 queue holds, to know when the kernel gives one up (IPv4 queues can be counted instead)."""

    def __init__(self) -> None:
        # sorted; what comes in order is one, what fills a gap is one by itself
        self.runs: list[tuple[int, int]] = []
        self.length = 0
        self.last = False

    def add(self, start: int, end: int, more: bool) -> bool:
        """False if the queue is gone."""
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
        if end == start:
            return True
        tail = self.runs[-1][1] if self.runs else -1
        if end > tail:
            if start == tail:
                start = self.runs.pop()[0]
            elif start < tail:
                return False
        elif any(a <= start and end <= b for a, b in self.runs):
            return True
        elif any(start < b and a < end for a, b in self.runs):
            return False
        insort(self.runs, (start, end))
        # a whole datagram leaves, and be it that its ECN codepoints contradict each other
        return not (self.last and sum(b - a for a, b in self.runs) == self.length)


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

    def after(self, packet: Prepared, now: int, count_before: int, completed: bool, passed_on: bool) -> None:
        """Note what the kernel did with it (`count_before`: `count()` from before the write; `completed`: conntrack
        saw the whole datagram; `passed_on`: conntrack saw the fragment by itself)."""
        key = self._key(packet)
        change = self.count(packet.family) - count_before
        if packet.family == 4:
            if change < 0:
                self._forget(key)
            elif change > 0:
                self._born[key] = now
            return
        if change and not (completed or passed_on):
            return  # it did not get as far as reassembly
        if passed_on and (self._cut(packet) or not (packet.more and self._end(packet) & 7)):
            return
        self._born.setdefault(key, now)
        queue = self._queues.setdefault(key, _Queue())
        if completed or not queue.add(packet.offset, self._end(packet), packet.more):
            self._forget(key)

    @staticmethod
    def _cut(packet: Prepared) -> bool:
        """Whether a first fragment lacks a part of its transport header: such a one touches no queue."""
        raw = packet.raw
        kind, at = raw[packet.ident_at - 4], packet.ident_at + 4
        if packet.offset:
            return False
        while kind in EXTENSIONS:
            if at + (4 if kind == FRAGMENT else 2) > len(raw) or (
                kind == FRAGMENT and (raw[at + 2] or raw[at + 3] >> 3)
            ):
                return False
            kind, at = raw[at], at + header_length(kind, raw, at)
        return kind != _NONE and at + _TRANSPORT_HEADER.get(kind, 1) > len(raw)

    @staticmethod
    def _end(packet: Prepared) -> int:
        return packet.offset + len(packet.raw) - packet.ident_at - 4

    def _forget(self, key: tuple[object, ...]) -> None:
        self._born.pop(key, None)
        self._queues.pop(key, None)

    @staticmethod
    def count(family: int) -> int:
        """IPv4 queues in the namespace; IPv6 packets that it refused on receipt."""
        table, name, field = ("sockstat", "FRAG:", 2) if family == 4 else ("snmp6", "Ip6InHdrErrors", 1)
        for line in Path("/proc/self/net", table).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[field])
        return 0
