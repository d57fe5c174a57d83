"""A bounded table: early drop and the garbage collector's help when it is full (spec section 7).

Bucket placement is random in the kernel; here it is a fixed hash, so that a replay repeats. Only used when
`nf_conntrack_max` is set.
"""

from __future__ import annotations

import mmap

from ctreplay import keyedhash
from ctreplay.packet import Packet
from ctreplay.tracker.entry import Entry

_SECOND = 1_000_000_000
_ASSURED = 0x4
_BUCKETS_TRIED = 8
_HELP_ABOVE = 95
_TCP = 6
_SCTP = 132
# a link for each of an entry's tuples, and one for the collector
_LINKS = 3
_START = 1 << 10
_KEY0 = 0x9E3779B97F4A7C15
_KEY1 = 0xC2B2AE3D27D4EB4F
_KEY2 = 0x165667B19E3779F9


class Limit:
    """Chains of entries: by the kernel's bucket of each of their two tuples what may be evicted, and behind the buckets
    a chain of what the collector may destroy; each of them with others, which are forgotten when they are met.

    Chains run through numbers: `held[slot]` has its links from `_LINKS * slot` on, 0 is none. `before` is 0 in no
    chain, and of the first one the chain: -1 - its number. `free` is the first of the slots without an entry,
    `last` the last link of the collector.
    """

    __slots__ = ("after", "before", "buckets", "collect_at", "free", "heads", "held", "last", "maximum", "slots")

    def __init__(self, maximum: int, buckets: int) -> None:
        self.maximum = maximum
        self.buckets = max(buckets, 1)
        self.heads = memoryview(mmap.mmap(-1, 4 * (self.buckets + 1))).cast("i")
        self.before = self.after = memoryview(bytearray(4 * _LINKS)).cast("i")
        self.held: list[Entry | None] = [None]
        self.slots: dict[int, int] = {}
        self.free = 0
        self.last = 0
        self.collect_at: int | None = None

    def bucket(
        self, src_hi: int, src_lo: int, dst_hi: int, dst_lo: int, sport: int, dport: int, proto: int, zone: int
    ) -> int:
        """Where a tuple lives: a 32-bit hash scaled to the number of buckets."""
        x = keyedhash.fold(src_lo ^ _KEY0, src_hi ^ _KEY1)
        x = keyedhash.fold(x ^ dst_lo, dst_hi ^ _KEY2)
        x = keyedhash.fold(x ^ (sport << 48 | dport << 32 | proto << 16 | zone), _KEY0)
        return (x >> 32) * self.buckets >> 32

    def add(self, e: Entry) -> int:
        """A confirmed entry."""
        if self.free == 0:
            self.grow()
        slot = self.free
        self.free = self.after[_LINKS * slot]
        self.held[slot] = e
        self.slots[e.conn_id] = slot
        at = _LINKS * slot
        self.link(at, self.bucket(e.src_hi, e.src_lo, e.dst_hi, e.dst_lo, e.sport, e.dport, e.proto, e.zone))
        self.link(at + 1, self.bucket(e.dst_hi, e.dst_lo, e.src_hi, e.src_lo, e.rsport, e.rdport, e.proto, e.zone))
        self.queue(at + 2)
        return 0

    def grow(self) -> int:
        """Double the room."""
        size = len(self.held)
        more = max(size, _START)
        self.held += [None] * more
        before = memoryview(bytearray(4 * _LINKS * (size + more))).cast("i")
        after = memoryview(bytearray(4 * _LINKS * (size + more))).cast("i")
        before[: _LINKS * size] = self.before
        after[: _LINKS * size] = self.after
        self.before = before
        self.after = after
        for slot in range(size + more - 1, size - 1, -1):
            self.leave(slot)
        return 0

    def leave(self, slot: int) -> int:
        """A slot is free."""
        self.after[_LINKS * slot] = self.free
        self.free = slot
        return 0

    def remove(self, e: Entry) -> int:
        """A destroyed entry."""
        slot: int = self.slots.pop(e.conn_id)
        for i in range(_LINKS):
            self.unlink(_LINKS * slot + i)
        self.held[slot] = None
        self.leave(slot)
        return 0

    def changed(self, e: Entry) -> int:
        """Its state or status is another one."""
        if self.closes(e):
            at = _LINKS * self.slots[e.conn_id] + 2
            if self.before[at] == 0:
                self.queue(at)
        return 0

    def closes(self, e: Entry) -> bool:
        """Whether it is in a state in which the collector destroys it even with ASSURED."""
        # FIN_WAIT to CLOSE, SHUTDOWN_SENT to SHUTDOWN_ACK_SENT
        return (e.proto == _TCP and 4 <= e.state <= 8) or (e.proto == _SCTP and 5 <= e.state <= 7)

    def link(self, at: int, chain: int) -> int:
        """Put a link before the others of a chain."""
        first = self.heads[chain]
        self.after[at] = first
        if first:
            self.before[first] = at
        self.before[at] = -1 - chain
        self.heads[chain] = at
        return 0

    def queue(self, at: int) -> int:
        """Put a link behind the others of the collector's chain."""
        last = self.last
        if last:
            self.after[last] = at
            self.before[at] = last
        else:
            self.heads[self.buckets] = at
            self.before[at] = -1 - self.buckets
        self.after[at] = 0
        self.last = at
        return 0

    def unlink(self, at: int) -> int:
        """Take a link out of its chain, if it is in one."""
        before = self.before[at]
        after = self.after[at]
        if before == 0:
            return 0
        if before > 0:
            self.after[before] = after
        else:
            self.heads[-1 - before] = after
        if after:
            self.before[after] = before
        elif at == self.last:
            self.last = max(before, 0)
        self.before[at] = 0
        return 0

    def evictable(self, chain: int) -> list[Entry]:
        """Entries without ASSURED in a bucket, the oldest first; the others leave its chain, because ASSURED stays."""
        found: list[Entry] = []
        last = None
        at = self.heads[chain]
        while at:
            after = self.after[at]
            e = self.held[at // _LINKS]
            if e.status & _ASSURED:  # type: ignore[union-attr]
                self.unlink(at)
            elif e is not last:
                # the links of both tuples are neighbours where they have one bucket
                found.append(e)  # type: ignore[arg-type]
                last = e
            at = after
        found.reverse()
        return found

    def victims(self, p: Packet, now: int) -> list[Entry]:
        """Entries without ASSURED of the first bucket, of eight, that holds any."""
        start = self.bucket(p.src_hi, p.src_lo, p.dst_hi, p.dst_lo, p.sport, p.dport, p.proto, p.zone)
        for step in range(_BUCKETS_TRIED):
            chain = (start + step) % self.buckets
            if self.heads[chain]:
                found = self.evictable(chain)
                if found:
                    return found
        if self.collect_at is None:
            # a refused packet asks the collector for help, which scans at its next turn, a second away at the least
            self.collect_at = now + _SECOND
        return []

    def closing(self, count: int) -> list[Entry]:
        """What the helping collector destroys of `count` entries: not ASSURED or closing, those first that have been so
        for longest, until the table is below 95 %.
        """
        surplus = count - self.maximum // 100 * _HELP_ABOVE + 1
        found: list[Entry] = []
        at = self.heads[self.buckets]
        while at and len(found) < surplus:
            after = self.after[at]
            e = self.held[at // _LINKS]
            if e.status & _ASSURED and not self.closes(e):  # type: ignore[union-attr, arg-type]
                self.unlink(at)
            else:
                found.append(e)  # type: ignore[arg-type]
            at = after
        return found
