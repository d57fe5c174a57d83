"""The connection table: a chained hash over both tuples of every entry.

The hash is symmetric in the two endpoints, so an entry sits in one bucket and is found by either tuple there. It is
keyed at random, because an attacker chooses the traffic; no row depends on the keys.
"""

from __future__ import annotations

from operator import attrgetter

from ctreplay import keyedhash
from ctreplay.build import compiled
from ctreplay.packet import Packet
from ctreplay.pages import nones
from ctreplay.tracker.entry import Entry

_U64 = 0xFFFFFFFFFFFFFFFF
_START = 1 << 16
_PARTS = 4096
# so many entries stay in the processor's caches anyway
_CACHED = 4096
_DENSE = 8
_IPV4 = 4
_ICMP = 1
_ICMPV6 = 58


class Table:
    """`buckets` holds the newest entry of each chain; chains run through `Entry.next`."""

    __slots__ = ("buckets", "count", "fetches", "key0", "key1", "key2", "key3", "mask", "youngest")

    def __init__(self) -> None:
        self.buckets: list[Entry | None] = [None] * _START
        self.mask = _START - 1
        self.count = 0
        self.youngest = 1
        # plain Python has no way to
        self.fetches = compiled()
        self.key0 = keyedhash.key()
        self.key1 = keyedhash.key()
        self.key2 = keyedhash.key()
        self.key3 = keyedhash.key()

    def hash_of(self, p: Packet) -> int:
        """32-bit hash of the packet's tuple, equal for both directions."""
        sport = p.sport
        dport = p.dport
        if p.proto == _ICMP or p.proto == _ICMPV6:
            dport = sport
        sport |= p.proto << 16
        dport |= p.proto << 16
        x = keyedhash.fold(p.src_lo ^ self.key0, p.src_hi ^ self.key1)
        y = keyedhash.fold(p.dst_lo ^ self.key0, p.dst_hi ^ self.key1)
        x = keyedhash.fold(x ^ self.key2, sport ^ self.key3)
        y = keyedhash.fold(y ^ self.key2, dport ^ self.key3)
        return ((x + y) & _U64) >> 32

    def find(self, p: Packet) -> Entry | None:
        """The live entry with the packet's tuple (`p.direction` tells which one), or None. Sets a missing `p.hash`."""
        if p.hash == 0:
            p.hash = self.hash_of(p)
        e = self.buckets[p.hash & self.mask]
        while e is not None:
            if e.hash == p.hash and e.proto == p.proto:
                if (
                    e.src_lo == p.src_lo
                    and e.dst_lo == p.dst_lo
                    and e.sport == p.sport
                    and e.dport == p.dport
                    and e.family == p.family
                    and e.zone == p.zone
                    # of an IPv4 entry they are not even in the processor's cache
                    and (e.family == _IPV4 or (e.src_hi == p.src_hi and e.dst_hi == p.dst_hi))
                ):
                    p.direction = 0
                    if p.src_lo == p.dst_lo and e.rsport == p.sport and e.rdport == p.dport and p.src_hi == p.dst_hi:
                        # to itself: both tuples are the same one, and the reply's is found first
                        p.direction = 1
                    return e
                if (
                    e.src_lo == p.dst_lo
                    and e.dst_lo == p.src_lo
                    and e.rsport == p.sport
                    and e.rdport == p.dport
                    and e.family == p.family
                    and e.zone == p.zone
                    and (e.family == _IPV4 or (e.src_hi == p.dst_hi and e.dst_hi == p.src_hi))
                ):
                    p.direction = 1
                    return e
            e = e.next
        return None

    def expect(self, p: Packet) -> int:
        """Set `p.hash` and have the memory of its bucket fetched."""
        p.hash = self.hash_of(p)
        if self.fetches:
            fetch_bucket(self.buckets, p.hash & self.mask)  # type: ignore[name-defined]  # noqa: F821
        return 0

    def foresee(self, packets: list[Packet], count: int) -> int:
        """Have the memory of the entries fetched that `find` will look at for the first `count` packets.

        The first entry of each chain, then the second, where the first is another: so no step waits for the one before.
        """
        if not self.fetches or self.count < _CACHED:
            return 0
        for i in range(count):
            fetch_first(self.buckets, self.mask, packets, i)  # type: ignore[name-defined]  # noqa: F821
        for i in range(count):
            fetch_second(self.buckets, self.mask, packets, i)  # type: ignore[name-defined]  # noqa: F821
        return 0

    def insert(self, e: Entry) -> int:
        """Put a new entry at the head of its chain."""
        i = e.hash & self.mask
        e.next = self.buckets[i]
        self.buckets[i] = e
        self.count += 1
        if e.conn_id > self.youngest:
            self.youngest = e.conn_id
        if self.count > self.mask >> 1:
            self.grow()
        return 0

    def remove(self, e: Entry) -> int:
        """Take an entry out of its chain."""
        i = e.hash & self.mask
        walk = self.buckets[i]
        if walk is e:
            self.buckets[i] = e.next
        else:
            while walk.next is not e:  # type: ignore[union-attr]
                walk = walk.next  # type: ignore[union-attr]
            walk.next = e.next  # type: ignore[union-attr]
        e.next = None
        self.count -= 1
        return 0

    def grow(self) -> int:
        """Double the number of buckets."""
        old = self.buckets
        size = len(old)
        fresh: list[Entry | None] = nones(2 * size)
        mask = 2 * size - 1
        for k in range(size):
            if self.fetches:
                fetch_ahead(old, k, size)  # type: ignore[name-defined]  # noqa: F821
            e = old[k]
            while e is not None:
                after = e.next
                i = e.hash & mask
                e.next = fresh[i]
                fresh[i] = e
                e = after
        self.buckets = fresh
        self.mask = mask
        return 0

    def clear(self) -> None:
        """No entries any more."""
        self.buckets = [None] * _START
        self.mask = _START - 1
        self.count = 0

    def drain(self) -> list[list[Entry]]:
        """Let go of all entries: in lists of neighbours by age, the oldest first, each of them in no order.

        Many lists, because each needs memory of its own to be put in order, and can be forgotten before the next one.
        """
        buckets = self.buckets
        size = len(buckets)
        found: list[list[Entry]] = [[] for _ in range(_PARTS)]
        for k in range(size):
            if self.fetches:
                fetch_ahead(buckets, k, size)  # type: ignore[name-defined]  # noqa: F821
            e = buckets[k]
            buckets[k] = None
            while e is not None:
                after = e.next
                e.next = None
                place = e.conn_id * (_PARTS - 1) // self.youngest
                part = found[place]
                part.append(e)
                e = after
        self.clear()
        return found

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        found: list[Entry] = []
        for head in self.buckets:
            e = head
            while e is not None:
                found.append(e)
                e = e.next
        return by_age(found)


def by_age(entries: list[Entry]) -> list[Entry]:
    """The oldest first."""
    first = last = entries[0].conn_id if entries else 0
    for e in entries:
        if e.conn_id < first:
            first = e.conn_id
        elif e.conn_id > last:
            last = e.conn_id
    if last - first >= _DENSE * len(entries):
        return sorted(entries, key=_conn_id)
    # nearly every packet opened a connection: a place for each of them is quicker than sorting
    places: list[Entry | None] = [None] * (last - first + 1)
    for e in entries:
        places[e.conn_id - first] = e
    return [e for e in places if e is not None]


_conn_id = attrgetter("conn_id")
