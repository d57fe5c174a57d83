"""A bounded table: early drop and the garbage collector's help when it is full (spec section 7).

Bucket placement is random in the kernel; here it is a fixed hash, so that a replay repeats. Only used when
`nf_conntrack_max` is set.
"""

from __future__ import annotations

import zlib

from ctreplay.packet import Packet
from ctreplay.tracker.entry import Entry

_SECOND = 1_000_000_000
_ASSURED = 0x4
_BUCKETS_TRIED = 8
_HELP_ABOVE = 95
_CLOSING = {6: (4, 5, 6, 7, 8), 132: (5, 6, 7)}


class Limit:
    """Keeps entries that may be evicted, and maybe others, by the kernel's bucket of each of their two tuples."""

    def __init__(self, maximum: int, buckets: int) -> None:
        self.maximum = maximum
        self.buckets = max(buckets, 1)
        self.chains: dict[int, dict[int, Entry]] = {}
        # what the collector may destroy, and maybe others: a walk over a full table every second takes too long
        self.closable: dict[int, Entry] = {}
        self.collect_at: int | None = None

    def bucket(self, *parts: int) -> int:
        """Where a tuple lives: a 32-bit hash scaled to the number of buckets."""
        key = b"".join(part.to_bytes(8, "big") for part in parts)
        return zlib.crc32(key) * self.buckets >> 32

    def places(self, e: Entry) -> tuple[int, int]:
        """Buckets of the original and the reply tuple."""
        return (
            self.bucket(e.src_hi, e.src_lo, e.dst_hi, e.dst_lo, e.sport, e.dport, e.proto, e.zone),
            self.bucket(e.dst_hi, e.dst_lo, e.src_hi, e.src_lo, e.rsport, e.rdport, e.proto, e.zone),
        )

    def add(self, e: Entry) -> None:
        """A confirmed entry."""
        for place in self.places(e):
            self.chains.setdefault(place, {})[e.conn_id] = e
        self.closable[e.conn_id] = e

    def changed(self, e: Entry) -> None:
        """Its state or status is another one."""
        if _closes(e):
            self.closable[e.conn_id] = e

    def remove(self, e: Entry) -> None:
        """A destroyed entry."""
        for place in self.places(e):
            chain = self.chains.get(place)
            if chain is not None:
                chain.pop(e.conn_id, None)
                if not chain:
                    del self.chains[place]
        self.closable.pop(e.conn_id, None)

    def victims(self, p: Packet, now: int) -> list[Entry]:
        """Entries without ASSURED of the first bucket, of eight, that holds any."""
        start = self.bucket(p.src_hi, p.src_lo, p.dst_hi, p.dst_lo, p.sport, p.dport, p.proto, p.zone)
        for step in range(_BUCKETS_TRIED):
            chain = self.chains.get((start + step) % self.buckets, {})
            # ASSURED stays: whoever fills a bucket with such entries has them looked at once
            for e in [e for e in chain.values() if e.status & _ASSURED]:
                del chain[e.conn_id]
            if chain:
                return list(chain.values())
        if self.collect_at is None:
            # a refused packet asks the collector for help, which scans at its next turn, a second away at the least
            self.collect_at = now + _SECOND
        return []

    def closing(self, count: int) -> list[Entry]:
        """What the helping collector destroys of `count` entries, the oldest first: not ASSURED or closing, until the
        table is below 95 %.
        """
        surplus = count - self.maximum // 100 * _HELP_ABOVE + 1
        for e in [e for e in self.closable.values() if e.status & _ASSURED and not _closes(e)]:
            del self.closable[e.conn_id]
        return [self.closable[number] for number in sorted(self.closable)[: max(surplus, 0)]]


def _closes(e: Entry) -> bool:
    return e.state in _CLOSING.get(e.proto, ())
