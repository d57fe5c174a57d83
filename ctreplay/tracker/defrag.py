"""Reassembly of IPv4 and IPv6 datagrams before tracking (ip_defrag, nf_ct_frag6_gather; spec section 2.2).

Fragments are absorbed; the packet that completes a datagram stands for the whole, at its own time.
"""

from __future__ import annotations

from ctreplay import octets, reasons
from ctreplay.packet import Packet
from ctreplay.tracker import queues
from ctreplay.tracker.queues import Queue, Queues
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
_AGAIN = queues.DUPLICATE
# RFC 3168 section 5.3: fragments that know ECN cannot belong with others that do not
_NOT_ECT = 1
_FRAGMENT, _AUTH, _NONE = 44, 51, 59
_EXTENSIONS = frozenset((0, 43, _FRAGMENT, _AUTH, 60))
_TRANSPORT_HEADER = {6: 20, 17: 8, 58: 8}


class Defrag:
    """`add` takes a fragment; `COMPLETE` means that `self.datagram` holds the whole IP packet.

    `cut` is then 1 when the capture lacks bytes of it, which read as zero.
    """

    __slots__ = ("cut", "datagram", "memory", "queues", "s", "sources", "timeouts")

    def __init__(self, settings: Settings) -> None:
        self.s = settings
        self.queues = Queues()
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

    def expire(self, now: int) -> int:
        """Drop queues whose time is over; they are kept in the order of their creation, per family nearly so."""
        queue = self.queues.oldest
        while queue is not None and queue.deadline <= now:
            self.kill(queue)
            self.timeouts += 1
            queue = self.queues.oldest
        return 0

    def kill(self, queue: Queue) -> int:
        """Give up a datagram."""
        self.queues.remove(queue)
        self.memory -= queue.memory
        return 0

    def queue_for(self, p: Packet, now: int, timeout: int, rid: int) -> Queue:
        """The queue of a fragment's datagram, new when there is none."""
        hash_ = self.queues.hash_of(p)
        queue = self.queues.find(p, hash_)
        if queue is not None and queue.deadline <= now:
            self.kill(queue)
            self.timeouts += 1
            queue = None
        if queue is None:
            queue = self.queues.add(p, hash_)
            queue.deadline = now + timeout
            queue.rid = rid
        return queue

    def keep(self, queue: Queue, offset: int, data: bytes, cut: int, ecn: int) -> int:
        """Store a fragment's bytes and ECN codepoint; `cut` when the capture lacks some of them."""
        size = len(data)
        queue.ecn |= 1 << ecn
        queue.parts.append((offset, data))
        queue.cut |= cut
        queue.meat += size
        queue.memory += size + _OVERHEAD
        self.memory += size + _OVERHEAD
        return 0

    def add4(self, p: Packet, now: int) -> int:
        """One IPv4 fragment."""
        rid = self.sources.get(p.src_lo, 0) + 1
        if rid == 1 and len(self.sources) > _SOURCES_KEPT:
            self.sources.clear()
        self.sources[p.src_lo] = rid
        queue = self.queue_for(p, now, self.s.frag4_timeout, rid)
        distance = self.s.frag_max_dist
        if distance and rid - queue.rid > distance and queue.parts:
            self.memory -= queue.memory
            queue.restart()
            queue.deadline = now + self.s.frag4_timeout
            self.queues.renew(queue)
        queue.rid = rid

        offset = p.frag_off
        end = offset + p.l4_len
        size = p.l4_len
        if not p.frag_more:
            if end < queue.length or (queue.last_seen and end != queue.length):
                self.kill(queue)
                return OVERLAP
            queue.last_seen = True
            queue.length = end
        else:
            if end & 7:
                end &= ~7
                size = end - offset
            if end > queue.length:
                if queue.last_seen:
                    self.kill(queue)
                    return OVERLAP
                queue.length = end
        if end == offset:
            self.kill(queue)
            return REFUSED
        placed = queue.place(offset, end)
        if placed == _AGAIN:
            return DUPLICATE
        if placed:
            self.kill(queue)
            return OVERLAP
        self.keep(queue, offset, octets.copy(p.buf, p.l4, p.l4 + size), p.cut, p.buf[p.l3 + 1] & 3)
        if offset == 0:
            queue.first = True
            queue.header = octets.copy(p.buf, p.l3, p.l4)
        if not (queue.first and queue.last_seen and queue.meat == queue.length):
            return ABSORBED
        self.kill(queue)
        if queue.ecn & _NOT_ECT and queue.ecn != _NOT_ECT:
            return OVERLAP
        total = len(queue.header) + queue.length
        if total > _MAX_DATAGRAM:
            return REFUSED
        header = bytearray(queue.header)
        header[2] = total >> 8
        header[3] = total & 255
        header[6] = header[7] = 0
        self.datagram = queue.datagram(header)
        self.cut = queue.cut
        return COMPLETE

    def add6(self, p: Packet, now: int) -> int:
        """One packet with an IPv6 fragment header at `p.frag_pos`."""
        data_at = p.frag_pos + 8
        offset = p.frag_off
        size = p.l3 + p.l3_len - data_at
        end = offset + size
        # a fragment header that is not whole, and ends before its offset or what follows can be told
        if size < -4:
            return REFUSED
        if offset == 0 and self.chain_cut(p, data_at, data_at + size):
            return PASS_ON
        if size < 0:
            return REFUSED
        queue = self.queue_for(p, now, self.s.frag6_timeout, 0)
        if end > _MAX_DATAGRAM:
            return REFUSED
        if not p.frag_more:
            if end < queue.length or (queue.last_seen and end != queue.length):
                return OVERLAP
            queue.last_seen = True
            queue.length = end
        else:
            if end & 7:
                self.kill(queue)
                return PASS_ON
            if end > queue.length:
                if queue.last_seen:
                    return OVERLAP
                queue.length = end
        if end == offset:
            return REFUSED
        placed = queue.place(offset, end)
        if placed == _AGAIN:
            return DUPLICATE
        if placed:
            self.kill(queue)
            return OVERLAP
        self.keep(queue, offset, octets.copy(p.buf, data_at, data_at + size), p.cut, p.buf[p.l3 + 1] >> 4 & 3)
        if offset == 0:
            queue.first = True
            queue.header = self.unfragmentable(p)
        if not (queue.first and queue.last_seen and queue.meat == queue.length):
            return ABSORBED
        self.kill(queue)
        if queue.ecn & _NOT_ECT and queue.ecn != _NOT_ECT:
            return OVERLAP
        payload = len(queue.header) - 40 + queue.length
        if payload > _MAX_DATAGRAM:
            return REFUSED
        header = bytearray(queue.header)
        header[4] = payload >> 8
        header[5] = payload & 255
        self.datagram = queue.datagram(header)
        self.cut = queue.cut
        return COMPLETE

    def chain_cut(self, p: Packet, at: int, stop: int) -> bool:
        """Whether the transport header of a first fragment is not whole (RFC 7112): a fragment that ends within the
        extension headers themselves is queued all the same."""
        buf = p.buf
        kind = buf[p.frag_pos]
        while kind in _EXTENSIONS:
            if at + (4 if kind == _FRAGMENT else 2) > stop:
                return False
            if kind == _FRAGMENT and (buf[at + 2] or buf[at + 3] & 0xF8):
                return False
            size = (buf[at + 1] + 2) << 2 if kind == _AUTH else 8 if kind == _FRAGMENT else (buf[at + 1] + 1) << 3
            kind, at = buf[at], at + size
        return kind != _NONE and at + _TRANSPORT_HEADER.get(kind, 1) > stop

    def unfragmentable(self, p: Packet) -> bytes:
        """The headers before the fragment header, with its next-header value put where it stood.

        The kernel remembers that place in eight bits (find_prev_fhdr): beyond 255 another byte is overwritten, and the
        chain still leads to where the fragment header was.
        """
        header = bytearray(octets.copy(p.buf, p.l3, p.frag_pos))
        nxt = p.buf[p.frag_pos]
        kind, pointer, o = header[6], 6, 40
        while kind != 44 and o + 2 <= len(header):
            size = (header[o + 1] + 2) << 2 if kind == 51 else (header[o + 1] + 1) << 3
            kind, pointer, o = header[o], o, o + size
        header[pointer & 0xFF] = nxt
        return bytes(header)
