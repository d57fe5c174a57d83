"""Datagrams of which not all fragments have come: found by what their fragments share, kept in order of creation."""

from __future__ import annotations

from ctreplay import keyedhash
from ctreplay.packet import Packet

_START = 1 << 10
_IPV4 = 4
DUPLICATE = 1
OVERLAP = 2


class Queue:
    """Fragments of one datagram: `runs` are the contiguous stretches received, `parts` their offsets and bytes.

    `length` is where the data ends as far as it is known, `meat` the bytes received, `memory` what the limit counts,
    `ecn` a bit for each ECN codepoint they came with.
    """

    __slots__ = (
        "cut", "deadline", "dst_hi", "dst_lo", "ecn", "family", "first", "frag_id", "hash", "header", "last_seen",
        "length", "meat", "memory", "newer", "next", "older", "parts", "proto", "rid", "runs", "src_hi", "src_lo",
    )  # fmt: skip

    def __init__(self) -> None:
        self.next: Queue | None = None
        self.older: Queue | None = None
        self.newer: Queue | None = None
        self.hash = self.frag_id = self.family = self.proto = 0
        self.src_hi = self.src_lo = self.dst_hi = self.dst_lo = 0
        self.deadline = self.rid = 0
        self.restart()

    def restart(self) -> int:
        """Forget all fragments."""
        self.runs: list[list[int]] = []
        self.parts: list[tuple[int, bytes]] = []
        self.length = 0
        self.meat = 0
        self.memory = 0
        self.cut = 0
        self.ecn = 0
        self.first = False
        self.last_seen = False
        self.header = b""
        return 0

    def place(self, offset: int, end: int) -> int:
        """Record [offset, end): 0 taken, else `DUPLICATE` or `OVERLAP` (inet_frag_queue_insert)."""
        runs = self.runs
        count = len(runs)
        last = runs[count - 1] if count else None
        if last is None or offset >= last[1]:
            if last is not None and offset == last[1]:
                last[1] = end
            else:
                runs.append([offset, end])
            return 0
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            begin, stop = runs[middle]
            if end <= begin:
                high = middle
            elif offset >= stop:
                low = middle + 1
            elif offset >= begin and end <= stop:
                return DUPLICATE
            else:
                return OVERLAP
        runs.insert(low, [offset, end])
        return 0

    def datagram(self, header: bytearray) -> bytes:
        """The bytes of all fragments behind `header`."""
        self.parts.sort()
        return b"".join([header, *[data for _, data in self.parts]])


class Queues:
    """`count` queues, the `oldest` to the `newest`. Their hash has keys, because an attacker chooses the traffic."""

    __slots__ = ("buckets", "count", "key0", "key1", "key2", "mask", "newest", "oldest")

    def __init__(self) -> None:
        self.buckets: list[Queue | None] = [None] * _START
        self.mask = _START - 1
        self.count = 0
        self.oldest: Queue | None = None
        self.newest: Queue | None = None
        self.key0 = keyedhash.key()
        self.key1 = keyedhash.key()
        self.key2 = keyedhash.key()

    def hash_of(self, p: Packet) -> int:
        """Of what the fragments of a datagram share: addresses and identification, of IPv4 the protocol too."""
        x = keyedhash.fold(p.src_lo ^ self.key0, p.src_hi ^ self.key1)
        x = keyedhash.fold(p.dst_lo ^ x, p.dst_hi ^ self.key2)
        return keyedhash.fold(p.frag_id ^ x, self.key0)

    def find(self, p: Packet, hash_: int) -> Queue | None:
        """The queue of a fragment's datagram; `hash_` is that of the fragment."""
        queue = self.buckets[hash_ & self.mask]
        while queue is not None:
            if (
                queue.hash == hash_
                and queue.frag_id == p.frag_id
                and queue.src_lo == p.src_lo
                and queue.dst_lo == p.dst_lo
                and queue.src_hi == p.src_hi
                and queue.dst_hi == p.dst_hi
                and queue.family == p.family
                and (queue.proto == p.proto or queue.family != _IPV4)
            ):
                return queue
            queue = queue.next
        return None

    def add(self, p: Packet, hash_: int) -> Queue:
        """A new queue for a fragment's datagram, the newest."""
        if self.count > self.mask:
            self.grow()
        queue = Queue()
        queue.hash = hash_
        queue.family = p.family
        queue.proto = p.proto
        queue.frag_id = p.frag_id
        queue.src_hi = p.src_hi
        queue.src_lo = p.src_lo
        queue.dst_hi = p.dst_hi
        queue.dst_lo = p.dst_lo
        i = queue.hash & self.mask
        queue.next = self.buckets[i]
        self.buckets[i] = queue
        queue.older = self.newest
        if self.newest is None:
            self.oldest = queue
        else:
            self.newest.newer = queue
        self.newest = queue
        self.count += 1
        return queue

    def remove(self, queue: Queue) -> int:
        """Take a queue out."""
        i = queue.hash & self.mask
        walk = self.buckets[i]
        if walk is queue:
            self.buckets[i] = queue.next
        else:
            while walk.next is not queue:  # type: ignore[union-attr]
                walk = walk.next  # type: ignore[union-attr]
            walk.next = queue.next  # type: ignore[union-attr]
        if queue.older is None:
            self.oldest = queue.newer
        else:
            queue.older.newer = queue.newer
        if queue.newer is None:
            self.newest = queue.older
        else:
            queue.newer.older = queue.older
        # neighbours that refer to each other would never be freed
        queue.next = queue.older = queue.newer = None
        self.count -= 1
        return 0

    def renew(self, queue: Queue) -> int:
        """Make a queue the newest."""
        if queue.newer is not None:
            queue.newer.older = queue.older
            if queue.older is None:
                self.oldest = queue.newer
            else:
                queue.older.newer = queue.newer
            queue.newer = None
            queue.older = self.newest
            self.newest.newer = queue  # type: ignore[union-attr]
            self.newest = queue
        return 0

    def grow(self) -> int:
        """Double the number of buckets."""
        self.mask = 2 * self.mask + 1
        self.buckets = [None] * (self.mask + 1)
        queue = self.oldest
        while queue is not None:
            i = queue.hash & self.mask
            queue.next = self.buckets[i]
            self.buckets[i] = queue
            queue = queue.newer
        return 0
