"""Looking a few frames ahead, so that the processor has fetched what their lookup touches when their turn comes.

With more live entries than its caches hold, waiting for memory is most of the work: at a million entries a packet that
meets one at random takes half the time with this, in a mix of 20,000 a few percent less. Nothing depends on what is
found here: it is a guess about plain frames, and a frame that looks different is left alone.
"""

from __future__ import annotations

from ctreplay import octets
from ctreplay.capture.reader import Reader
from ctreplay.packet import Packet
from ctreplay.tracker.table import Table

_LEAD = 5
# so many entries stay in the processor's caches anyway
_CACHED = 4096
_V4_MAPPED = 0xFFFF << 32


class Foresight:
    """`look` is called with the reader of the current frame, once for each frame."""

    __slots__ = ("packet", "table")

    def __init__(self, table: Table) -> None:
        self.table = table
        self.packet = Packet()

    def look(self, reader: Reader) -> int:
        """Be `_LEAD` frames ahead again, as far as they are in the reader's window."""
        if self.table.count < _CACHED:
            return 0
        if reader.peek <= reader.pos:
            reader.lead = 0
        elif reader.lead:
            reader.lead -= 1
        while reader.lead < _LEAD:
            at = reader.ahead()
            if at == 0:
                break
            reader.lead += 1
            if self.plain(reader, at):
                self.table.foresee(self.packet)
        return 0

    def plain(self, reader: Reader, at: int) -> bool:
        """Whether the frame at window position `at` has a tuple, by its headers without any extension."""
        p = self.packet
        kind = reader.fact.linktype
        end = at + reader.peeked
        version = 0
        if kind == 1:
            o = at + 14
            if end - o >= 28:
                # 802.1Q
                if reader.buf[at + 12] == 0x81 and reader.buf[at + 13] == 0:
                    o += 4
                version = reader.buf[o] >> 4
        elif kind == 101 or kind == 113 or kind == 276:
            o = at + (0 if kind == 101 else 16 if kind == 113 else 20)
            if end - o >= 24:
                version = reader.buf[o] >> 4
        else:
            return False
        if version == 4 and reader.buf[o] == 0x45 and reader.buf[o + 6] & 0x3F == 0 and reader.buf[o + 7] == 0:
            p.proto = reader.buf[o + 9]
            p.src_hi = p.dst_hi = 0
            p.src_lo = _V4_MAPPED | octets.be32(reader.buf, o + 12)
            p.dst_lo = _V4_MAPPED | octets.be32(reader.buf, o + 16)
            o += 20
        elif version == 6 and end - o >= 44:
            p.proto = reader.buf[o + 6]
            p.src_hi = octets.be64(reader.buf, o + 8)
            p.src_lo = octets.be64(reader.buf, o + 16)
            p.dst_hi = octets.be64(reader.buf, o + 24)
            p.dst_lo = octets.be64(reader.buf, o + 32)
            o += 40
        else:
            return False
        if p.proto != 6 and p.proto != 17:
            return False
        p.sport = octets.be16(reader.buf, o)
        p.dport = octets.be16(reader.buf, o + 2)
        return True
