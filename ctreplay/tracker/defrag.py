"""Reassembly of IPv4 and IPv6 datagrams before tracking (ip_defrag, nf_ct_frag6_gather; spec section 2.2).

Fragments are absorbed; the packet that completes a datagram stands for the whole, at its own time.
"""

from __future__ import annotations

from collections import OrderedDict

from ctreplay import octets, reasons
from ctreplay.packet import Packet
from ctreplay.tracker.settings import Settings

ABSORBED = reasons.CODES["fragment"]
DUPLICATE = reasons.CODES["fragment_duplicate"]
OVERLAP = reasons.CODES["fragment_overlap"]
REFUSED = reasons.CODES["fragment_refused"]
PASS_ON = -1
COMPLETE = 0
_MAX_DATAGRAM = 65535
_SOURCES_KEPT = 65536
# what the kernel charges for a fragment beside its bytes, roughly: the limit is a guard, not a verdict
_OVERHEAD = 512
_FRAGMENT, _AUTH, _NONE = 44, 51, 59
_EXTENSIONS = frozenset((0, 43, _FRAGMENT, _AUTH, 60))
_TRANSPORT_HEADER = {6: 20, 17: 8, 58: 8}


class Queue:
    """Fragments of one datagram: `runs` are the contiguous stretches received, `parts` their bytes by offset."""

    __slots__ = ("cut", "deadline", "first", "header", "last_seen", "length", "meat", "memory", "parts", "rid", "runs")

    def __init__(self, deadline: int, rid: int) -> None:
        self.deadline = deadline
        self.rid = rid
        self.restart(rid)

    def restart(self, rid: int) -> None:
        """Forget all fragments."""
        self.runs: list[list[int]] = []
        self.parts: dict[int, bytes] = {}
        self.length = 0
        self.meat = 0
        self.memory = 0
        self.cut = 0
        self.first = False
        self.last_seen = False
        self.header = b""
        self.rid = rid

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


