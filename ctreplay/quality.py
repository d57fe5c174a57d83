"""What taints trust in a capture: undecodable frames, offloaded checksums, packets seen twice."""

from __future__ import annotations

from ctreplay import octets
from ctreplay.decode.checksum import Checksum
from ctreplay.packet import Packet

_SAMPLE_MASK = 63
_TCP = 6
_UDP = 17
_RECENT = 4
_DUPLICATE_WITHIN = 1_000_000
_U64 = 0xFFFFFFFFFFFFFFFF
_K = 0x9E3779B97F4A7C15


class Quality:
    """Counters by capture number: `checked`, `wrong`, `offloaded` checksums of every 64th packet; `duplicates`."""

    __slots__ = (
        "checked", "checksum", "duplicates", "marks", "next_mark", "offloaded", "times", "undecodable_counts", "wrong",
    )  # fmt: skip

    def __init__(self, checksum: Checksum) -> None:
        self.checksum = checksum
        self.checked: dict[int, int] = {}
        self.wrong: dict[int, int] = {}
        self.offloaded: dict[int, int] = {}
        self.duplicates: dict[int, int] = {}
        self.undecodable_counts: dict[tuple[int, int], int] = {}
        self.marks = memoryview(bytearray(8 * _RECENT)).cast("Q")
        self.times = memoryview(bytearray(8 * _RECENT)).cast("q")
        self.next_mark = 0

    def undecodable(self, capture: int, reason: int) -> None:
        """Count a frame that is no readable IP packet."""
        key = (capture, reason)
        self.undecodable_counts[key] = self.undecodable_counts.get(key, 0) + 1

    def sample(self, p: Packet, w: Packet) -> int:
        """Look at one IP packet: frame `p`, decoded as `w`."""
        self.repeated(p, w)
        if p.number & _SAMPLE_MASK == 1 and w.cut == 0 and w.frag == 0 and w.l4_fault == 0:
            self.verify(p.capture, w)
        return 0

    def repeated(self, p: Packet, w: Packet) -> int:
        """Count a packet that was among the last few already, as captures of several interfaces hold it."""
        if w.family != 4 and w.proto != _TCP:
            return 0
        mark = (w.src_lo << 32 ^ w.dst_lo) & _U64
        ident = w.l3_len
        mark = (mark ^ ident << 48) & _U64
        if w.family == 4:
            # identification, flags, and fragment offset
            ident = octets.be32(w.buf, w.l3 + 4)
            if ident >> 16 == 0 and w.proto != _TCP:
                return 0
            mark = (mark * _K ^ ident) & _U64
        if w.frag == 0 and w.proto == _TCP:
            ident = w.seq
            mark = (mark * _K ^ ident << 24 ^ w.ack) & _U64
            mark = (mark * _K + w.flags) & _U64
        for i in range(_RECENT):
            if self.marks[i] == mark and p.ts - self.times[i] < _DUPLICATE_WITHIN:
                self.duplicates[p.capture] = self.duplicates.get(p.capture, 0) + 1
                return 0
        self.marks[self.next_mark] = mark
        self.times[self.next_mark] = p.ts
        self.next_mark = (self.next_mark + 1) & (_RECENT - 1)
        return 0

    def verify(self, capture: int, w: Packet) -> int:
        """Sample the transport checksum of a whole TCP or UDP packet."""
        if w.proto == _TCP and w.l4_len >= 20:
            field = w.l4 + 16
        elif w.proto == _UDP and w.l4_len >= 8 and w.buf[w.l4 + 6] | w.buf[w.l4 + 7]:
            field = w.l4 + 6
        else:
            return 0
        self.checked[capture] = self.checked.get(capture, 0) + 1
        if not self.checksum.transport(w, w.proto, w.l4_len):
            self.wrong[capture] = self.wrong.get(capture, 0) + 1
            if self.checksum.partial(w, w.proto, field):
                self.offloaded[capture] = self.offloaded.get(capture, 0) + 1
        return 0