class Defrag:
    """`add` takes a fragment; `COMPLETE` means that `self.datagram` holds the whole IP packet.

    `cut` is then 1 when the capture lacks bytes of it, which read as zero.
    """

    __slots__ = ("cut", "datagram", "memory", "queues", "s", "sources", "timeouts")

    def __init__(self, settings: Settings) -> None:
        self.s = settings
        self.queues: OrderedDict[tuple[int, ...], Queue] = OrderedDict()
        self.sources: dict[int, int] = {}
        self.memory = 0
        self.timeouts = 0
        self.datagram = b""
        self.cut = 0

    def add(self, p: Packet, now: int) -> int:
        """`COMPLETE`, `PASS_ON` (track the fragment as it is), or a reason why nothing comes out of it."""
        self.expire(now)
        if self.memory > self.s.frag_memory:
            return REFUSED
        return self.add4(p, now) if p.family == 4 else self.add6(p, now)

    def expire(self, now: int) -> None:
        """Drop queues whose time is over; they are kept in the order of their creation, per family nearly so."""
        while self.queues:
            key, queue = next(iter(self.queues.items()))
            if queue.deadline > now:
                return
            self.kill(key, queue)
            self.timeouts += 1

    def kill(self, key: tuple[int, ...], queue: Queue) -> None:
        """Give up a datagram."""
        del self.queues[key]
        self.memory -= queue.memory

    def queue_for(self, key: tuple[int, ...], now: int, timeout: int, rid: int) -> Queue:
        queue = self.queues.get(key)
        if queue is not None and queue.deadline <= now:
            self.kill(key, queue)
            self.timeouts += 1
            queue = None
        if queue is None:
            queue = self.queues[key] = Queue(now + timeout, rid)
        return queue

    def keep(self, queue: Queue, offset: int, data: bytes, cut: int) -> None:
        """Store a fragment's bytes; `cut` when the capture lacks some of them."""
        queue.parts[offset] = data
        queue.cut |= cut
        queue.meat += len(data)
        queue.memory += len(data) + _OVERHEAD
        self.memory += len(data) + _OVERHEAD

    def payload(self, queue: Queue) -> bytes:
        return b"".join([queue.parts[offset] for offset in sorted(queue.parts)])

    def add4(self, p: Packet, now: int) -> int:
        """One IPv4 fragment."""
        key = (4, p.src_lo, p.dst_lo, p.proto, p.frag_id)
        rid = self.sources.get(p.src_lo, 0) + 1
        if len(self.sources) > _SOURCES_KEPT:
            self.sources.clear()
        self.sources[p.src_lo] = rid
        queue = self.queue_for(key, now, self.s.frag4_timeout, rid)
        distance = self.s.frag_max_dist
        if distance and rid - queue.rid > distance and queue.parts:
            self.memory -= queue.memory
            queue.restart(rid)
        queue.rid = rid

        offset = p.frag_off
        end = offset + p.l4_len
        size = p.l4_len
        if end > _MAX_DATAGRAM:
            return REFUSED
        if not p.frag_more:
            if end < queue.length or (queue.last_seen and end != queue.length):
                self.kill(key, queue)
                return OVERLAP
            queue.last_seen = True
            queue.length = end
        else:
            if end & 7:
                end &= ~7
                size = end - offset
            if end > queue.length:
                if queue.last_seen:
                    self.kill(key, queue)
                    return OVERLAP
                queue.length = end
        if end == offset:
            self.kill(key, queue)
            return REFUSED
        verdict = queue.place(offset, end)
        if verdict == DUPLICATE:
            return DUPLICATE
        if verdict:
            self.kill(key, queue)
            return OVERLAP
        self.keep(queue, offset, octets.copy(p.buf, p.l4, p.l4 + size), p.cut)
        if offset == 0:
            queue.first = True
            queue.header = octets.copy(p.buf, p.l3, p.l4)
        if not (queue.first and queue.last_seen and queue.meat == queue.length):
            return ABSORBED
        self.kill(key, queue)
        total = len(queue.header) + queue.length
        if total > _MAX_DATAGRAM:
            return REFUSED
        header = bytearray(queue.header)
        header[2] = total >> 8
        header[3] = total & 255
        header[6] = header[7] = 0
        self.datagram = bytes(header) + self.payload(queue)
        self.cut = queue.cut
        return COMPLETE

    def add6(self, p: Packet, now: int) -> int:
        """One packet with an IPv6 fragment header at `p.frag_pos`."""
        data_at = p.frag_pos + 8
        offset = p.frag_off
        size = p.l3 + p.l3_len - data_at
        end = offset + size
        if offset == 0 and self.chain_cut(p, data_at, data_at + size):
            return PASS_ON
        if size < 0:
            return PASS_ON
        key = (6, p.src_hi, p.src_lo, p.dst_hi, p.dst_lo, p.frag_id)
        queue = self.queue_for(key, now, self.s.frag6_timeout, 0)
        if end > _MAX_DATAGRAM:
            return REFUSED
        if not p.frag_more:
            if end < queue.length or (queue.last_seen and end != queue.length):
                return OVERLAP
            queue.last_seen = True
            queue.length = end
        else:
            if end & 7:
                self.kill(key, queue)
                return PASS_ON
            if end > queue.length:
                if queue.last_seen:
                    return OVERLAP
                queue.length = end
        if end == offset:
            return REFUSED
        verdict = queue.place(offset, end)
        if verdict == DUPLICATE:
            return DUPLICATE
        if verdict:
            self.kill(key, queue)
            return OVERLAP
        self.keep(queue, offset, octets.copy(p.buf, data_at, data_at + size), p.cut)
        if offset == 0:
            queue.first = True
            queue.header = self.unfragmentable(p)
        if not (queue.first and queue.last_seen and queue.meat == queue.length):
            return ABSORBED
        self.kill(key, queue)
        payload = len(queue.header) - 40 + queue.length
        if payload > _MAX_DATAGRAM:
            return REFUSED
        header = bytearray(queue.header)
        header[4] = payload >> 8
        header[5] = payload & 255
        self.datagram = bytes(header) + self.payload(queue)
        self.cut = queue.cut
        return COMPLETE

    def chain_cut(self, p: Packet, at: int, stop: int) -> bool:
        """Whether the transport header of a first fragment is not whole (RFC 7112): a fragment that ends within the
        extension headers themselves is queued all the same."""
        buf = p.buf
        kind = buf[p.frag_pos]
        while kind in _EXTENSIONS:
            if at + 2 > stop:
                return False
            if kind == _FRAGMENT and (buf[at + 2] or buf[at + 3] & 0xF8):
                return False
            size = (buf[at + 1] + 2) << 2 if kind == _AUTH else 8 if kind == _FRAGMENT else (buf[at + 1] + 1) << 3
            kind, at = buf[at], at + size
        return kind != _NONE and at + _TRANSPORT_HEADER.get(kind, 1) > stop

    def unfragmentable(self, p: Packet) -> bytes:
        """The headers before the fragment header, with its next-header value put where it stood."""
        header = bytearray(octets.copy(p.buf, p.l3, p.frag_pos))
        nxt = p.buf[p.frag_pos]
        kind, pointer, o = header[6], 6, 40
        while kind != 44 and o + 2 <= len(header):
            size = (header[o + 1] + 2) << 2 if kind == 51 else (header[o + 1] + 1) << 3
            kind, pointer, o = header[o], o, o + size
        header[pointer] = nxt
        return bytes(header)
